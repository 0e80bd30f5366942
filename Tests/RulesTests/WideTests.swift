// Numbers beyond Int128: rules that are accepted whatever their size (docs/rules.md), against the second implementation.
import Model
import SlowRules
import TestSupport
import Testing

@testable import Rules

@Suite struct WideTests {
    private static let day: Int64 = 86_400_000

    /// Found with two orders of some days, and refused until numbers became wide.
    @Test(arguments: [
        "typical_gap + typical_gap - typical_gap < 3 * since_order", "(typical_gap / 45s) <= since_order / typical_gap",
        "spend(7d) * (typical_gap / 7d) > spend_total * 1.25", "idle < typical_gap - (typical_gap / 7d) * 30d",
        "spend_total / average_order(90d) * (spend_total / average_order(30d)) > 1",
        "average_order(90d) > average_order(30d) * 0.123456789 * 0.123",
        "recency * 0.000001 * 0.000001 * 0.000001 * 0.000001 * 0.000001 * 0.00000000001 < 1",
        "activity(7d) * (typical_gap / 45s) * (typical_gap / 45s) < spend_total / average_order(7d)",
    ])
    func accepts(rule: String) { #expect(problem(rule) == nil) }

    /// Every case is named by its seed.
    @Test(arguments: 0..<20)
    func agreesWithASecondImplementation(block: Int) throws {
        var wide = 0
        for seed in block * 100..<(block + 1) * 100 where try checkCase(UInt64(seed)) { wide += 1 }
        #expect(wide > 50, "the generator makes too few wide rules to show anything")
    }

    /// From change to change; true if the rule is wide.
    private func checkCase(_ seed: UInt64) throws -> Bool {
        var generator = RuleGenerator(seed: seed)
        let zone = generator.random.pick(TestZones.all)
        var now = generator.random.int64(1_740_000_000_000...1_790_000_000_000)
        let largest = generator.random.pick([30_000, Limits.amountMinorUnits])
        let customer = generator.customer(zone: zone, now: now, largest: largest)
        let rule = generator.wideComparison()
        var scope = scope()
        let compiled = try CompiledRule(rule.text, scope: &scope)
        let comparison = compiled.code.nodes[compiled.code.root]
        for _ in 0..<4 {
            var result = Outlook(holds: false, until: .max, heedsClicks: false)
            customer.withFeatures(at: now, scope: scope) { result = compiled.outlook($0, $1) }
            let end = result.until == .max ? now + 800 * WideTests.day : result.until
            let neighbours = [now, now + 1, now + 2, end - 3, end - 2, end - 1].filter { $0 >= now && $0 < end }
            let between = (0..<40).map { _ in generator.random.int64(now...end - 1) }
            for instant in neighbours + between {
                let expected = rule.holds(customer, at: instant)
                let place = "seed \(seed), \(zone.name): '\(rule.text)' from \(now) to \(end), at \(instant)"
                #expect(expected == .close || (expected == .yes) == result.holds, "\(place)")
            }
            if result.until == .max { break }
            // An order that leaves a window may change nothing; a moving feature that crosses does, to the millisecond.
            if comparison.windows == 0 && comparison.kind == .compareExact && zone != TestZones.backOverMidnight {
                let expected = rule.holds(customer, at: end)
                #expect((expected == .yes) != result.holds, "seed \(seed), \(zone.name): '\(rule.text)' at \(end)")
            }
            now = end
        }
        return comparison.wideLimbs > 0 || compiled.nodes.contains { $0.wideLimbs > 0 }
    }

    // MARK: At the bound

    private static let gap = Rule.feature("typical_gap", window: nil)
    private static let spend = Rule.feature("spend_total", window: nil)
    private static let recency = Rule.feature("recency", window: nil)

    /// A part that is repeated, what joins it, and what it is compared with.
    private static let longest: [(part: Rule, joint: Character, other: Rule)] = [
        (gap, "+", .feature("since_order", window: nil)),
        (.arithmetic("/", .duration("9w", 5_443_200_000), .duration("8w", 4_838_400_000)), "*", recency),
        (.arithmetic("/", gap, .duration("5w", 3_024_000_000)), "/", .feature("activity", window: 7)),
        (.arithmetic("/", spend, .feature("spend", window: 90)), "-", recency),
        (.number("0.999999999999999999", Rational(999_999_999_999_999_999, 1_000_000_000_000_000_000)), "*", recency),
        (.number("9", Rational(9, 1)), "*", recency),
    ]

    /// The longest rules there can be, of wide numbers: computed at 2048 bytes, refused at one more.
    @Test(arguments: 0..<longest.count)
    func computesWhatFillsARule(number: Int) throws {
        let (part, joint, other) = WideTests.longest[number]
        func rule(_ count: Int) -> Rule {
            let all = (1..<count).reduce(part) { sum, _ in .arithmetic(joint, sum, part) }
            return .compare(">", all, other)
        }
        let (one, two) = (rule(1).text.utf8.count, rule(2).text.utf8.count)
        let filled = rule(1 + (Limits.expressionBytes - one) / (two - one))
        let text = filled.text + String(repeating: " ", count: Limits.expressionBytes - filled.text.utf8.count)
        #expect(problem(text + " ") == RuleProblem(offset: 0, message: "a rule has at most 2048 bytes"))
        try ExactTests.answersForTheLargestCustomer(text)

        let now: Int64 = 1_761_000_000_123
        var customer = Customer(zone: .utc)
        customer.orders = [.init(time: now - 77 * WideTests.day, amount: 101), .init(time: now - 7, amount: 5_000)]
        customer.clicks = [now - WideTests.day]
        customer.lastEvent = now - 7
        var scope = scope()
        let compiled = try CompiledRule(text, scope: &scope)
        var result = Outlook(holds: false, until: .max, heedsClicks: false)
        customer.withFeatures(at: now, scope: scope) { result = compiled.outlook($0, $1) }
        #expect((filled.holds(customer, at: now) == .yes) == result.holds)
        if result.until < .max, compiled.code.nodes[compiled.code.root].windows == 0, !other.decays {
            #expect((filled.holds(customer, at: result.until - 1) == .yes) == result.holds)
            #expect((filled.holds(customer, at: result.until) == .yes) != result.holds)
        }
    }

    // MARK: The numbers

    @Test func integersAreThoseOnPaper() {
        var random = RandomSource(seed: 3)
        withArena { arena in
            for _ in 0..<2_000 {
                let a = WideTests.integer(&random, &arena)
                let b = random.one(in: 10) ? a : WideTests.integer(&random, &arena)
                let (x, y) = (WideTests.digits(a), WideTests.digits(b))
                #expect(WideTests.digits(.sum(a, b, &arena)) == x + y)
                #expect(WideTests.digits(.sum(a, -b, &arena)) == x + -y)
                #expect(WideTests.digits(.product(a, b, &arena)) == x * y)
                let order = LongRational.compare(LongRational(x, Digits(1)), LongRational(y, Digits(1)))
                #expect(WideInteger.compare(a, b) == order)
            }
        }
    }

    /// Near whole numbers, below and above 0, and far beyond the largest that is told.
    @Test func floorsAndCeilings() {
        var random = RandomSource(seed: 4)
        withArena { arena in
            for _ in 0..<500 {
                let whole = Int128(random.int64(-(1 << 47)...1 << 47))
                let denominator = Int128(random.int64(1...(.max)))
                for beyond in [-1, 0, 1] as [Int128] {
                    let exact = WideExact(
                        Exact(numerator: whole * denominator + beyond, denominator: denominator), &arena)
                    let (floor, ceiling) = exact.floorAndCeiling(arena)
                    let isWhole = beyond == 0 || denominator == 1
                    let expected = denominator == 1 ? whole + beyond : beyond < 0 ? whole - 1 : whole
                    #expect(floor == expected && ceiling == expected + (isWhole ? 0 : 1))
                }
            }
            let huge = WideExact(Exact(numerator: 1 << 120, denominator: 3), &arena).floorAndCeiling(arena)
            #expect(huge.floor >= 1 << 47 && huge.ceiling > huge.floor)
            let low = WideExact(Exact(numerator: -(1 << 120), denominator: 3), &arena).floorAndCeiling(arena)
            #expect(low.ceiling <= -(1 << 47) && low.floor < low.ceiling)
        }
    }

    @Test func doublesAreNear() {
        var random = RandomSource(seed: 5)
        withArena { arena in
            for _ in 0..<500 {
                let numerator = WideTests.integer(&random, &arena)
                let some = WideTests.integer(&random, &arena)
                let denominator = some.isZero ? WideInteger(1, &arena) : some.isNegative ? -some : some
                let expected = LongRational(WideTests.digits(numerator), WideTests.digits(denominator)).double
                let found = WideExact(numerator, denominator).double
                #expect(abs(found - expected) <= abs(expected) * 1e-13, "\(found), and on paper \(expected)")
            }
            var huge = WideInteger(1 << 120, &arena)
            for _ in 0..<4 { huge = .product(huge, huge, &arena) }
            let one = WideInteger(1, &arena)
            #expect(WideExact(huge, one).double == .greatestFiniteMagnitude)
            #expect(WideExact(-huge, one).double == -.greatestFiniteMagnitude)
            #expect(WideExact(one, huge).double < 1e-300)
            #expect(WideExact.absent(&arena).double.isNaN)
        }
    }

    private func withArena(_ body: (inout WideArena) -> Void) {
        let limbs = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: 1 << 20)
        defer { limbs.deallocate() }
        var arena = WideArena(limbs)
        body(&arena)
    }

    /// Up to six limbs, many of them at an edge.
    private static func integer(_ random: inout RandomSource, _ arena: inout WideArena) -> WideInteger {
        var value = WideInteger(0, &arena)
        for _ in 0..<random.int(0...6) {
            let limb = random.pick([0, 1, UInt64.max, UInt64.max, random.next()])
            value = .sum(
                .product(value, WideInteger(1 << 64, &arena), &arena), WideInteger(Int128(limb), &arena), &arena)
        }
        return random.one(in: 2) ? -value : value
    }

    private static func digits(_ value: WideInteger) -> Digits {
        let magnitude = value.limbs.reversed().reduce(Digits(0)) { $0 * Digits(1 << 64) + Digits(Int128($1)) }
        return value.isNegative ? -magnitude : magnitude
    }
}
