// Gives every node its type, its size and its motion, and refuses what does not fit, with the place and the reason.
import Model

/// What stays inside it is computed in Int128: sign and one bit for a sum are kept free. What may pass it is marked as wide.
private let mostNarrowBits = 126

extension Parser {
    mutating func constant(_ value: Int64, _ type: ValueType, offset: Int) -> Int32 {
        var node = Node(.constant, type, offset: offset)
        node.constant = Exact(value)
        node.numeratorBits = Int64.bitWidth - value.leadingZeroBitCount
        return append(node)
    }

    mutating func literal(_ digits: String, offset: Int) throws(RuleProblem) -> Int32 {
        let most = Limits.literalDigits
        guard let decimal = try? Decimal(digits), decimal.scale <= most, decimal.scale >= -most else {
            throw RuleProblem(offset: offset, message: "the number has too many digits: at most \(most) count")
        }
        var numerator = Int128(decimal.coefficient)
        var denominator: Int128 = 1
        for _ in 0..<abs(decimal.scale) { if decimal.scale > 0 { denominator *= 10 } else { numerator *= 10 } }
        guard numerator < 1 << 62 else {
            throw RuleProblem(offset: offset, message: "the number is too large: at most \(most) digits")
        }
        var node = Node(.constant, .number, offset: offset)
        node.constant = Exact(numerator: numerator, denominator: denominator)
        node.numeratorBits = 128 - numerator.leadingZeroBitCount
        // Rounded up: 10 is more than 2^3.
        node.denominatorBits = 128 - (denominator - 1).leadingZeroBitCount
        node.isLiteral = true
        return append(node)
    }

    mutating func feature(_ feature: Feature, name: String, window: Int64?, offset: Int) throws(RuleProblem) -> Int32 {
        var node = Node(.feature, feature.type, offset: offset)
        node.feature = feature
        (node.numeratorBits, node.denominatorBits) = feature.bits
        switch feature {
        case .orders, .spend, .averageOrder:
            node.index = try windowNumber(window ?? 0, name: name, offset: offset)
            node.windows = 1 << UInt32(node.index)
        case .activity:
            guard let index = scope.halfLives.firstIndex(of: window ?? 0) else {
                let kept = scope.halfLives.map { "\(name)(\($0 / 86_400_000)d)" }.joined(separator: " and ")
                throw RuleProblem(
                    offset: offset, message: "activity is kept for the half-lives of activity.half_lives only: \(kept)")
            }
            node.index = Int32(index)
            node.isInexact = true
        case .activityTrend:
            node.isInexact = true
        default:
            break
        }
        let number = append(node)
        if feature.moves { nodes[Int(number)].mover = number }
        return number
    }

    private mutating func windowNumber(_ milliseconds: Int64, name: String, offset: Int) throws(RuleProblem) -> Int32 {
        let day = CivilTime.millisecondsPerDay
        guard milliseconds > 0, milliseconds % day == 0, milliseconds / day <= Int64(Limits.windowDays) else {
            throw RuleProblem(offset: offset, message: "a window is whole days, 1d to \(Limits.windowDays)d")
        }
        let days = Int(milliseconds / day)
        if let known = scope.windows.firstIndex(of: days) { return Int32(known) }
        guard scope.windows.count < Limits.windows else {
            throw RuleProblem(offset: offset, message: "there are more than \(Limits.windows) different windows")
        }
        scope.windows.append(days)
        return Int32(scope.windows.count - 1)
    }

    mutating func invert(_ operand: Int32, offset: Int) throws(RuleProblem) -> Int32 {
        try expect(.boolean, operand, of: "'!'")
        var node = Node(.not, .boolean, offset: offset)
        node.left = operand
        return append(node)
    }

    mutating func connect(_ kind: Node.Kind, _ left: Int32, _ right: Int32, symbol: String, offset: Int)
        throws(RuleProblem) -> Int32
    {
        try expect(.boolean, left, of: "'\(symbol)'")
        try expect(.boolean, right, of: "'\(symbol)'")
        var node = Node(kind, .boolean, offset: offset)
        (node.left, node.right) = (left, right)
        return append(node)
    }

    private func expect(_ type: ValueType, _ operand: Int32, of user: String) throws(RuleProblem) {
        let node = nodes[Int(operand)]
        if node.type != type {
            throw RuleProblem(
                offset: Int(node.offset), message: "\(user) wants \(type.article), and this is \(node.type.article)")
        }
    }

    mutating func negate(_ operand: Int32, offset: Int) throws(RuleProblem) -> Int32 {
        let inner = nodes[Int(operand)]
        guard inner.type != .boolean && inner.type != .text else {
            throw RuleProblem(
                offset: Int(inner.offset), message: "'-' wants a number, and this is \(inner.type.article)")
        }
        if inner.kind == .constant {
            nodes[Int(operand)].constant = -inner.constant
            return operand
        }
        var node = inner
        node.kind = .negate
        (node.left, node.right) = (operand, -1)
        node.offset = Int32(offset)
        return append(node)
    }

    /// A literal number where money is wanted becomes minor units of the base currency.
    private mutating func asMoney(_ operand: Int32) {
        guard nodes[Int(operand)].isLiteral, nodes[Int(operand)].type == .number else { return }
        var scale: Int128 = 1
        for _ in 0..<scope.currencyExponent { scale *= 10 }
        nodes[Int(operand)].constant.numerator *= scale
        nodes[Int(operand)].numeratorBits += 4 * scope.currencyExponent
        nodes[Int(operand)].type = .money
    }

    private mutating func alike(_ left: Int32, _ right: Int32) {
        if nodes[Int(left)].type == .money { asMoney(right) }
        if nodes[Int(right)].type == .money { asMoney(left) }
    }

    private func operands(_ left: Int32, _ right: Int32) -> String {
        "\(nodes[Int(left)].type.article) and \(nodes[Int(right)].type.article)"
    }

    mutating func arithmetic(_ kind: Node.Kind, _ left: Int32, _ right: Int32, offset: Int) throws(RuleProblem) -> Int32
    {
        if kind != .multiply && !(kind == .divide && nodes[Int(right)].isLiteral) { alike(left, right) }
        let (a, b) = (nodes[Int(left)], nodes[Int(right)])
        let type: ValueType
        switch kind {
        case .add, .subtract:
            guard a.type == b.type, a.type != .boolean, a.type != .text else {
                throw RuleProblem(
                    offset: offset,
                    message:
                        "'\(kind == .add ? "+" : "-")' joins like with like, and these are \(operands(left, right))")
            }
            type = a.type
        case .multiply:
            guard a.type == .number || b.type == .number, ![a.type, b.type].contains(.boolean),
                ![a.type, b.type].contains(.text)
            else {
                throw RuleProblem(
                    offset: offset,
                    message:
                        "'*' wants a number and a number, money or duration, and these are \(operands(left, right))")
            }
            type = a.type == .number ? b.type : a.type
        default:
            let countable = a.type != .boolean && a.type != .text
            guard countable, b.type == .number || a.type == b.type else {
                throw RuleProblem(
                    offset: offset,
                    message: "'/' divides by a number, or like by like, and these are \(operands(left, right))")
            }
            type = b.type == .number ? a.type : .number
            if b.mover >= 0 { throw unpredictable(b.mover, "it stands below a division", offset: offset) }
        }
        if a.mover >= 0 && b.mover >= 0 { throw twoMovers(a.mover, b.mover) }
        var node = Node(kind, type, offset: offset)
        (node.left, node.right) = (left, right)
        node.isInexact = a.isInexact || b.isInexact
        node.mover = max(a.mover, b.mover)
        node.windows = a.windows | b.windows
        if !node.isInexact {
            (node.numeratorBits, node.denominatorBits) = Parser.bits(kind, a, b)
            let isNarrow = a.wideLimbs == 0 && b.wideLimbs == 0 && Parser.isNarrow(node)
            if !isNarrow { node.wideLimbs = wideLimbs(for: node) }
        }
        return append(node)
    }

    /// Bits of numerator and denominator that `a kind b` can reach.
    private static func bits(_ kind: Node.Kind, _ a: Node, _ b: Node) -> (Int, Int) {
        switch kind {
        case .add, .subtract:
            (
                max(a.numeratorBits + b.denominatorBits, b.numeratorBits + a.denominatorBits) + 1,
                a.denominatorBits + b.denominatorBits
            )
        case .multiply: (a.numeratorBits + b.numeratorBits, a.denominatorBits + b.denominatorBits)
        default: (a.numeratorBits + b.denominatorBits, a.denominatorBits + b.numeratorBits)
        }
    }

    private static func isNarrow(_ node: Node) -> Bool {
        max(node.numeratorBits, node.denominatorBits) <= mostNarrowBits
    }

    /// Room for everything that evaluating `top`, or solving it for its moving feature, can make.
    ///
    /// A numerator or denominator is never longer than the operands' longer parts together, and a bit more for each sum. No
    /// operation takes more than four such numbers.
    private func wideLimbs(for top: Node) -> Int32 {
        var (parts, bits) = (0, 0)
        var open = [top]
        while let node = open.popLast() {
            parts += 1
            bits += 1
            switch node.kind {
            case .constant, .feature: bits += max(node.numeratorBits, node.denominatorBits)
            default: open += [node.left, node.right].filter { $0 >= 0 }.map { nodes[Int($0)] }
            }
        }
        return Int32((parts + 1) * 4 * (bits / 64 + 3))
    }

    private func name(of mover: Int32) -> String {
        let feature = nodes[Int(mover)].feature
        return Feature.named.first { $0.feature == feature }?.name ?? "a feature"
    }

    private func unpredictable(_ mover: Int32, _ reason: String, offset: Int) -> RuleProblem {
        RuleProblem(
            offset: offset,
            message:
                "the instant at which this changes cannot be computed: '\(name(of: mover))' changes with time and \(reason)"
        )
    }

    private func twoMovers(_ a: Int32, _ b: Int32) -> RuleProblem {
        RuleProblem(
            offset: Int(nodes[Int(max(a, b))].offset),
            message:
                "the instant at which this changes cannot be computed: '\(name(of: min(a, b)))' and '\(name(of: max(a, b)))' both change with time; compare each with something that does not"
        )
    }

    mutating func compare(_ comparison: Comparison, _ left: Int32, _ right: Int32, symbol: String, offset: Int)
        throws(RuleProblem) -> Int32
    {
        alike(left, right)
        let (a, b) = (nodes[Int(left)], nodes[Int(right)])
        guard a.type == b.type else {
            throw RuleProblem(
                offset: offset, message: "'\(symbol)' compares like with like, and these are \(operands(left, right))")
        }
        guard a.type != .boolean else {
            throw RuleProblem(
                offset: offset, message: "conditions are joined with '&&' and '||', not compared with '\(symbol)'")
        }
        if a.type == .text { return try compareText(comparison, left, right, symbol: symbol, offset: offset) }
        if a.mover >= 0 && b.mover >= 0 { throw twoMovers(a.mover, b.mover) }
        var node = Node(a.isInexact || b.isInexact ? .compareInexact : .compareExact, .boolean, offset: offset)
        let exchange = b.mover >= 0
        (node.left, node.right) = exchange ? (right, left) : (left, right)
        node.comparison = exchange ? comparison.mirrored : comparison
        node.mover = max(a.mover, b.mover)
        node.windows = a.windows | b.windows
        if node.kind == .compareInexact {
            if comparison == .equal || comparison == .notEqual {
                throw unpredictable(node.mover, "never stays equal to anything: use '<' or '>='", offset: offset)
            }
        } else if a.wideLimbs > 0 || b.wideLimbs > 0 || !solvesNarrow(node) {
            node.wideLimbs = wideLimbs(for: node)
        }
        return append(node)
    }

    private mutating func compareText(
        _ comparison: Comparison, _ left: Int32, _ right: Int32, symbol: String, offset: Int
    ) throws(RuleProblem) -> Int32 {
        guard comparison == .equal || comparison == .notEqual else {
            throw RuleProblem(offset: offset, message: "texts are compared with '==' and '!=' only")
        }
        for (side, other) in [(left, right), (right, left)] {
            let (constant, ladder) = (nodes[Int(side)], nodes[Int(other)])
            guard constant.kind == .constant, ladder.kind == .feature else { continue }
            let (name, rungs) = scope.ladders[Int(ladder.index)]
            let rung = scope.texts[Int(constant.index)]
            guard rungs.contains(rung) else {
                throw RuleProblem(
                    offset: Int(constant.offset),
                    message: "the ladder '\(name)' has no rung \"\(rung)\"; it has \(rungs.joined(separator: ", "))")
            }
        }
        var node = Node(.compareText, .boolean, offset: offset)
        (node.left, node.right) = (left, right)
        node.comparison = comparison
        return append(node)
    }

    /// True if what NextChange.swift meets when it solves the comparison for its moving feature fits Int128.
    private func solvesNarrow(_ comparison: Node) -> Bool {
        var target = nodes[Int(comparison.right)]
        var at = nodes[Int(comparison.left)]
        let crossed = max(at.numeratorBits + target.denominatorBits, target.numeratorBits + at.denominatorBits)
        if crossed > mostNarrowBits { return false }
        while comparison.mover >= 0, at.kind != .feature {
            if at.kind == .negate {
                at = nodes[Int(at.left)]
                continue
            }
            let inLeft = nodes[Int(at.left)].mover >= 0
            let other = nodes[Int(inLeft ? at.right : at.left)]
            let inverse: Node.Kind
            switch at.kind {
            case .add, .subtract: inverse = .add
            case .multiply: inverse = .divide
            default: inverse = .multiply
            }
            (target.numeratorBits, target.denominatorBits) = Parser.bits(inverse, target, other)
            if !Parser.isNarrow(target) { return false }
            at = nodes[Int(inLeft ? at.left : at.right)]
        }
        return true
    }
}
