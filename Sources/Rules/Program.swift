// A compiled rule: its nodes in one block of memory, evaluated without allocation.
import Model

/// What a rule sees of one customer at one instant. Filled by the engine, read here.
package struct Features {
    /// The instant, ms.
    package var instant: Int64
    /// Day(instant), and the first later instant at which it is another.
    package var day: Int64
    package var dayEnds: Int64
    /// True if Day goes back when the day ends (a clock set back over midnight).
    package var dayGoesBack: Bool

    package var ordersTotal: Int64 = 0
    package var spendTotal: Int64 = 0
    /// ms; valid if ordersTotal > 0.
    package var firstOrder: Int64 = 0
    package var lastOrder: Int64 = 0
    package var lastOrderDay: Int64 = 0
    /// Latest event of any kind, ms.
    package var lastEvent: Int64 = 0

    /// Decayed counts at `activityAt`, for the two half-lives; negative if there never was a click.
    package var activity0: Double = -1
    package var activity1: Double = -1
    package var activityAt: Int64 = 0

    /// Per window, by its number: orders, spend, and the earliest day of an order inside (Int64.max if none).
    package var windows: UnsafeMutablePointer<WindowValues>
    /// Text number of the rung of each ladder decided so far.
    package var ladderTexts: UnsafeMutablePointer<Int32>

    package init(
        instant: Int64, day: Int64, dayEnds: Int64, dayGoesBack: Bool, windows: UnsafeMutablePointer<WindowValues>,
        ladderTexts: UnsafeMutablePointer<Int32>
    ) {
        self.instant = instant
        self.day = day
        self.dayEnds = dayEnds
        self.dayGoesBack = dayGoesBack
        self.windows = windows
        self.ladderTexts = ladderTexts
    }

    @inline(__always) package var recency: Int64 { max(0, day - lastOrderDay) }
}

package struct WindowValues {
    package var orders: Int64 = 0
    package var spend: Int64 = 0
    /// Day of the oldest order inside.
    package var oldestDay: Int64 = .max

    package init() {}
}

/// The rules of one version share what they refer to.
package struct RuleConstants {
    package var zone: ZoneTable
    /// Days of each window, by its number.
    package var windows: [Int]
    /// ms.
    package var halfLife0: Double
    package var halfLife1: Double

    package init(zone: ZoneTable, windows: [Int], halfLives: [Int64]) {
        self.zone = zone
        self.windows = windows
        halfLife0 = Double(halfLives[0])
        halfLife1 = Double(halfLives[1])
    }
}

package final class Program: @unchecked Sendable {
    /// Written once in `init`, only read after.
    let nodes: UnsafeMutableBufferPointer<Node>
    let root: Int

    /// Parses and checks `text`. `scope` learns the windows and texts that it names.
    package init(_ text: String, scope: inout RuleScope) throws(RuleProblem) {
        var parser = try Parser(text, scope: scope)
        try parser.parse()
        scope = parser.scope
        nodes = .allocate(capacity: parser.nodes.count)
        _ = nodes.initialize(from: parser.nodes)
        root = parser.nodes.count - 1
    }

    deinit { nodes.deallocate() }

    /// Bit n is set if the rule reads window n.
    package var windows: UInt32 { nodes.reduce(0) { $0 | $1.windows } }

    package func holds(_ features: Features, _ constants: RuleConstants) -> Bool {
        holds(root, features, constants)
    }

    func holds(_ number: Int, _ features: Features, _ constants: RuleConstants) -> Bool {
        let node = nodes[number]
        switch node.kind {
        case .always: return true
        case .never: return false
        case .not: return !holds(Int(node.left), features, constants)
        case .and: return holds(Int(node.left), features, constants) && holds(Int(node.right), features, constants)
        case .or: return holds(Int(node.left), features, constants) || holds(Int(node.right), features, constants)
        case .compareExact:
            let left = exact(Int(node.left), features)
            let right = exact(Int(node.right), features)
            if left.isAbsent || right.isAbsent { return false }
            return node.comparison.holds(Exact.compare(left, right))
        case .compareInexact:
            return inexactHolds(node, features, constants, at: features.instant)
        case .compareText:
            let equal = text(Int(node.left), features) == text(Int(node.right), features)
            return equal == (node.comparison == .equal)
        default:
            preconditionFailure("a value is no condition")
        }
    }

    func exact(_ number: Int, _ features: Features) -> Exact {
        let node = nodes[number]
        switch node.kind {
        case .constant: return node.constant
        case .feature: return feature(node, features)
        case .negate: return -exact(Int(node.left), features)
        case .add: return exact(Int(node.left), features) + exact(Int(node.right), features)
        case .subtract: return exact(Int(node.left), features) - exact(Int(node.right), features)
        case .multiply: return exact(Int(node.left), features) * exact(Int(node.right), features)
        case .divide: return exact(Int(node.left), features) / exact(Int(node.right), features)
        default: preconditionFailure("a condition is no value")
        }
    }

    @inline(__always)
    private func feature(_ node: Node, _ features: Features) -> Exact {
        switch node.feature {
        case .orders: return Exact(features.windows[Int(node.index)].orders)
        case .spend: return Exact(features.windows[Int(node.index)].spend)
        case .averageOrder:
            let window = features.windows[Int(node.index)]
            if window.orders == 0 { return Exact(0) }
            return Exact(numerator: Int128(window.spend), denominator: Int128(window.orders))
        case .ordersTotal: return Exact(features.ordersTotal)
        case .spendTotal: return Exact(features.spendTotal)
        case .recency: return features.ordersTotal == 0 ? .absent : Exact(features.recency)
        case .idle: return Exact(max(0, features.instant - features.lastEvent))
        case .sinceOrder: return features.ordersTotal == 0 ? .absent : Exact(max(0, features.instant - features.lastOrder))
        case .typicalGap:
            if features.ordersTotal < 2 { return .absent }
            return Exact(
                numerator: Int128(features.lastOrder - features.firstOrder), denominator: Int128(features.ordersTotal - 1))
        case .activity, .activityTrend, .ladder: preconditionFailure("not exact")
        }
    }

    @inline(__always)
    private func text(_ number: Int, _ features: Features) -> Int32 {
        let node = nodes[number]
        return node.kind == .constant ? node.index : features.ladderTexts[Int(node.index)]
    }

    // Decaying features: Double, NaN for absent (a comparison with NaN is false, as it must be).

    func inexactHolds(_ node: Node, _ features: Features, _ constants: RuleConstants, at instant: Int64) -> Bool {
        let left = inexact(Int(node.left), features, constants, at: instant)
        let right = inexact(Int(node.right), features, constants, at: instant)
        switch node.comparison {
        case .less: return left < right
        case .lessOrEqual: return left <= right
        case .greater: return left > right
        case .greaterOrEqual: return left >= right
        case .equal, .notEqual: preconditionFailure("refused by the checker")
        }
    }

    func inexact(_ number: Int, _ features: Features, _ constants: RuleConstants, at instant: Int64) -> Double {
        let node = nodes[number]
        if !node.isInexact { return exact(number, features).double }
        switch node.kind {
        case .negate: return -inexact(Int(node.left), features, constants, at: instant)
        case .add:
            return inexact(Int(node.left), features, constants, at: instant) + inexact(Int(node.right), features, constants, at: instant)
        case .subtract:
            return inexact(Int(node.left), features, constants, at: instant) - inexact(Int(node.right), features, constants, at: instant)
        case .multiply:
            return inexact(Int(node.left), features, constants, at: instant) * inexact(Int(node.right), features, constants, at: instant)
        case .divide:
            let divisor = inexact(Int(node.right), features, constants, at: instant)
            return divisor == 0 ? .nan : inexact(Int(node.left), features, constants, at: instant) / divisor
        default: return decaying(node, features, constants, at: instant)
        }
    }

    /// activity(h) = sum of 2^(-age/h); activity_trend = (activity(h0)/h0) / (activity(h1)/h1), one exponential of its own.
    func decaying(_ node: Node, _ features: Features, _ constants: RuleConstants, at instant: Int64) -> Double {
        let age = Double(instant - features.activityAt)
        if node.feature == .activity {
            if features.activity0 < 0 { return 0 }
            let halfLife = node.index == 0 ? constants.halfLife0 : constants.halfLife1
            return (node.index == 0 ? features.activity0 : features.activity1) * Exponential.exp2(-age / halfLife)
        }
        if features.activity0 < 0 { return .nan }
        return Program.trendAtReference(features, constants) * Exponential.exp2(-age * Program.trendRate(constants))
    }

    static func trendAtReference(_ features: Features, _ constants: RuleConstants) -> Double {
        (features.activity0 / constants.halfLife0) / (features.activity1 / constants.halfLife1)
    }

    /// Halvings of activity_trend per ms.
    static func trendRate(_ constants: RuleConstants) -> Double { 1 / constants.halfLife0 - 1 / constants.halfLife1 }
}
