// A second reader of rules, for those that the real one accepts: text into the tree that Tests/SlowRules walks.
import Model
import SlowRules

/// CEL's precedence by climbing. It knows no mistakes: what it cannot read is nil.
struct RuleReader {
    private enum Kind { case number, money, duration, text, condition }

    private struct Part {
        var rule: Rule
        var kind: Kind
        /// The number that it is, if it stands there as such.
        var literal: (text: String, value: Rational)?
        /// A ladder's rung (nil for the ladder's own) if it is a text.
        var rung: String?
    }

    private struct Unreadable: Error {}

    private var tokens: [String]
    private var at = 0

    static func read(_ text: String) -> Rule? {
        guard let tokens = tokens(text) else { return nil }
        var reader = RuleReader(tokens: tokens)
        do throws(Unreadable) {
            let part = try reader.part(binding: 1)
            return reader.at == tokens.count && part.kind == .condition ? part.rule : nil
        } catch { return nil }
    }

    private init(tokens: [String]) { self.tokens = tokens }

    private static func tokens(_ text: String) -> [String]? {
        let pattern =
            /\s+|[A-Za-z_][A-Za-z0-9_]*|[0-9]+(?:\.[0-9]+)?[A-Za-z_0-9]*|"[^"]*"|'[^']*'|&&|\|\||[=!<>]=|[-<>!+*\/()]/
            .matchingSemantics(.unicodeScalar)
        var tokens: [String] = []
        var rest = text[...]
        while !rest.isEmpty {
            guard let match = rest.prefixMatch(of: pattern), !match.output.isEmpty else { return nil }
            if !match.output.allSatisfy(\.isWhitespace) { tokens.append(String(match.output)) }
            rest = rest[match.range.upperBound...]
        }
        return tokens
    }

    private static let bindings: [String: Int] = [
        "||": 1, "&&": 2, "<": 3, "<=": 3, ">": 3, ">=": 3, "==": 3, "!=": 3, "+": 4, "-": 4, "*": 5, "/": 5,
    ]

    private mutating func part(binding least: Int) throws(Unreadable) -> Part {
        var left = try unary()
        while at < tokens.count, let binding = RuleReader.bindings[tokens[at]], binding >= least {
            let symbol = tokens[at]
            at += 1
            left = try join(symbol, left, try part(binding: binding + 1))
        }
        return left
    }

    private mutating func next() throws(Unreadable) -> String {
        guard at < tokens.count else { throw Unreadable() }
        defer { at += 1 }
        return tokens[at]
    }

    private mutating func unary() throws(Unreadable) -> Part {
        let token = try next()
        switch token {
        case "!": return Part(rule: .not(try unary().rule), kind: .condition)
        case "-":
            var inner = try unary()
            inner.rule = .negate(inner.rule)
            if let (text, value) = inner.literal { inner.literal = (text, value.negated) }
            return inner
        case "(":
            let inner = try part(binding: 1)
            guard try next() == ")" else { throw Unreadable() }
            return inner
        case "true", "false": return Part(rule: .constant(token == "true"), kind: .condition)
        default: return try primary(token)
        }
    }

    private mutating func primary(_ token: String) throws(Unreadable) -> Part {
        guard let first = token.first else { throw Unreadable() }
        if first == "\"" || first == "'" {
            return Part(rule: .constant(true), kind: .text, rung: String(token.dropFirst().dropLast()))
        }
        if first.isNumber { return try RuleReader.literal(token) }
        if token == "tier" { return Part(rule: .constant(true), kind: .text) }
        var days: Int?
        if at < tokens.count, tokens[at] == "(" {
            at += 1
            guard case .duration(_, let milliseconds) = try RuleReader.literal(try next()).rule, try next() == ")"
            else {
                throw Unreadable()
            }
            days = Int(milliseconds / 86_400_000)
        }
        let kind: Kind =
            switch token {
            case "spend", "spend_total", "average_order": .money
            case "idle", "since_order", "typical_gap": .duration
            case "orders", "orders_total", "recency", "activity", "activity_trend": .number
            default: throw Unreadable()
            }
        return Part(rule: .feature(token, window: days), kind: kind)
    }

    private static func literal(_ token: String) throws(Unreadable) -> Part {
        let digits = token.prefix { $0.isNumber || $0 == "." }
        let unit = token.dropFirst(digits.count)
        guard unit.isEmpty else {
            let units: [Substring: Int64] = [
                "ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000,
            ]
            guard let scale = units[unit], let count = Int64(digits) else { throw Unreadable() }
            return Part(rule: .duration(token, count * scale), kind: .duration)
        }
        let parts = digits.split(separator: ".", omittingEmptySubsequences: false)
        var fraction = parts.count > 1 ? parts[1][...] : ""
        while fraction.last == "0" { fraction = fraction.dropLast() }
        guard fraction.count <= 30, let value = Int128(parts[0] + fraction) else { throw Unreadable() }
        let rational = Rational(value, (0..<fraction.count).reduce(1) { power, _ in power * 10 })
        return Part(rule: .number(token, rational), kind: .number, literal: (token, rational))
    }

    // MARK: Joining

    /// A literal number beside an amount of money is one.
    private static func asMoney(_ part: Part, beside other: Part) -> Part {
        guard other.kind == .money, part.kind == .number, let (text, value) = part.literal else { return part }
        return Part(rule: .money(text, value), kind: .money)
    }

    private func join(_ symbol: String, _ left: Part, _ right: Part) throws(Unreadable) -> Part {
        switch symbol {
        case "&&": return Part(rule: .and(left.rule, right.rule), kind: .condition)
        case "||": return Part(rule: .or(left.rule, right.rule), kind: .condition)
        default: break
        }
        var (a, b) = (left, right)
        if symbol != "*" && !(symbol == "/" && b.literal != nil) {
            (a, b) = (RuleReader.asMoney(left, beside: right), RuleReader.asMoney(right, beside: left))
        }
        switch symbol {
        case "+", "-", "*", "/":
            guard let character = symbol.first else { throw Unreadable() }
            let kind: Kind
            switch symbol {
            case "*": kind = a.kind == .number ? b.kind : a.kind
            case "/": kind = b.kind == .number ? a.kind : .number
            default: kind = a.kind
            }
            return Part(rule: .arithmetic(character, a.rule, b.rule), kind: kind)
        default:
            guard a.kind == b.kind else { throw Unreadable() }
            if a.kind == .text { return Part(rule: RuleReader.texts(symbol, a.rung, b.rung), kind: .condition) }
            return Part(rule: .compare(symbol, a.rule, b.rule), kind: .condition)
        }
    }

    /// nil stands for the customer's rung of `tier`.
    private static func texts(_ symbol: String, _ a: String?, _ b: String?) -> Rule {
        switch (a, b) {
        case (nil, let rung?), (let rung?, nil): .compareTier(symbol, rung)
        default: .constant((a == b) == (symbol == "=="))
        }
    }
}
