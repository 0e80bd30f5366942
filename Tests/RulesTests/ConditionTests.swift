// What is told of each comparison: its text, its sides rounded, and whether it holds; against the second implementation.
import Model
import TestSupport
import Testing

@testable import Rules
@testable import SlowRules

@Suite struct ConditionTests {
    @Test(arguments: [
        ("recency < 30 || (orders_total == 0 && idle < 30d)", ["recency < 30", "orders_total == 0", "idle < 30d"]),
        ("true", []), ("!false && true", []), ("  ( ( idle+1d )*2>60d )  ", ["( idle+1d )*2>60d"]),
        ("!(recency < 7) && !(-recency > -30)", ["recency < 7", "-recency > -30"]),
        ("tier == '客' || 'lost'\n!=\ttier", ["tier == '客'", "'lost'\n!=\ttier"]),
        ("(1 < 2)", ["1 < 2"]), ("1 < (2)", ["1 < (2)"]),
    ])
    func textsAreAsWritten(rule: String, texts: [String]) throws {
        var scope = scope()
        scope.ladders = [("tier", ["客", "lost"])]
        let compiled = try CompiledRule(rule, scope: &scope)
        #expect(compiled.conditionTexts == texts)
        #expect(compiled.conditions.count == texts.count)
    }

    /// Two orders of 100.01 and 50.00, four days apart, the last a day ago.
    @Test(
        arguments: [
            ("orders_total >= 5", .number, 2_000_000, 5_000_000), ("5 <= orders_total", .number, 2_000_000, 5_000_000),
            ("1 < 2", .number, 1_000_000, 2_000_000), ("90d <= idle", .duration, 86_400_000, 7_776_000_000),
            ("3 * typical_gap < since_order", .duration, 1_036_800_000, 86_400_000),
            ("since_order > 3 * typical_gap", .duration, 86_400_000, 1_036_800_000),
            ("100 <= average_order(90d)", .money, 7500, 10000), ("average_order(90d) / 3 > 0.005", .money, 2500, 0),
            ("average_order(90d) > 0.015", .money, 7500, 2), ("-average_order(30d) < -0.025", .money, -7500, -2),
            ("orders_total / 3 > 1 / 3", .number, 666_667, 333_333), ("-orders_total / 3 < 0", .number, -666_667, 0),
            ("orders_total * 0.0000005 > 0.0000005", .number, 1, 0),
            ("orders_total > 9223372036854", .number, 2_000_000, 9_223_372_036_854_000_000),
            ("orders_total > 9223372036855", .number, 2_000_000, nil), ("recency / 0 > 1", .number, nil, 1_000_000),
            ("activity_trend < 0.5", .number, nil, 500_000), ("activity(7d) < 0.5", .number, 0, 500_000),
            ("tier == \"lost\"", .text, 0, 1), ("'lost' != tier", .text, 0, 1), ("'lost' != 'x'", .text, 1, 2),
        ] as [(String, ValueType, Int64?, Int64?)])
    func sides(rule: String, unit: ValueType, value: Int64?, threshold: Int64?) throws {
        let day: Int64 = 86_400_000
        var customer = Customer(zone: .utc)
        customer.orders = [.init(time: 10 * day, amount: 10001), .init(time: 14 * day, amount: 5000)]
        customer.lastEvent = 14 * day
        var scope = scope()
        scope.texts = ["ordinary"]
        let compiled = try CompiledRule(rule, scope: &scope)
        #expect(compiled.conditions.map(\.unit) == [unit])
        customer.withFeatures(at: 15 * day, scope: scope) { features, constants in
            let told = compiled.conditions[0].measure(compiled.code, features, constants)
            #expect(told.value == value && told.threshold == threshold, "\(told)")
            #expect(told.holds == compiled.holds(features, constants))
        }
    }

    /// Every case is named by its seed.
    @Test(arguments: 0..<20)
    func agreesWithASecondImplementation(block: Int) throws {
        for seed in block * 100..<(block + 1) * 100 {
            var generator = RuleGenerator(seed: UInt64(seed))
            let now = generator.random.int64(1_740_000_000_000...1_790_000_000_000)
            let largest = generator.random.pick([30_000, Limits.amountMinorUnits])
            let customer = generator.customer(
                zone: generator.random.pick(TestZones.all), now: now, largest: largest)
            let rule = generator.random.one(in: 2) ? generator.condition() : generator.wideComparison()
            try check(rule, customer, at: now, "seed \(seed): '\(rule.text)' at \(now)")
        }
    }

    private func check(_ rule: Rule, _ customer: Customer, at now: Int64, _ place: String) throws {
        var scope = scope()
        let compiled = try CompiledRule(rule.text, scope: &scope)
        let expected = rule.comparisons
        #expect(compiled.conditionTexts == expected.map(\.text), "\(place)")
        try #require(compiled.conditions.count == expected.count, "\(place)")
        var told: [EffectCondition] = []
        customer.withFeatures(at: now, scope: scope) { features, constants in
            told = compiled.conditions.map { $0.measure(compiled.code, features, constants) }
        }
        for (comparison, told) in zip(expected, told) {
            let truth = comparison.holds(customer, at: now)
            #expect(truth == .close || (truth == .yes) == told.holds, "\(place)")
            guard case .compare(_, let left, let right) = comparison else { continue }
            let isTurned = left.isFixed && !right.isFixed
            try check(told.value, isTurned ? right : left, customer, at: now, place)
            try check(told.threshold, isTurned ? left : right, customer, at: now, place)
        }
    }

    private func check(_ told: Int64?, _ side: Rule, _ customer: Customer, at now: Int64, _ place: String) throws {
        let scale: Int128 = side.kind == .number ? 1_000_000 : 1
        if side.decays {
            // It is a Double, and the other implementation's is another one.
            guard let expected = try side.inexact(customer, at: now, as: LongRational.self), abs(expected) < 9e12 else {
                return
            }
            let found = Double(try #require(told, "\(place): \(side.text)"))
            let difference = abs(found - expected * Double(scale))
            #expect(difference <= 1 + 1e-9 * abs(found), "\(place): \(side.text) is \(found)")
            return
        }
        let exact: LongRational? = try side.exact(customer, at: now)
        guard let exact else {
            #expect(told == nil, "\(place): \(side.text)")
            return
        }
        let twice = LongRational.multiply(exact, LongRational(2 * scale))
        guard let told else {
            let isBeyond = [twice, twice.negated].contains { LongRational.compare($0, LongRational(1 << 64 - 1)) >= 0 }
            #expect(isBeyond, "\(place): \(side.text)")
            return
        }
        let above = LongRational.compare(twice, LongRational(2 * Int128(told) - 1))
        let below = LongRational.compare(twice, LongRational(2 * Int128(told) + 1))
        let isEven = told % 2 == 0
        #expect(isEven ? above >= 0 && below <= 0 : above > 0 && below < 0, "\(place): \(side.text) is \(told)")
    }

    // MARK: Rounding

    /// Halves to the even neighbour, on both sides of 0 and of every width.
    @Test(
        arguments: [
            (1, 2, 0), (3, 2, 2), (5, 2, 2), (7, 2, 4), (2, 3, 1), (1, 3, 0), (4, 2, 2), (0, 7, 0),
            (Int128(Int64.max) * 2 - 1, 2, Int64.max - 1), (Int128(Int64.max) * 2, 2, Int64.max),
            (Int128(Int64.max) * 2 + 1, 2, nil), (Int128(Int64.max) + 1, 1, nil), (1 << 126, 1, nil),
            (1 << 126, (1 << 126) - 1, 1), (1, (1 << 126) - 1, 0),
        ] as [(Int128, Int128, Int64?)])
    func halvesGoToTheEven(numerator: Int128, denominator: Int128, expected: Int64?) {
        for (sign, expected) in [(Int128(1), expected), (-1, expected.map { -$0 })] {
            let exact = Exact(numerator: sign * numerator, denominator: denominator)
            #expect(exact.rounded(scale: 1) == expected)
            let limbs = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: 1_000)
            defer { limbs.deallocate() }
            var arena = WideArena(limbs)
            #expect(WideExact(exact, &arena).rounded(scale: 1, &arena) == expected)
        }
    }

    @Test func bothWidthsRoundAlike() {
        var random = RandomSource(seed: 6)
        let limbs = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: 1_000)
        defer { limbs.deallocate() }
        for _ in 0..<2_000 {
            let length = random.int(0...62)
            let denominator = Int128(random.int64(1...(.max))) << Int128(random.int(0...62))
            let numerator = Int128(random.int64(.min...(.max))) << Int128(length)
            let exact = Exact(numerator: numerator, denominator: denominator)
            for scale in [1, 1_000_000] as [Int64] {
                var arena = WideArena(limbs)
                #expect(exact.rounded(scale: scale) == WideExact(exact, &arena).rounded(scale: scale, &arena))
            }
        }
        #expect(Exact.absent.rounded(scale: 1) == nil)
    }

    @Test func doublesAreTheRationalsThatTheyAre() {
        for (value, expected) in [
            (0.5, 500_000), (0.0078125, 7_812), (-0.0234375, -23_438), (0.1, 100_000), (3, 3_000_000),
            (-1.0 / 3, -333_333),
            (1e-300, 0), (9_223_372_036_854, 9_223_372_036_854_000_000), (9_223_372_036_855, nil), (0x1p62, nil),
            (1e300, nil), (.infinity, nil), (-.infinity, nil), (.nan, nil), (0x1p-60, 0), (-0x1.8p-1, -750_000),
        ] as [(Double, Int64?)] {
            #expect(Exact(of: value).rounded(scale: 1_000_000) == expected, "\(value)")
        }
        #expect(Exact(of: 0x1.fffffffffffffp62).rounded(scale: 1) == 0x7FFF_FFFF_FFFF_FC00)
    }
}
