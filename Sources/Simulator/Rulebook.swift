// The sets of rules that runs use: in days for the event clock, in seconds for the wall clock, so that silence decides within a run.
import Codec
import Engine
import Model
import Rules

enum Rulebook {
    private static let second: Int64 = 1_000

    static func version(_ number: Int, _ options: Options) -> Version {
        let (ladders, warnings) = options.isEventClock ? days(number) : seconds(number)
        let money = MoneyRules(
            currency: "CNY", exponent: 2, rates: ["USD": .init(rate: Decimal(coefficient: 71, scale: 1), exponent: 2)])
        let day = CivilTime.millisecondsPerDay
        var mappings = options.topics(number).map { Mapping.native(topic: $0) }
        for index in mappings.indices where index % 2 == 1 {
            mappings[index].addsToOrder = true
            mappings[index].clickDeduplication = 5 * second
        }
        return Version(
            engineNumber: Engine.number, ladders: ladders, warnings: warnings,
            halfLives: options.isEventClock ? [7 * day, 28 * day] : [2 * second, 8 * second], zone: .utc,
            clockMode: options.isEventClock ? .event : .wall, maxFuture: 600 * second, limits: options.limits[number],
            money: money, mappings: mappings)
    }

    private static func days(_ number: Int) -> ([LadderSource], [WarningSource]) {
        switch number {
        case 0: return (Presets.fourTierLadders, Presets.fourTierWarnings)
        case 1:
            let value = LadderSource(
                name: "value", rungs: [.init(name: "big", rule: "spend_total >= 500"), .init(name: "small", rule: nil)])
            return (Presets.fourTierLadders + [value], [Presets.fourTierWarnings[1]])
        default:
            return (
                [Presets.fourTierLadders[1]],
                [
                    WarningSource(
                        name: "silent", severity: .high, rule: "idle > 20d", cooldown: 10 * CivilTime.millisecondsPerDay
                    ),
                    Presets.fourTierWarnings[0],
                ]
            )
        }
    }

    private static func seconds(_ number: Int) -> ([LadderSource], [WarningSource]) {
        let tier = LadderSource(
            name: "tier",
            rungs: [
                .init(name: "high_value", rule: "orders(90d) >= 3 && average_order(90d) >= 100"),
                .init(name: "potential", rule: number == 1 ? "idle < 2s" : "idle < 4s"),
                .init(name: "lost", rule: "idle >= 7s"),
                .init(name: "ordinary", rule: nil),
            ])
        let lifecycle = LadderSource(
            name: "lifecycle",
            rungs: [
                .init(name: "prospect", rule: "orders_total == 0"),
                .init(name: "new", rule: "orders_total == 1 && since_order < 5s"),
                .init(name: "active", rule: "recency < 1 && since_order < 6s"), .init(name: "churned", rule: nil),
            ])
        let slipping = WarningSource(
            name: "slipping", severity: .low, rule: "activity_trend < 0.5 && orders_total >= 1", cooldown: 3 * second)
        let overdue = WarningSource(
            name: "overdue", severity: .medium, rule: "since_order > 3 * typical_gap && orders_total >= 3",
            cooldown: 5 * second)
        let silent = WarningSource(
            name: "silent", severity: .high, rule: number == 2 ? "idle > 3s && tier != \"lost\"" : "idle > 5s",
            cooldown: 4 * second)
        switch number {
        case 0: return ([tier, lifecycle], [slipping, overdue, silent])
        case 1:
            let value = LadderSource(
                name: "value", rungs: [.init(name: "big", rule: "spend_total >= 500"), .init(name: "small", rule: nil)])
            return ([tier, value], [overdue, silent])
        default: return ([lifecycle, tier], [silent])
        }
    }
}
