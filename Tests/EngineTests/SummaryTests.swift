// What is kept about many entries is what the entries say: an engine that knows it and one that has to find it out do the same.
import Model
import Rules
import TestSupport
import Testing

@testable import Engine

@Suite struct SummaryTests {
    private static let day: Int64 = 86_400_000

    private static func rules(_ zone: ZoneTable, windows: [Int]) throws -> Ruleset {
        let (short, long) = (windows[0], windows[1])
        return try Ruleset(
            ladders: [
                LadderSource(
                    name: "number",
                    rungs: [
                        .init(name: "many", rule: "orders(\(long)d) >= 40"),
                        .init(name: "some", rule: "orders(\(long)d) >= 20"),
                        .init(name: "few", rule: nil),
                    ]),
                LadderSource(
                    name: "value",
                    rungs: [
                        .init(name: "rising", rule: "average_order(\(short)d) > average_order(\(long)d)"),
                        .init(name: "falling", rule: "spend_total / orders_total > average_order(\(short)d)"),
                        .init(name: "level", rule: nil),
                    ]),
            ],
            warnings: [
                WarningSource(name: "late", severity: .low, rule: "since_order > 2 * typical_gap", cooldown: day)
            ],
            zone: zone, currencyExponent: 2, halfLives: [7 * day, 28 * day])
    }

    /// Busy customers: orders with lines, refunds before and after their order, clicks that are known again for a while, records that
    /// come twice, late ones, days without any, and versions with other windows.
    private struct Shoppers {
        var random: RandomSource
        var now: Int64 = 1_770_000_000_000
        var number = 0

        mutating func next() -> Event {
            number += 1
            now += random.one(in: 40) ? random.int64(0...6 * day) : random.int64(0...day / 20)
            let earlier = random.int(max(1, number - 60)...number)
            let occurredAt = random.one(in: 5) ? now - random.int64(0...100 * day) : now
            let customer = "c\(random.int(0...2))"
            switch random.int(0...19) {
            case 0:
                return Event(
                    kind: .refund, customer: customer, id: "r\(earlier)", order: "o\(earlier)", occurredAt: occurredAt)
            case 1...2:
                return Event(
                    kind: .refund, customer: customer, id: "r\(number)", order: "o\(earlier)", occurredAt: occurredAt,
                    amount: random.int64(0...9_000))
            case 3:
                return Event(
                    kind: .click, customer: customer, id: "k\(earlier)", occurredAt: occurredAt, deduplication: 3 * day)
            case 4...6:
                return Event(
                    kind: .purchase, customer: customer, id: "l\(number)", order: "o\(earlier)", occurredAt: occurredAt,
                    amount: random.int64(0...5_000), adds: true)
            default:
                return Event(
                    kind: .purchase, customer: customer, id: "o\(random.one(in: 8) ? earlier : number)",
                    occurredAt: occurredAt, amount: random.int64(0...9_000))
            }
        }
    }

    @Test(arguments: 0..<8)
    func anEngineThatKnowsAndOneThatDoesNotDoTheSame(seed: Int) throws {
        var random = RandomSource(seed: UInt64(seed))
        let zone = random.pick(TestZones.all)
        var rules = try SummaryTests.rules(zone, windows: [7, 90])
        let knowing = Engine(rules: rules, key: 5)
        var other = Engine(rules: rules, key: 5)
        var shoppers = Shoppers(random: RandomSource(seed: UInt64(seed) + 100))
        var most = 0
        for step in 0..<1_200 {
            if step % 300 == 299 {
                let settled = shoppers.now
                for engine in [knowing, other] {
                    repeat { engine.finishSlice(advancingTo: settled) } while !engine.isSettled
                }
                rules = try SummaryTests.rules(zone, windows: step % 600 == 299 ? [14, 60] : [7, 90])
                for engine in [knowing, other] { engine.install(rules, limits: engine.limits) }
            }
            // A restored one knows nothing beforehand.
            if knowing.sweep == nil { other = try other.restored(rules: rules) }
            let event = shoppers.next()
            let (outcome, same) = (event.apply(to: knowing), event.apply(to: other))
            #expect(outcome == same, "seed \(seed), step \(step)")
            for engine in [knowing, other] { engine.finishSlice(advancingTo: shoppers.now) }
            let (changes, expected) = (try knowing.takeChanges(), try other.takeChanges())
            try #require(changes == expected, "seed \(seed), step \(step)")
            try #require(knowing.stateDigest() == other.stateDigest(), "seed \(seed), step \(step)")
            for ordinal in 0..<knowing.customerCount {
                most = max(most, Int(knowing.table.row(ordinal).pointee.entryCount))
            }
        }
        #expect(most > 60, "nobody had many entries: \(most)")
    }

    /// Everything of a block is inside it: entries, the summary and a byte for each entry.
    @Test(arguments: 1...EntryStore.largestOrder)
    func aBlockHoldsWhatItSays(order: Int) {
        let (entries, bytes) = (EntryStore.capacity(order: order), MemoryLayout<PackedEntry>.stride << order)
        #expect(entries > 0)
        // Sixteen of those bytes are read at once.
        let summary = order < EntryStore.summarizedOrder ? 0 : OrderSummary.bytes + (entries + 15) / 16 * 16
        #expect(entries * MemoryLayout<Entry>.stride + summary <= bytes)
    }
}
