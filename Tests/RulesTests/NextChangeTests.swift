// Rules against a second implementation, and the promise that makes silence an event: nothing changes before the predicted
// instant, and the change is there at the predicted millisecond.
import Model
import SlowRules
import TestSupport
import Testing

@testable import Rules

@Suite struct NextChangeTests {
    private static let day: Int64 = 86_400_000

    /// Both are run on every case; each case is named by its seed.
    @Test(arguments: 0..<40)
    func agreesWithASecondImplementation(block: Int) throws {
        for seed in block * 50..<(block + 1) * 50 { try checkCase(UInt64(seed)) }
    }

    private func checkCase(_ seed: UInt64) throws {
        var generator = RuleGenerator(seed: seed)
        let zone = generator.random.pick(TestZones.all)
        let start = NextChangeTests.start(zone, &generator.random)
        let customer = generator.customer(zone: zone, now: start)
        try follow(generator.condition(), customer, from: start, seed: seed, &generator.random)
    }

    /// From change to change, as deadlines do.
    private func follow(
        _ rule: Rule, _ customer: Customer, from start: Int64, seed: UInt64, _ random: inout RandomSource
    ) throws {
        var scope = scope()
        let compiled = try CompiledRule(rule.text, scope: &scope)
        var now = start
        for _ in 0..<6 {
            var result = Outlook(holds: false, until: .max, heedsClicks: false)
            customer.withFeatures(at: now, scope: scope) { features, constants in
                result = compiled.outlook(features, constants)
                #expect(result.holds == compiled.holds(features, constants), "seed \(seed): \(rule.text)")
            }
            let ends = result.until == .max ? now + 800 * NextChangeTests.day : result.until
            #expect(ends > now, "seed \(seed): \(rule.text)")
            for instant in NextChangeTests.samples(from: now, to: ends, customer, &random) {
                let expected = rule.holds(customer, at: instant)
                if expected == .close { continue }
                if (expected == .yes) != result.holds {
                    Issue.record(
                        "seed \(seed), zone \(customer.zone.name): '\(rule.text)' is \(result.holds) at \(CivilTime.text(now)) until \(result.until == .max ? "ever" : CivilTime.text(result.until)), and \(expected) at \(CivilTime.text(instant))"
                    )
                    return
                }
            }
            if result.until == .max { return }
            now = result.until
        }
    }

    /// Often a day or two before the zone's clock is set.
    private static func start(_ zone: ZoneTable, _ random: inout RandomSource) -> Int64 {
        let some = random.int64(1_740_000_000_000...1_790_000_000_000)
        guard !zone.transitions.isEmpty, random.one(in: 2) else { return some }
        return random.pick(zone.transitions) + random.int64(-2 * day...day)
    }

    /// A rule that says that it heeds no click keeps its word: whatever clicks come, it stays as it is until then.
    @Test(arguments: 0..<20)
    func clicksThatAreNotHeededChangeNothing(block: Int) throws {
        var unheeded = 0
        for seed in block * 50..<(block + 1) * 50 {
            var generator = RuleGenerator(seed: UInt64(1_000_000 + seed))
            let zone = generator.random.pick(TestZones.all)
            let now = NextChangeTests.start(zone, &generator.random)
            var customer = generator.customer(zone: zone, now: now)
            let rule = generator.condition()
            var scope = scope()
            guard let compiled = try? CompiledRule(rule.text, scope: &scope) else { continue }
            var outlook = Outlook(holds: false, until: .max, heedsClicks: true)
            customer.withFeatures(at: now, scope: scope) { outlook = compiled.outlook($0, $1) }
            if outlook.heedsClicks { continue }
            unheeded += 1
            let ends = min(outlook.until, now + 400 * NextChangeTests.day)
            var at = now
            for _ in 0..<12 {
                at = generator.random.int64(at...max(at, ends - 1))
                customer.clicks.append(at)
                customer.lastEvent = max(customer.lastEvent, at)
                for instant in [at, ends - 1] where instant >= at && instant < ends {
                    customer.withFeatures(at: instant, scope: scope) { features, constants in
                        #expect(
                            compiled.holds(features, constants) == outlook.holds,
                            "seed \(seed), zone \(zone.name): '\(rule.text)' at \(CivilTime.text(instant))")
                    }
                }
            }
        }
        #expect(unheeded > 5)
    }

    /// `from`, the last millisecond before `to`, and between them the edges of days, what customers' own times suggest, and some more.
    private static func samples(from: Int64, to: Int64, _ customer: Customer, _ random: inout RandomSource) -> [Int64] {
        var samples = [from, from + 1, to - 2, to - 1]
        var midnight = CivilTime.floorDivide(from, day) * day
        let edges = Set(customer.zone.offsets.map { -$0 })
        var number = 0
        while midnight < to + day && number < 420 {
            for edge in edges { samples += [midnight + edge - 1, midnight + edge] }
            midnight += day
            number += 1
        }
        for transition in customer.zone.transitions { samples += [transition - 1, transition, transition + 60_000] }
        let own = customer.orders.map(\.time) + [customer.lastEvent]
        for time in own {
            for days in [1, 2, 3, 7, 14, 30, 90] {
                samples += [time + Int64(days) * day, time + Int64(days) * day + 1]
            }
        }
        for _ in 0..<30 { samples.append(random.int64(from...max(from, to - 1))) }
        return samples.filter { $0 >= from && $0 < to }
    }

    /// One comparison of a feature that moves: the change is at the instant, and not a millisecond earlier.
    @Test(arguments: [
        "recency < 30", "recency <= 30", "recency > 30", "30 <= recency", "recency == 30", "recency != 30",
        "recency / 7 > 4.2",
        "idle < 36h", "idle >= 90001ms", "idle > 90001ms", "-idle < -3d", "10d - idle < 1d",
        "since_order > 3 * typical_gap",
        "since_order / typical_gap >= 1.5", "2 * (idle + 1h) == 7200002ms + 1h", "since_order == 40d",
        "orders(30d) < 2",
        "activity(7d) < 0.9", "0.3 > activity(28d)", "activity(7d) * -2 > -1", "activity_trend < 2",
        "activity_trend / 3 < 0.5",
        "activity(7d) + 1000000000 < 1000000000.5", "activity(28d) - 1000000000000 > -999999999999.5",
        "activity(7d) < 0.000000001",
    ])
    func changesExactlyThen(rule: String) throws {
        for zone in TestZones.all {
            var customer = Customer(zone: zone)
            let now: Int64 = 1_761_000_000_123
            customer.orders = [
                .init(time: now - 5 * NextChangeTests.day, amount: 100), .init(time: now - 77, amount: 5_000),
            ]
            customer.clicks = [now - 3 * NextChangeTests.day, now - 5]
            customer.lastEvent = now - 5
            var scope = scope()
            let compiled = try CompiledRule(rule, scope: &scope)
            var outlook = Outlook(holds: false, until: .max, heedsClicks: false)
            customer.withFeatures(at: now, scope: scope) { outlook = compiled.outlook($0, $1) }
            let change = outlook.until
            try #require(change != .max, "\(rule)")
            for (instant, expected) in [(change - 1, outlook.holds), (change, !outlook.holds)] {
                customer.withFeatures(at: instant, scope: scope) { features, constants in
                    #expect(
                        compiled.holds(features, constants) == expected,
                        "\(rule) at \(instant - change) ms, \(zone.name)")
                }
            }
        }
    }

    /// A feature that falls is put off by clicks for as long as it is above: who clicks on and on is not decided for each click.
    @Test(arguments: [
        ("activity_trend < 0.5", true), ("activity_trend >= 0.5", true), ("activity(7d) > 0.25", true),
        ("idle < 30d", true), ("idle >= 90d", true),
        // Below, a click may lift it over; where more is computed than the feature itself, nothing is known.
        ("activity_trend < 3.9", false), ("activity(28d) >= 2", false), ("activity(7d) * 2 > 0.5", false),
        ("idle >= 1d", false), ("idle == 40d", false), ("-idle < -90d", false), ("activity(7d) > 0 - 1", false),
    ])
    func clicksPutOff(rule: String, areIgnored: Bool) throws {
        var customer = Customer(zone: TestZones.berlin)
        let now: Int64 = 1_761_000_000_123
        customer.clicks = [now - 2 * NextChangeTests.day]
        customer.lastEvent = now - 2 * NextChangeTests.day
        var scope = scope()
        let compiled = try CompiledRule(rule, scope: &scope)
        customer.withFeatures(at: now, scope: scope) { features, constants in
            #expect(compiled.outlook(features, constants).heedsClicks == !areIgnored, "\(rule)")
        }
    }

    /// What no customer reaches is never due, and no number is too large to be asked about.
    @Test(arguments: [
        "recency > 999999999999", "recency < 999999999999999999", "recency * 0.000000000000001 > 1",
        "idle / 1ms > 99999999999999999",
        "activity(7d) > 999999999999999999", "activity(7d) < -1", "activity_trend * 0 > 1", "recency * 0 == 0", "false",
        "idle < 0s",
        "since_order < 0ms - 5d",
    ])
    func neverChanges(rule: String) throws {
        var customer = Customer(zone: TestZones.berlin)
        customer.orders = [.init(time: 1_761_000_000_000, amount: 100)]
        customer.clicks = [1_761_000_000_000]
        customer.lastEvent = 1_761_000_000_000
        var scope = scope()
        let compiled = try CompiledRule(rule, scope: &scope)
        customer.withFeatures(at: 1_761_000_000_000, scope: scope) {
            #expect(compiled.outlook($0, $1).until == .max, "\(rule)")
        }
    }

    @Test func whatIsAbsentIsFalseEitherWay() throws {
        let nobody = Customer(zone: .utc)
        for feature in ["recency", "since_order / 1d", "typical_gap / 1d", "activity_trend"] {
            for symbol in ["<", "<=", ">", ">="] {
                var scope = scope()
                let compiled = try CompiledRule("\(feature) \(symbol) 3", scope: &scope)
                nobody.withFeatures(at: 1_761_000_000_000, scope: scope) {
                    #expect(!compiled.holds($0, $1), "\(feature) \(symbol)")
                }
            }
        }
        var scope = scope()
        let present = try CompiledRule(
            "orders(90d) == 0 && spend(90d) == 0 && average_order(90d) == 0 && orders_total == 0 && spend_total == 0 && idle >= 0s && activity(7d) < 1",
            scope: &scope)
        nobody.withFeatures(at: 1_761_000_000_000, scope: scope) { #expect(present.holds($0, $1)) }
    }
}
