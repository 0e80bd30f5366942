// Random comparisons of many long values: most of them leave Int128.
import Model
import TestSupport

extension RuleGenerator {
    /// One comparison, at most one side of which changes with time.
    package mutating func wideComparison() -> Rule {
        let kind = random.pick(Kind.allCases)
        let symbol = random.pick(["<", "<=", ">", ">=", "==", "!="])
        if kind == .money { return .compare(symbol, wide(.money), wide(.money)) }
        let moving = wideMoving(kind)
        let still = wide(kind)
        let fitting = moving.decays && (symbol == "==" || symbol == "!=") ? "<" : symbol
        return random.one(in: 3) ? .compare(fitting, still, moving) : .compare(fitting, moving, still)
    }

    private mutating func wideMoving(_ kind: Kind) -> Rule {
        var rule: Rule = .feature(
            kind == .number
                ? random.pick(["recency", "recency", "activity_trend"]) : random.pick(["idle", "since_order"]),
            window: nil)
        for _ in 0..<random.int(1...3) {
            switch random.int(0...4) {
            case 0: rule = .negate(rule)
            case 1: rule = .arithmetic("*", rule, ratio())
            case 2: rule = .arithmetic("/", rule, ratio())
            case 3: rule = .arithmetic(random.pick(["+", "-"]), rule, wide(kind, parts: 1))
            default: rule = .arithmetic(random.pick(["+", "-"]), wide(kind, parts: 1), rule)
            }
        }
        return rule
    }

    /// Several long values of one kind.
    private mutating func wide(_ kind: Kind, parts: Int? = nil) -> Rule {
        var rule = long(kind)
        for _ in 0..<(parts ?? random.int(1...4)) {
            switch random.int(0...3) {
            case 0: rule = .arithmetic("*", rule, ratio())
            case 1: rule = .arithmetic("/", rule, ratio())
            default: rule = .arithmetic(random.pick(["+", "-"]), rule, long(kind))
            }
        }
        return rule
    }

    private mutating func long(_ kind: Kind) -> Rule {
        switch kind {
        case .number: ratio()
        case .money: money()
        case .duration: .feature("typical_gap", window: nil)
        }
    }

    private mutating func money() -> Rule {
        random.one(in: 4)
            ? .feature("spend_total", window: nil)
            : .feature(random.pick(["spend", "average_order"]), window: random.pick([1, 30, 90, 365]))
    }

    /// A number that is a fraction, often one near 1.
    private mutating func ratio() -> Rule {
        switch random.int(0...2) {
        case 0:
            let (text, value) = random.pick([
                ("7d", Int64(604_800_000)), ("45s", 45_000), ("1ms", 1), ("30d", 2_592_000_000),
            ])
            return .arithmetic("/", .feature("typical_gap", window: nil), .duration(text, value))
        case 1: return .arithmetic("/", money(), money())
        default:
            let thousandths = random.int(1...3_000_000_000)
            let text =
                "\(thousandths / 1_000_000_000).\(String(thousandths % 1_000_000_000 + 1_000_000_000).dropFirst())"
            return .number(text, Rational(Int128(thousandths), 1_000_000_000))
        }
    }
}
