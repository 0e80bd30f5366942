// Random shoppers through the engine and through the second implementation: the same answers, the same changes, at the same ms.
import Engine
import Model
import Rules
import TestSupport
import Testing

@Suite struct EnginePropertyTests {
    private static let day = DumbShopper.day

    private static let ladders = [
        LadderSource(
            name: "tier",
            rungs: [
                .init(name: "high_value", rule: "orders(90d) >= 3 && average_order(90d) >= 100"),
                .init(name: "potential", rule: "recency < 30 || (orders_total == 0 && idle < 30d)"),
                .init(name: "lost", rule: "recency >= 90 || (orders_total == 0 && idle >= 90d)"),
                .init(name: "ordinary", rule: nil),
            ]),
        LadderSource(
            name: "weekly", rungs: [.init(name: "big", rule: "spend(7d) > 150"), .init(name: "small", rule: nil)]),
    ]
    private static let warnings = [
        WarningSource(
            name: "slipping", severity: .low, rule: "activity_trend < 0.5 && orders_total >= 1", cooldown: 3 * day),
        WarningSource(
            name: "overdue", severity: .medium, rule: "since_order > 3 * typical_gap && orders_total >= 3",
            cooldown: 5 * day),
        WarningSource(name: "quiet", severity: .high, rule: "tier == \"potential\" && idle > 36h", cooldown: 2 * day),
        WarningSource(name: "thin", severity: .low, rule: "spend(7d) < 50 && orders_total > 0", cooldown: 10 * day),
    ]

    private static var dumb: DumbShopper.Rules {
        DumbShopper.Rules(
            windows: [90, 7],
            ladders: [
                (
                    "tier",
                    { seen in
                        if seen.orders[0] >= 3 && seen.spend[0] >= 100_00 * seen.orders[0] { return "high_value" }
                        if (seen.recency ?? .max) < 30 || (seen.ordersTotal == 0 && seen.idle < 30 * day) {
                            return "potential"
                        }
                        return (seen.recency ?? 0) >= 90 || (seen.ordersTotal == 0 && seen.idle >= 90 * day)
                            ? "lost" : "ordinary"
                    }
                ),
                ("weekly", { $0.spend[1] > 150_00 ? "big" : "small" }),
            ],
            warnings: [
                ("slipping", "low", 3 * day, { ($0.trend ?? 1) < 0.5 && $0.ordersTotal >= 1 }),
                (
                    "overdue", "medium", 5 * day,
                    { seen in
                        guard let since = seen.sinceOrder, let gap = seen.typicalGap else { return false }
                        return since * gap.1 > 3 * gap.0 && seen.ordersTotal >= 3
                    }
                ),
                ("quiet", "high", 2 * day, { $0.rungs[0] == "potential" && $0.idle > 36 * 3_600_000 }),
                ("thin", "low", 10 * day, { $0.spend[1] < 50_00 && $0.ordersTotal > 0 }),
            ])
    }

    @Test(arguments: 0..<24)
    func agreesWithASecondImplementation(seed: Int) throws {
        var random = RandomSource(seed: UInt64(seed))
        let zone = random.pick(TestZones.all)
        let rules = try Ruleset(
            ladders: EnginePropertyTests.ladders, warnings: EnginePropertyTests.warnings, zone: zone,
            currencyExponent: 2,
            halfLives: [7 * EnginePropertyTests.day, 28 * EnginePropertyTests.day])
        let ids = ["a", "客户", "a customer whose id has more than sixteen bytes"]
        var shoppers = Dictionary(
            uniqueKeysWithValues: ids.map { ($0, DumbShopper($0, zone: zone, rules: EnginePropertyTests.dumb)) })
        let engine = Engine(rules: rules, key: UInt64(seed))
        var copy = Engine(rules: rules, key: UInt64(seed))
        var clock: Int64 = random.one(in: 2) ? 1_772_000_000_000 : 1_793_000_000_000
        var sent: [Event] = []
        // Of the copy alone: an announcement changes nothing, whoever comes.
        var announcing = RandomSource(seed: UInt64(seed) + 1_000)
        for step in 0..<60 {
            for _ in 0..<announcing.int(0...40) {
                Array(announcing.pick(ids + ["nobody"]).utf8).withUnsafeBytes { copy.announce($0) }
            }
            clock += random.pick([
                0, 1, 60_000, random.int64(0...EnginePropertyTests.day), random.int64(0...40 * EnginePropertyTests.day),
            ])
            let what: String
            if !sent.isEmpty && random.one(in: 4) {
                what = "slice \(CivilTime.text(clock))"
                for engine in [engine, copy] { engine.finishSlice(advancingTo: clock) }
                for id in ids { shoppers[id]?.advance(to: clock) }
            } else {
                let event = EnginePropertyTests.event(step, ids, clock, sent, &random)
                sent.append(event)
                what = "\(event) at \(CivilTime.text(clock))"
                let outcome = event.apply(to: engine, at: clock)
                #expect(event.apply(to: copy, at: clock) == outcome)
                let expected = shoppers[event.customer]?.apply(event, at: clock)
                #expect(outcome == expected, "seed \(seed), step \(step): \(what)")
            }
            let changes = try engine.takeChanges()
            #expect(
                try copy.takeChanges() == changes,
                "seed \(seed), step \(step): a restored engine decides otherwise: \(what)")
            for id in ids {
                let expected = shoppers[id]?.takeChanges() ?? []
                let found = changes.filter { $0.customer == id }
                if !EnginePropertyTests.areSame(found, expected) {
                    Issue.record(
                        "seed \(seed), step \(step), \(zone.name): \(what)\nfound \(found.map(\.description).joined(separator: "\n"))\nexpected \(expected.map(\.description).joined(separator: "\n"))"
                    )
                    return
                }
            }
            if random.one(in: 8) { copy = try copy.restored(rules: rules, limit: random.int(1...2_000)) }
            #expect(copy.stateDigest() == engine.stateDigest(), "seed \(seed), step \(step)")
        }
    }

    /// The crossing of a decaying feature may differ by a millisecond, and what follows from it.
    private static func areSame(_ found: [Change], _ expected: [Change]) -> Bool {
        guard found.count == expected.count else { return false }
        return zip(found, expected).allSatisfy { a, b in
            a.what == b.what && a.cause == b.cause && a.values == b.values && abs(a.decidedAt - b.decidedAt) <= 1
                && abs(a.raisedAt - b.raisedAt) <= 1
        }
    }

    /// Often late, sometimes ahead, sometimes sent again.
    private static func event(
        _ step: Int, _ ids: [String], _ clock: Int64, _ sent: [Event], _ random: inout RandomSource
    ) -> Event {
        if !sent.isEmpty && random.one(in: 6) { return random.pick(sent) }
        let late = random.pick([
            0, 0, 0, 1, 3_600_000, random.int64(0...10 * day), random.int64(0...120 * day), -300_000,
        ])
        var event = Event(
            kind: random.pick([.purchase, .purchase, .purchase, .refund, .click, .click]), customer: random.pick(ids),
            id: "e\(step)",
            occurredAt: clock - late)
        switch event.kind {
        case .click: event.deduplication = random.pick([0, 3_600_000])
        case .purchase:
            event.amount = random.pick([0, 40_00, 100_00, 160_00])
            event.order = random.one(in: 3) ? "shared\(random.int(0...2))" : "o\(step)"
            event.adds = random.one(in: 2)
        case .refund:
            event.amount = random.pick([nil, 10_00, 100_00, 500_00])
            let orders = sent.filter { $0.kind == .purchase }
            event.order = random.one(in: 4) || orders.isEmpty ? "shared\(random.int(0...2))" : random.pick(orders).order
            if let order = orders.first(where: { $0.order == event.order }), random.one(in: 2) {
                event.customer = order.customer
            }
        }
        return event
    }
}
