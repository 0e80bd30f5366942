// Reads a rule into nodes: CEL's operators and precedence over the features of docs/rules.md.
import Model

/// What a rule may name, and the numbers its names get.
package struct RuleScope {
    /// Windows in days, in the order of their numbers; grows as rules name them.
    package var windows: [Int]
    /// The two half-lives in ms.
    package var halfLives: [Int64]
    /// Digits of the base currency after the point.
    package var currencyExponent: Int
    /// Ladders that are decided before the rule, with their rungs.
    package var ladders: [(name: String, rungs: [String])]
    /// Its own ladder and those that are decided after it: naming one is refused, and the message says why.
    package var laterLadders: [String]
    /// Texts that rules and rungs name, by number.
    package var texts: [String]

    package init(
        windows: [Int] = [], halfLives: [Int64], currencyExponent: Int, ladders: [(name: String, rungs: [String])] = [],
        laterLadders: [String] = [], texts: [String] = []
    ) {
        self.windows = windows
        self.halfLives = halfLives
        self.currencyExponent = currencyExponent
        self.ladders = ladders
        self.laterLadders = laterLadders
        self.texts = texts
    }

    mutating func number(ofText text: String) -> Int32 {
        if let known = texts.firstIndex(of: text) { return Int32(known) }
        texts.append(text)
        return Int32(texts.count - 1)
    }
}

struct Parser {
    private var lexer: Lexer
    private var token: Token
    private var depth = 0
    /// Where the token before `token` ends.
    private var end = 0
    /// Every comparison, in the order of the text: its node and where it stands.
    private(set) var comparisons: [(node: Int32, bytes: Range<Int>)] = []
    var scope: RuleScope
    var nodes: [Node] = []

    init(_ text: String, scope: RuleScope) throws(RuleProblem) {
        guard text.utf8.count <= Limits.expressionBytes else {
            throw RuleProblem(offset: 0, message: "a rule has at most \(Limits.expressionBytes) bytes")
        }
        self.scope = scope
        lexer = Lexer(text)
        token = try lexer.next()
    }

    /// Parses the whole text; the last node is the rule.
    mutating func parse() throws(RuleProblem) {
        if token.kind == .end {
            throw RuleProblem(offset: 0, message: "the rule is empty: write a condition or 'true'")
        }
        let root = try either()
        guard token.kind == .end else {
            throw RuleProblem(
                offset: token.offset, message: "expected an operator or the end of the rule, found \(token.description)"
            )
        }
        if nodes[Int(root)].type != .boolean {
            throw RuleProblem(
                offset: Int(nodes[Int(root)].offset),
                message: "the rule is \(nodes[Int(root)].type.article), not a condition: compare it with something")
        }
    }

    private mutating func advance() throws(RuleProblem) {
        end = lexer.at
        token = try lexer.next()
    }

    private mutating func take(_ symbol: String) throws(RuleProblem) -> Bool {
        guard token.kind == .symbol(symbol) else { return false }
        try advance()
        return true
    }

    mutating func append(_ node: Node) -> Int32 {
        nodes.append(node)
        return Int32(nodes.count - 1)
    }

    private mutating func either() throws(RuleProblem) -> Int32 {
        var left = try both()
        while token.kind == .symbol("||") {
            let offset = token.offset
            try advance()
            left = try connect(.or, left, try both(), symbol: "||", offset: offset)
        }
        return left
    }

    private mutating func both() throws(RuleProblem) -> Int32 {
        var left = try relation()
        while token.kind == .symbol("&&") {
            let offset = token.offset
            try advance()
            left = try connect(.and, left, try relation(), symbol: "&&", offset: offset)
        }
        return left
    }

    private mutating func relation() throws(RuleProblem) -> Int32 {
        let start = token.offset
        let left = try sum()
        guard case .symbol(let symbol) = token.kind, let comparison = Parser.operators[symbol] else { return left }
        let offset = token.offset
        try advance()
        let right = try sum()
        let result = try compare(comparison, left, right, symbol: symbol, offset: offset)
        if case .symbol(let next) = token.kind, Parser.operators[next] != nil {
            throw RuleProblem(offset: token.offset, message: "comparisons do not chain: join two of them with '&&'")
        }
        comparisons.append((result, start..<end))
        return result
    }

    private static let operators: [String: Comparison] = [
        "<": .less, "<=": .lessOrEqual, ">": .greater, ">=": .greaterOrEqual, "==": .equal, "!=": .notEqual,
    ]

    private mutating func sum() throws(RuleProblem) -> Int32 {
        var left = try product()
        while case .symbol(let symbol) = token.kind, symbol == "+" || symbol == "-" {
            let offset = token.offset
            try advance()
            left = try arithmetic(symbol == "+" ? .add : .subtract, left, try product(), offset: offset)
        }
        return left
    }

    private mutating func product() throws(RuleProblem) -> Int32 {
        var left = try unary()
        while case .symbol(let symbol) = token.kind, symbol == "*" || symbol == "/" {
            let offset = token.offset
            try advance()
            left = try arithmetic(symbol == "*" ? .multiply : .divide, left, try unary(), offset: offset)
        }
        return left
    }

    private mutating func unary() throws(RuleProblem) -> Int32 {
        depth += 1
        defer { depth -= 1 }
        guard depth <= Limits.expressionDepth else {
            throw RuleProblem(
                offset: token.offset, message: "the rule is nested more than \(Limits.expressionDepth) deep")
        }
        let offset = token.offset
        if try take("!") { return try invert(try unary(), offset: offset) }
        if try take("-") { return try negate(try unary(), offset: offset) }
        return try primary()
    }

    private mutating func primary() throws(RuleProblem) -> Int32 {
        let start = token
        switch start.kind {
        case .symbol("("):
            try advance()
            let inner = try either()
            try expectClosing(of: start.offset)
            return inner
        case .number(let digits):
            try advance()
            return try literal(digits, offset: start.offset)
        case .duration(let milliseconds):
            try advance()
            return constant(milliseconds, .duration, offset: start.offset)
        case .text(let text):
            try advance()
            var node = Node(.constant, .text, offset: start.offset)
            node.index = scope.number(ofText: text)
            return append(node)
        case .name(let name):
            try advance()
            return try named(name, offset: start.offset)
        default:
            throw RuleProblem(
                offset: start.offset, message: "expected a feature, a number, a text or '(', found \(start.description)"
            )
        }
    }

    private mutating func expectClosing(of opening: Int) throws(RuleProblem) {
        if try !take(")") {
            throw RuleProblem(offset: token.offset, message: "expected ')', found \(token.description)")
        }
    }

    private mutating func named(_ name: String, offset: Int) throws(RuleProblem) -> Int32 {
        if name == "true" || name == "false" {
            return append(Node(name == "true" ? .always : .never, .boolean, offset: offset))
        }
        if let ladder = scope.ladders.firstIndex(where: { $0.name == name }) {
            var node = Node(.feature, .text, offset: offset)
            node.feature = .ladder
            node.index = Int32(ladder)
            return append(node)
        }
        if scope.laterLadders.contains(name) {
            throw RuleProblem(
                offset: offset,
                message: "the ladder '\(name)' is not decided yet here: a rule may only use ladders before its own")
        }
        guard let known = Feature.named.first(where: { $0.name == name }) else {
            let names = Feature.named.map(\.name) + scope.ladders.map(\.name)
            throw RuleProblem(
                offset: offset, message: "'\(name)' is no feature; there are \(names.joined(separator: ", "))")
        }
        var window: Int64?
        if token.kind == .symbol("(") {
            let opening = token.offset
            try advance()
            guard case .duration(let milliseconds) = token.kind else {
                throw RuleProblem(
                    offset: token.offset, message: "expected a duration such as 90d, found \(token.description)")
            }
            guard known.takesWindow else { throw RuleProblem(offset: opening, message: "'\(name)' takes no window") }
            window = milliseconds
            try advance()
            try expectClosing(of: opening)
        } else if known.takesWindow {
            throw RuleProblem(offset: token.offset, message: "'\(name)' needs its window, such as \(name)(90d)")
        }
        return try feature(known.feature, name: name, window: window, offset: offset)
    }
}
