// A compiled rule: its nodes in one block of memory, evaluated without allocation.

/// Owns the nodes of one rule.
package final class CompiledRule: @unchecked Sendable {
    /// Written once in `init`, only read after.
    let nodes: UnsafeMutableBufferPointer<Node>
    package let code: Code
    /// How each of `conditions` is written.
    package let conditionTexts: [String]

    /// Parses and checks `text`. `scope` learns the windows and texts that it names.
    package init(_ text: String, scope: inout RuleScope) throws(RuleProblem) {
        var parser = try Parser(text, scope: scope)
        try parser.parse()
        scope = parser.scope
        nodes = .allocate(capacity: parser.nodes.count)
        _ = nodes.initialize(from: parser.nodes)
        let conditions = UnsafeMutableBufferPointer<Condition>.allocate(capacity: parser.comparisons.count)
        _ = conditions.initialize(from: parser.comparisons.map { Condition($0.node, parser.nodes) })
        code = Code(
            nodes: UnsafePointer(nodes.baseAddress!), root: parser.nodes.count - 1,
            conditions: UnsafeBufferPointer(conditions))
        let bytes = Array(text.utf8)
        conditionTexts = parser.comparisons.map { String(decoding: bytes[$0.bytes], as: UTF8.self) }
        for number in nodes.indices { mark(&nodes[number]) }
    }

    /// Marks what evaluation can do in a short way. Operands come first.
    private func mark(_ node: inout Node) {
        let operands = [node.left, node.right].filter { $0 >= 0 }.map { nodes[Int($0)] }
        node.heedsClicks = (node.kind == .feature && node.feature.heedsClicks) || operands.contains { $0.heedsClicks }
        defer {
            let isSlow = node.kind == .compareExact && !node.isWhole
            node.cost = node.heedsClicks ? 2 : isSlow ? 1 : operands.map(\.cost).max() ?? 0
        }
        guard node.kind == .compareExact, operands[0].kind == .feature, operands[1].kind == .constant else { return }
        guard operands[0].feature.isWhole, operands[1].constant.denominator == 1 else { return }
        guard let limit = Int64(exactly: operands[1].constant.numerator) else { return }
        (node.isWhole, node.limit, node.feature, node.index) = (true, limit, operands[0].feature, operands[0].index)
    }

    deinit {
        nodes.deallocate()
        conditions.deallocate()
    }

    /// Every comparison in it, in the order of its text; valid as long as the rule.
    package var conditions: UnsafeBufferPointer<Condition> { code.conditions }

    /// Bit n is set if the rule reads window n.
    package var windows: UInt32 { nodes.reduce(0) { $0 | $1.windows } }

    func reads(_ feature: Feature) -> Bool { nodes.contains { $0.kind == .feature && $0.feature == feature } }

    package func holds(_ features: Features, _ constants: RuleConstants) -> Bool {
        code.holds(code.root, features, constants)
    }

    package func outlook(_ features: Features, _ constants: RuleConstants) -> Outlook {
        code.outlook(features, constants)
    }
}

/// The nodes of a rule as plain memory, which no reference is counted for; valid as long as its rule.
package struct Code: BitwiseCopyable, @unchecked Sendable {
    let nodes: UnsafePointer<Node>
    let root: Int
    package let conditions: UnsafeBufferPointer<Condition>

    @inline(__always)
    func pointer(_ number: Int) -> UnsafePointer<Node> { nodes + number }

    func holds(_ number: Int, _ features: Features, _ constants: RuleConstants) -> Bool {
        // A pointer: a node is too long to copy at each step.
        let node = pointer(number)
        switch node.pointee.kind {
        case .always: return true
        case .never: return false
        case .not: return !holds(Int(node.pointee.left), features, constants)
        case .and:
            return holds(Int(node.pointee.left), features, constants)
                && holds(Int(node.pointee.right), features, constants)
        case .or:
            return holds(Int(node.pointee.left), features, constants)
                || holds(Int(node.pointee.right), features, constants)
        case .compareExact, .compareInexact: return comparisonHolds(node, features, constants)
        case .compareText:
            let equal = text(Int(node.pointee.left), features) == text(Int(node.pointee.right), features)
            return equal == (node.pointee.comparison == .equal)
        default:
            preconditionFailure("a value is no condition")
        }
    }

    /// A comparison of numbers, at `features.instant`.
    @inline(__always)
    func comparisonHolds(_ node: UnsafePointer<Node>, _ features: Features, _ constants: RuleConstants) -> Bool {
        if node.pointee.isWhole {
            guard let value = wholeValue(of: node, features) else { return false }
            return wholeHolds(node, value)
        }
        if node.pointee.kind == .compareInexact {
            return inexactHolds(node, features, constants, at: features.instant)
        }
        return node.pointee.wideLimbs > 0 ? wideHolds(node, features) : exactHolds(node, features)
    }

    private func exactHolds(_ node: UnsafePointer<Node>, _ features: Features) -> Bool {
        let left = exact(Int(node.pointee.left), features)
        let right = exact(Int(node.pointee.right), features)
        if left.isAbsent || right.isAbsent { return false }
        return node.pointee.comparison.holds(Exact.compare(left, right))
    }

    /// Of a comparison of a whole feature with a constant, as most of them are: what is compared; nil if it is absent.
    @inline(__always)
    func wholeValue(of comparison: UnsafePointer<Node>, _ features: Features) -> Int64? {
        whole(comparison.pointee.feature, Int(comparison.pointee.index), features)
    }

    @inline(__always)
    func wholeHolds(_ comparison: UnsafePointer<Node>, _ value: Int64) -> Bool {
        let limit = comparison.pointee.limit
        return comparison.pointee.comparison.holds(value < limit ? -1 : value == limit ? 0 : 1)
    }

    func exact(_ number: Int, _ features: Features) -> Exact {
        let node = pointer(number)
        func left() -> Exact { exact(Int(node.pointee.left), features) }
        func right() -> Exact { exact(Int(node.pointee.right), features) }
        switch node.pointee.kind {
        case .constant: return node.pointee.constant
        case .feature: return feature(node, features)
        case .negate: return -left()
        case .add: return left() + right()
        case .subtract: return left() - right()
        case .multiply: return left() * right()
        case .divide: return left() / right()
        default: preconditionFailure("a condition is no value")
        }
    }

    /// A feature that is a whole number; nil if it is absent.
    @inline(__always)
    func whole(_ feature: Feature, _ index: Int, _ features: Features) -> Int64? {
        switch feature {
        case .orders: features.windows[index].orders
        case .spend: features.windows[index].spend
        case .ordersTotal: features.ordersTotal
        case .spendTotal: features.spendTotal
        case .recency: features.ordersTotal == 0 ? nil : features.recency
        case .idle: max(0, features.instant - features.lastEvent)
        case .sinceOrder: features.ordersTotal == 0 ? nil : max(0, features.instant - features.lastOrder)
        case .averageOrder, .typicalGap, .activity, .activityTrend, .ladder: preconditionFailure("not whole")
        }
    }

    @inline(__always)
    private func feature(_ node: UnsafePointer<Node>, _ features: Features) -> Exact {
        switch node.pointee.feature {
        case .averageOrder:
            let window = features.windows[Int(node.pointee.index)]
            if window.orders == 0 { return Exact(0) }
            return Exact(numerator: Int128(window.spend), denominator: Int128(window.orders))
        case .typicalGap:
            if features.ordersTotal < 2 { return .absent }
            return Exact(
                numerator: Int128(features.lastOrder - features.firstOrder),
                denominator: Int128(features.ordersTotal - 1))
        case .activity, .activityTrend, .ladder: preconditionFailure("not exact")
        default:
            guard let value = whole(node.pointee.feature, Int(node.pointee.index), features) else { return .absent }
            return Exact(value)
        }
    }

    @inline(__always)
    func text(_ number: Int, _ features: Features) -> Int32 {
        let node = pointer(number)
        let index = node.pointee.index
        return node.pointee.kind == .constant ? index : features.ladderTexts[Int(index)]
    }

    // Decaying features: Double, NaN for absent (a comparison with NaN is false, as it must be).

    func inexactHolds(
        _ node: UnsafePointer<Node>, _ features: Features, _ constants: RuleConstants, at instant: Int64
    ) -> Bool {
        let left = inexact(Int(node.pointee.left), features, constants, at: instant)
        let right = inexact(Int(node.pointee.right), features, constants, at: instant)
        switch node.pointee.comparison {
        case .less: return left < right
        case .lessOrEqual: return left <= right
        case .greater: return left > right
        case .greaterOrEqual: return left >= right
        case .equal, .notEqual: preconditionFailure("refused by the checker")
        }
    }

    func inexact(_ number: Int, _ features: Features, _ constants: RuleConstants, at instant: Int64) -> Double {
        let node = pointer(number)
        if !node.pointee.isInexact { return double(ofExact: number, features) }
        switch node.pointee.kind {
        case .negate: return -inexact(Int(node.pointee.left), features, constants, at: instant)
        case .add:
            return inexact(Int(node.pointee.left), features, constants, at: instant)
                + inexact(Int(node.pointee.right), features, constants, at: instant)
        case .subtract:
            return inexact(Int(node.pointee.left), features, constants, at: instant)
                - inexact(Int(node.pointee.right), features, constants, at: instant)
        case .multiply:
            return inexact(Int(node.pointee.left), features, constants, at: instant)
                * inexact(Int(node.pointee.right), features, constants, at: instant)
        case .divide:
            let divisor = inexact(Int(node.pointee.right), features, constants, at: instant)
            return divisor == 0 ? .nan : inexact(Int(node.pointee.left), features, constants, at: instant) / divisor
        default: return decaying(node, features, constants, at: instant)
        }
    }

    /// activity(h) = sum of 2^(-age/h); activity_trend = (activity(h0)/h0) / (activity(h1)/h1), one exponential of its own.
    func decaying(
        _ node: UnsafePointer<Node>, _ features: Features, _ constants: RuleConstants, at instant: Int64
    ) -> Double {
        let age = Double(instant - features.activityAt)
        if node.pointee.feature == .activity {
            if features.activity0 < 0 { return 0 }
            let halfLife = node.pointee.index == 0 ? constants.halfLife0 : constants.halfLife1
            return (node.pointee.index == 0 ? features.activity0 : features.activity1)
                * Exponential.exp2(-age / halfLife)
        }
        if features.activity0 < 0 { return .nan }
        return Code.trendAtReference(features, constants) * Exponential.exp2(-age * Code.trendRate(constants))
    }

    static func trendAtReference(_ features: Features, _ constants: RuleConstants) -> Double {
        (features.activity0 / constants.halfLife0) / (features.activity1 / constants.halfLife1)
    }

    /// Halvings of activity_trend per ms.
    static func trendRate(_ constants: RuleConstants) -> Double { 1 / constants.halfLife0 - 1 / constants.halfLife1 }
}
