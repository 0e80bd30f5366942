// Random rules of every feature and operator, and random customers.
import Model
import TestSupport

package struct RuleGenerator {
    package enum Kind: CaseIterable { case number, money, duration }

    package static let rungs = ["high_value", "potential", "lost", "ordinary"]
    private static let windows = [1, 30, 90, 365]
    private static let day: Int64 = 86_400_000
    package var random: RandomSource

    package init(seed: UInt64) { random = RandomSource(seed: seed) }

    package mutating func condition(depth: Int = 3) -> Rule {
        switch depth == 0 ? 0 : random.int(0...7) {
        case 5: .and(condition(depth: depth - 1), condition(depth: depth - 1))
        case 6: .or(condition(depth: depth - 1), condition(depth: depth - 1))
        case 7: .not(condition(depth: depth - 1))
        default: random.one(in: 12) ? constantOrTier() : comparison()
        }
    }

    private mutating func constantOrTier() -> Rule {
        random.one(in: 3)
            ? .constant(random.one(in: 2)) : .compareTier(random.pick(["==", "!="]), random.pick(RuleGenerator.rungs))
    }

    /// At most one side changes with time.
    private mutating func comparison() -> Rule {
        let kind = random.pick(Kind.allCases)
        if kind == .money || random.one(in: 4) {
            let left = still(kind, depth: 2)
            let right = kind == .money && random.one(in: 3) ? amount() : still(kind, depth: 1)
            return .compare(operation(), left, right)
        }
        let moving = moving(kind)
        let still = kind == .number && moving.decays ? small() : still(kind, depth: 1)
        var symbol = operation()
        if moving.decays && (symbol == "==" || symbol == "!=") { symbol = "<" }
        return random.one(in: 3) ? .compare(symbol, still, moving) : .compare(symbol, moving, still)
    }

    private mutating func operation() -> String { random.pick(["<", "<=", ">", ">=", "==", "!="]) }

    private mutating func moving(_ kind: Kind) -> Rule {
        var rule: Rule
        if kind == .number {
            rule = random.pick([
                .feature("recency", window: nil), .feature("recency", window: nil), .feature("activity", window: 7),
                .feature("activity", window: 28), .feature("activity_trend", window: nil),
            ])
        } else {
            rule = random.pick([.feature("idle", window: nil), .feature("since_order", window: nil)])
        }
        for _ in 0..<random.int(0...2) {
            switch random.int(0...5) {
            case 0: rule = .negate(rule)
            case 1: rule = .arithmetic("*", rule, factor())
            case 2: rule = .arithmetic("*", factor(), rule)
            case 3: rule = .arithmetic("/", rule, factor())
            case 4:
                rule = .arithmetic(random.pick(["+", "-"]), rule, kind == .number ? small() : still(kind, depth: 0))
            default:
                rule = .arithmetic(random.pick(["+", "-"]), kind == .number ? small() : still(kind, depth: 0), rule)
            }
        }
        return rule
    }

    private mutating func factor() -> Rule {
        random.one(in: 3) ? .feature("orders_total", window: nil) : random.one(in: 4) ? .negate(small()) : small()
    }

    private mutating func small() -> Rule {
        number(random.pick([0, 1, 2, 3, 5, 7, 14, 30, 90]), tenths: random.int(0...9))
    }

    private func number(_ whole: Int, tenths: Int) -> Rule {
        tenths < 5
            ? .number("\(whole)", Rational(Int128(whole), 1))
            : .number("\(whole).\(tenths)", Rational(Int128(whole * 10 + tenths), 10))
    }

    private mutating func amount() -> Rule {
        let value = random.pick([0, 1, 50, 100, 500])
        return .money("\(value)", Rational(Int128(value), 1))
    }

    private mutating func length() -> Rule {
        let (text, scale) = random.pick([
            ("ms", Int64(1)), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("d", 86_400_000),
            ("w", 604_800_000),
        ])
        let count = random.int(0...45)
        return .duration("\(count)\(text)", Int64(count) * scale)
    }

    /// What time does not change, but by orders that leave a window.
    private mutating func still(_ kind: Kind, depth: Int) -> Rule {
        let window = random.pick(RuleGenerator.windows)
        if depth > 0 && random.one(in: 2) { return compound(kind, depth: depth - 1) }
        switch kind {
        case .number:
            return random.pick([
                small(), small(), .feature("orders", window: window), .feature("orders_total", window: nil),
            ])
        case .money:
            return random.pick([
                .feature("spend", window: window), .feature("average_order", window: window),
                .feature("spend_total", window: nil),
            ])
        case .duration: return random.one(in: 3) ? .feature("typical_gap", window: nil) : length()
        }
    }

    private mutating func compound(_ kind: Kind, depth: Int) -> Rule {
        switch random.int(0...4) {
        case 0: return .arithmetic(random.pick(["+", "-"]), still(kind, depth: depth), still(kind, depth: depth))
        case 1: return .arithmetic("*", still(kind, depth: depth), factor())
        case 2: return .arithmetic("*", factor(), still(kind, depth: depth))
        case 3: return .arithmetic("/", still(kind, depth: depth), factor())
        default:
            guard kind == .number else { return .negate(still(kind, depth: depth)) }
            let like = random.pick([Kind.money, .duration])
            return .arithmetic("/", still(like, depth: 0), still(like, depth: 0))
        }
    }

    /// A customer at `now`: up to five orders, up to six clicks, most near the edges of days and windows.
    package mutating func customer(zone: ZoneTable, now: Int64, largest: Int64 = 30_000) -> Customer {
        var customer = Customer(zone: zone)
        customer.tier = random.pick(RuleGenerator.rungs)
        for _ in 0..<random.pick([0, 1, 1, 2, 3, 5]) {
            customer.orders.append(.init(time: instant(before: now), amount: random.int64(0...largest)))
        }
        for _ in 0..<random.pick([0, 0, 1, 2, 6]) { customer.clicks.append(min(now, instant(before: now))) }
        customer.lastEvent = (customer.orders.map(\.time) + customer.clicks).max() ?? instant(before: now)
        return customer
    }

    private mutating func instant(before now: Int64) -> Int64 {
        let days = random.pick([0, 0, 1, 2, 7, 14, 29, 30, 31, 89, 90, 91, 364, 365])
        let exact = now - Int64(days) * RuleGenerator.day
        switch random.int(0...3) {
        case 0: return exact
        case 1: return CivilTime.floorDivide(exact, RuleGenerator.day) * RuleGenerator.day + random.int64(-1...1)
        // Up to ten minutes ahead: another machine's clock.
        case 2: return exact + random.int64(0...600_000)
        default: return exact - random.int64(0...RuleGenerator.day)
        }
    }
}
