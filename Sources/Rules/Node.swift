// One node of a rule: what the parser makes, the checker marks and `CompiledRule` evaluates.

/// What a part of a rule is.
package enum ValueType: UInt8, BitwiseCopyable, Sendable {
    case boolean, number, money, duration, text

    package var article: String {
        switch self {
        case .boolean: "a condition"
        case .number: "a number"
        case .money: "an amount of money"
        case .duration: "a duration"
        case .text: "a text"
        }
    }
}

/// The features of docs/rules.md.
package enum Feature: UInt8, Sendable, CaseIterable {
    case orders, spend, averageOrder
    case ordersTotal, spendTotal
    case recency, idle, sinceOrder, typicalGap
    case activity, activityTrend
    case ladder

    /// True if it changes by itself with every day or ms. A window's does not: it changes when an order leaves.
    var moves: Bool {
        switch self {
        case .recency, .idle, .sinceOrder, .activity, .activityTrend: true
        case .orders, .spend, .averageOrder, .ordersTotal, .spendTotal, .typicalGap, .ladder: false
        }
    }

    /// True if a click moves it, and not only time, purchases and refunds.
    var heedsClicks: Bool {
        switch self {
        case .idle, .activity, .activityTrend: true
        case .orders, .spend, .averageOrder, .ordersTotal, .spendTotal, .recency, .sinceOrder, .typicalGap, .ladder:
            false
        }
    }

    /// True if it is a whole number whenever it is there.
    var isWhole: Bool {
        switch self {
        case .orders, .spend, .ordersTotal, .spendTotal, .recency, .idle, .sinceOrder: true
        case .averageOrder, .typicalGap, .activity, .activityTrend, .ladder: false
        }
    }

    /// Names as written in a rule; ladders go by their own names.
    static let named: [(name: String, feature: Feature, takesWindow: Bool)] = [
        ("orders", .orders, true), ("spend", .spend, true), ("average_order", .averageOrder, true),
        ("orders_total", .ordersTotal, false), ("spend_total", .spendTotal, false), ("recency", .recency, false),
        ("idle", .idle, false), ("since_order", .sinceOrder, false), ("typical_gap", .typicalGap, false),
        ("activity", .activity, true), ("activity_trend", .activityTrend, false),
    ]

    var type: ValueType {
        switch self {
        case .orders, .ordersTotal, .recency, .activity, .activityTrend: .number
        case .spend, .spendTotal, .averageOrder: .money
        case .idle, .sinceOrder, .typicalGap: .duration
        case .ladder: .text
        }
    }

    /// Bits that numerator and denominator can reach (Limits.swift bounds what they count).
    var bits: (numerator: Int, denominator: Int) {
        switch self {
        case .orders, .ordersTotal: (33, 0)
        case .spend, .spendTotal: (63, 0)
        case .averageOrder: (63, 33)
        // A clock can be set as far as the year 9999.
        case .recency: (22, 0)
        case .idle, .sinceOrder: (48, 0)
        case .typicalGap: (45, 33)
        case .activity, .activityTrend, .ladder: (0, 0)
        }
    }
}

package enum Comparison: UInt8, Sendable {
    case less, lessOrEqual, greater, greaterOrEqual, equal, notEqual

    /// The same comparison with its sides exchanged.
    var mirrored: Comparison {
        switch self {
        case .less: .greater
        case .lessOrEqual: .greaterOrEqual
        case .greater: .less
        case .greaterOrEqual: .lessOrEqual
        case .equal, .notEqual: self
        }
    }

    /// True if, of two that differ, the left side is the smaller one if this comparison holds, or does not.
    @inline(__always)
    func putsLeftBelow(if holds: Bool) -> Bool {
        switch self {
        case .less, .lessOrEqual: holds
        case .greater, .greaterOrEqual: !holds
        case .equal, .notEqual: false
        }
    }

    @inline(__always)
    func holds(_ order: Int) -> Bool {
        switch self {
        case .less: order < 0
        case .lessOrEqual: order <= 0
        case .greater: order > 0
        case .greaterOrEqual: order >= 0
        case .equal: order == 0
        case .notEqual: order != 0
        }
    }
}

package struct Node: Sendable {
    package enum Kind: UInt8, Sendable {
        // Conditions.
        case always, never, not, and, or
        case compareExact, compareInexact, compareText
        // Values.
        case constant, feature, negate, add, subtract, multiply, divide
    }

    var kind: Kind
    var type: ValueType
    /// Operands, as indexes of nodes; -1 for none. An operand comes before its operator.
    var left: Int32 = -1
    var right: Int32 = -1
    var comparison: Comparison = .equal
    var feature: Feature = .orders
    /// Index of the feature's window, half-life or ladder; of a text constant, its number in `RuleScope.texts`.
    var index: Int32 = 0
    var constant = Exact.absent
    /// True if a decaying feature is in it: then it is computed in Double.
    var isInexact = false
    /// The one moving feature below, as the index of its node; -1 if nothing in it moves but by steps.
    var mover: Int32 = -1
    /// Bit n is set if window n is in it.
    var windows: UInt32 = 0
    /// A comparison of a whole feature (`feature`, `index`) with the constant `limit`.
    var isWhole = false
    var limit: Int64 = 0
    /// A click moves a feature in it.
    var heedsClicks = false
    /// Of a condition: the larger, the later it is evaluated. What clicks move comes last.
    var cost: UInt8 = 0
    /// A literal number, which may become money.
    var isLiteral = false
    var numeratorBits = 0
    var denominatorBits = 0
    /// Memory, in limbs of 64 bits, for what may leave Int128 (WideInteger.swift); 0 where everything fits.
    var wideLimbs: Int32 = 0
    /// Where it begins in the rule's text, in bytes.
    var offset: Int32

    init(_ kind: Kind, _ type: ValueType, offset: Int) {
        self.kind = kind
        self.type = type
        self.offset = Int32(offset)
    }
}

/// Why a rule is refused: `offset` counts bytes of the rule's text from 0.
package struct RuleProblem: Error, Equatable, Sendable {
    package var offset: Int
    package var message: String

    package init(offset: Int, message: String) {
        self.offset = offset
        self.message = message
    }
}
