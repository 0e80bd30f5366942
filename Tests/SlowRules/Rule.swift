// A rule as a tree that tests build: written as text for the product, walked with rationals for the expectation.
import Foundation
import Model

package indirect enum Rule: Sendable {
    case number(String, Rational)
    /// A literal number that stands where money is wanted.
    case money(String, Rational)
    case duration(String, Int64)
    case feature(String, window: Int?)
    case negate(Rule)
    case arithmetic(Character, Rule, Rule)
    case compare(String, Rule, Rule)
    case compareTier(String, String)
    case not(Rule)
    case and(Rule, Rule)
    case or(Rule, Rule)
    case constant(Bool)
}

// MARK: As text

extension Rule {
    /// The higher, the tighter it binds.
    private var strength: Int {
        switch self {
        case .or: 1
        case .and: 2
        case .compare, .compareTier: 3
        case .arithmetic("+", _, _), .arithmetic("-", _, _): 4
        case .arithmetic: 5
        case .negate, .not: 6
        case .number, .money, .duration, .feature, .constant: 7
        }
    }

    private func text(atLeast strength: Int) -> String { self.strength < strength ? "(\(text))" : text }

    /// With as few parentheses as the precedence allows, so that reading it depends on the precedence.
    package var text: String {
        switch self {
        case .number(let text, _), .money(let text, _), .duration(let text, _): text
        case .feature(let name, let window): window.map { "\(name)(\($0)d)" } ?? name
        case .negate(let inner): "-\(inner.text(atLeast: 7))"
        case .not(let inner): "!\(inner.text(atLeast: 6))"
        case .arithmetic(let symbol, let left, let right):
            "\(left.text(atLeast: strength)) \(symbol) \(right.text(atLeast: strength + 1))"
        case .compare(let symbol, let left, let right): "\(left.text(atLeast: 4)) \(symbol) \(right.text(atLeast: 4))"
        case .compareTier(let symbol, let rung): "tier \(symbol) \"\(rung)\""
        case .and(let left, let right): "\(left.text(atLeast: 2)) && \(right.text(atLeast: 3))"
        case .or(let left, let right): "\(left.text(atLeast: 1)) || \(right.text(atLeast: 2))"
        case .constant(let value): "\(value)"
        }
    }
}

// MARK: Its comparisons

extension Rule {
    /// In the order of the text.
    var comparisons: [Rule] {
        switch self {
        case .compare, .compareTier: [self]
        case .not(let inner): inner.comparisons
        case .and(let left, let right), .or(let left, let right): left.comparisons + right.comparisons
        default: []
        }
    }

    /// The same for every customer.
    var isFixed: Bool {
        switch self {
        case .feature: false
        case .negate(let inner): inner.isFixed
        case .arithmetic(_, let left, let right): left.isFixed && right.isFixed
        default: true
        }
    }

    /// What kind of value it is; no condition.
    var kind: RuleGenerator.Kind {
        switch self {
        case .money: return .money
        case .duration: return .duration
        case .negate(let inner): return inner.kind
        case .arithmetic("*", let left, let right): return left.kind == .number ? right.kind : left.kind
        case .arithmetic("/", let left, let right): return left.kind == right.kind ? .number : left.kind
        case .arithmetic(_, let left, _): return left.kind
        case .feature("spend", _), .feature("spend_total", _), .feature("average_order", _): return .money
        case .feature("idle", _), .feature("since_order", _), .feature("typical_gap", _): return .duration
        default: return .number
        }
    }
}

// MARK: What it is worth

/// What a condition is worth; `close` where a decaying feature is so near its bound that a millisecond decides.
package enum Truth: Equatable {
    case yes, no, close

    package static prefix func ! (truth: Truth) -> Truth { truth == .yes ? .no : truth == .no ? .yes : .close }
    package static func && (a: Truth, b: Truth) -> Truth {
        a == .no || b == .no ? .no : a == .yes && b == .yes ? .yes : .close
    }
    package static func || (a: Truth, b: Truth) -> Truth { !(!a && !b) }
}

extension Rule {
    package func holds(_ customer: Customer, at instant: Int64) -> Truth {
        do { return try holds(customer, at: instant, as: Rational.self) } catch {
            do { return try holds(customer, at: instant, as: LongRational.self) } catch {
                preconditionFailure("no number is too large")
            }
        }
    }

    private func holds<Exact: Number>(_ customer: Customer, at instant: Int64, as exact: Exact.Type) throws(Rational
        .TooLarge) -> Truth
    {
        switch self {
        case .constant(let value): return value ? .yes : .no
        case .not(let inner): return !(try inner.holds(customer, at: instant, as: exact))
        case .and(let left, let right):
            return try left.holds(customer, at: instant, as: exact) && right.holds(customer, at: instant, as: exact)
        case .or(let left, let right):
            return try left.holds(customer, at: instant, as: exact) || right.holds(customer, at: instant, as: exact)
        case .compareTier(let symbol, let rung): return (customer.tier == rung) == (symbol == "==") ? .yes : .no
        case .compare(let symbol, let left, let right):
            if left.decays || right.decays {
                return Rule.compare(
                    symbol, try left.inexact(customer, at: instant, as: exact),
                    try right.inexact(customer, at: instant, as: exact))
            }
            let a: Exact? = try left.exact(customer, at: instant)
            let b: Exact? = try right.exact(customer, at: instant)
            guard let a, let b else { return .no }
            return Rule.holds(symbol, try Exact.compare(a, b)) ? .yes : .no
        default: preconditionFailure("a value is no condition")
        }
    }

    private static func holds(_ symbol: String, _ order: Int) -> Bool {
        switch symbol {
        case "<": order < 0
        case "<=": order <= 0
        case ">": order > 0
        case ">=": order >= 0
        case "==": order == 0
        default: order != 0
        }
    }

    private static func compare(_ symbol: String, _ a: Double?, _ b: Double?) -> Truth {
        guard let a, let b else { return .no }
        // In one millisecond a decaying value loses about 1e-9 of itself; after some centuries there is nothing left of it.
        if abs(a - b) <= max(3e-9 * max(abs(a), abs(b)), 1e-100) { return .close }
        return holds(symbol, a < b ? -1 : 1) ? .yes : .no
    }

    package var decays: Bool {
        switch self {
        case .feature(let name, _): name.hasPrefix("activity")
        case .negate(let inner): inner.decays
        case .arithmetic(_, let left, let right): left.decays || right.decays
        default: false
        }
    }

    /// nil: absent.
    package func exact<Exact: Number>(_ customer: Customer, at instant: Int64) throws(Rational.TooLarge) -> Exact? {
        switch self {
        case .number(_, let value): return Exact(value.numerator, value.denominator)
        case .money(_, let value): return Exact(value.numerator * 100, value.denominator)
        case .duration(_, let milliseconds): return Exact(Int128(milliseconds))
        case .feature(let name, let window): return Rule.exact(name, window, customer, at: instant)
        case .negate(let inner):
            let value: Exact? = try inner.exact(customer, at: instant)
            return value?.negated
        case .arithmetic(let symbol, let left, let right):
            let first: Exact? = try left.exact(customer, at: instant)
            let second: Exact? = try right.exact(customer, at: instant)
            guard let a = first, let b = second else { return nil }
            switch symbol {
            case "+": return try Exact.add(a, b, sign: 1)
            case "-": return try Exact.add(a, b, sign: -1)
            case "*": return try Exact.multiply(a, b)
            default: return try Exact.divide(a, b)
            }
        default: preconditionFailure("a condition is no value")
        }
    }

    private static func exact<Exact: Number>(
        _ name: String, _ window: Int?, _ customer: Customer, at instant: Int64
    ) -> Exact? {
        let inside = window.map { customer.inside($0, at: instant) } ?? []
        let spend = inside.reduce(Int128(0)) { $0 + Int128($1.amount) }
        switch name {
        case "orders": return Exact(Int128(inside.count))
        case "spend": return Exact(spend)
        case "average_order": return inside.isEmpty ? Exact(0) : Exact(spend, Int128(inside.count))
        case "orders_total": return Exact(Int128(customer.orders.count))
        case "spend_total": return Exact(customer.orders.reduce(Int128(0)) { $0 + Int128($1.amount) })
        case "idle": return Exact(Int128(max(0, instant - customer.lastEvent)))
        case "recency":
            return customer.last.map {
                Exact(Int128(max(0, customer.zone.day(of: instant) - customer.zone.day(of: $0))))
            }
        case "since_order": return customer.last.map { Exact(Int128(max(0, instant - $0))) }
        case "typical_gap":
            guard let first = customer.first, let last = customer.last, customer.orders.count >= 2 else { return nil }
            return Exact(Int128(last - first), Int128(customer.orders.count - 1))
        default: preconditionFailure("no feature: \(name)")
        }
    }

    func inexact<Exact: Number>(
        _ customer: Customer, at instant: Int64, as exact: Exact.Type
    ) throws(Rational.TooLarge) -> Double? {
        if !decays {
            let value: Exact? = try self.exact(customer, at: instant)
            return value?.double
        }
        switch self {
        case .feature("activity", let window): return customer.activity(Int64(window ?? 0) * 86_400_000, at: instant)
        case .feature:
            if customer.clicks.isEmpty { return nil }
            let day: Int64 = 86_400_000
            return (customer.activity(7 * day, at: instant) / 7) / (customer.activity(28 * day, at: instant) / 28)
        case .negate(let inner): return try inner.inexact(customer, at: instant, as: exact).map { -$0 }
        case .arithmetic(let symbol, let left, let right):
            guard let a = try left.inexact(customer, at: instant, as: exact),
                let b = try right.inexact(customer, at: instant, as: exact)
            else { return nil }
            switch symbol {
            case "+": return a + b
            case "-": return a - b
            case "*": return a * b
            default: return b == 0 ? nil : a / b
            }
        default: preconditionFailure("a condition is no value")
        }
    }
}
