// Rules: what is refused is told with its place; what is accepted says what a slow evaluation says, and goes on saying it as long as
// it promises.
import Model
import Rules
import SlowRules
import TestSupport

extension FuzzTarget {
    /// Four bytes choose a customer and an instant; the rest is the rule.
    static let rules = FuzzTarget(
        "rules",
        words: [
            "orders(90d)", "spend(30d)", "average_order(7d)", "orders_total", "spend_total", "recency", "idle",
            "since_order",
            "typical_gap", "activity(7d)", "activity(28d)", "activity_trend", "tier", "lifecycle", "\"lost\"",
            "'ordinary'",
            " && ", " || ", "!", "(", ")", " + ", " - ", " * ", " / ", " < ", " <= ", " > ", " >= ", " == ", " != ",
            "true",
            "false", "90d", "36h", "1ms", "52w", "0.5", "100", "999999999999999999", "0.000000000000000001",
        ], longest: 260, check: { bytes throws(Finding) in try RulesCheck(bytes).run() })
}

private struct RulesCheck {
    private static let day: Int64 = 86_400_000
    private let text: String
    private let customer: Customer
    private let now: Int64
    private var random: RandomSource

    init(_ bytes: UnsafeRawBufferPointer) {
        var choices = Choices(bytes)
        var generator = RuleGenerator(seed: UInt64(choices.number(UInt32.self)))
        text = String(decoding: choices.remaining, as: UTF8.self)
        let zone = generator.random.pick(TestZones.all)
        now = generator.random.int64(1_740_000_000_000...1_790_000_000_000)
        let largest = generator.random.pick([30_000, Limits.amountMinorUnits])
        customer = generator.customer(zone: zone, now: now, largest: largest)
        random = generator.random
    }

    func run() throws(Finding) {
        var scope = scope()
        let compiled: CompiledRule
        do throws(RuleProblem) { compiled = try CompiledRule(text, scope: &scope) } catch {
            try Finding.require(
                (0...text.utf8.count).contains(error.offset) && !error.message.isEmpty,
                "a problem at byte \(error.offset) of '\(text)': \(error.message)")
            return
        }
        guard let rule = RuleReader.read(text) else { throw Finding("'\(text)' is accepted, and cannot be read") }
        var result = (holds: false, until: Int64.max)
        var holds = false
        customer.withFeatures(at: now, scope: scope) { features, constants in
            let outlook = compiled.outlook(features, constants)
            result = (outlook.holds, outlook.until)
            holds = compiled.holds(features, constants)
        }
        try Finding.require(result.holds == holds, "'\(text)' holds: \(holds), and its outlook says \(result.holds)")
        try Finding.require(result.until > now, "'\(text)' changes at \(result.until), which is not after \(now)")
        for instant in samples(until: result.until) {
            let expected = rule.holds(customer, at: instant)
            if expected == .close { continue }
            try Finding.require(
                (expected == .yes) == result.holds,
                "'\(text)' is \(result.holds) from \(now) until \(result.until), and slowly \(expected) at \(instant)")
        }
    }

    /// Between now and the promised instant: their neighbours, days, the customer's own times, and some more.
    private func samples(until: Int64) -> [Int64] {
        var random = random
        let end = until == .max ? now + 800 * RulesCheck.day : until
        var samples = [now, now + 1, end - 2, end - 1]
        let midnight = CivilTime.floorDivide(now, RulesCheck.day) * RulesCheck.day
        for days in [Int64(1), 2, 7, 14, 30, 89, 90, 91, 365] {
            samples += customer.zone.offsets.flatMap {
                [midnight + days * RulesCheck.day - $0 - 1, midnight + days * RulesCheck.day - $0]
            }
            samples += customer.orders.flatMap {
                [$0.time + days * RulesCheck.day, $0.time + days * RulesCheck.day + 1]
            }
        }
        for _ in 0..<10 { samples.append(random.int64(now...max(now, end - 1))) }
        return samples.filter { $0 >= now && $0 < end }
    }
}
