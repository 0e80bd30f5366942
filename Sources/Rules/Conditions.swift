// The comparisons of a rule one by one: what a customer has, what it is compared with, and whether it holds.
import Model

/// One comparison of a rule, as nodes; valid as long as the rule.
package struct Condition: BitwiseCopyable, Sendable {
    /// The type of both sides.
    package let unit: ValueType
    private let node: Int32
    private let value: Int32
    private let threshold: Int32

    /// The value is the left side as it is written, but where the right one alone depends on the customer.
    init(_ comparison: Int32, _ nodes: [Node]) {
        let node = nodes[Int(comparison)]
        // The checker may have exchanged the sides. A left one stands, with all that is in it, before the operator.
        let isExchanged = nodes[Int(node.left)].offset > node.offset
        let (left, right) = isExchanged ? (node.right, node.left) : (node.left, node.right)
        let isTurned = Condition.isFixed(left, nodes) && !Condition.isFixed(right, nodes)
        self.node = comparison
        (value, threshold) = isTurned ? (right, left) : (left, right)
        unit = nodes[Int(left)].type
    }

    /// No customer has another value.
    private static func isFixed(_ number: Int32, _ nodes: [Node]) -> Bool {
        let node = nodes[Int(number)]
        return node.kind != .feature && [node.left, node.right].allSatisfy { $0 < 0 || isFixed($0, nodes) }
    }

    /// A number is told in millionths; money and durations are whole minor units and ms already.
    private static let numberScale: Int64 = 1_000_000

    /// As it is at `features.instant`.
    package func measure(_ code: Code, _ features: Features, _ constants: RuleConstants) -> EffectCondition {
        let holds = code.holds(Int(node), features, constants)
        if unit == .text {
            return EffectCondition(
                holds: holds, value: Int64(code.text(Int(value), features)),
                threshold: Int64(code.text(Int(threshold), features)))
        }
        let scale = unit == .number ? Condition.numberScale : 1
        return EffectCondition(
            holds: holds, value: code.rounded(Int(value), scale: scale, features, constants),
            threshold: code.rounded(Int(threshold), scale: scale, features, constants))
    }
}

extension Code {
    fileprivate func rounded(_ number: Int, scale: Int64, _ features: Features, _ constants: RuleConstants) -> Int64? {
        let node = pointer(number)
        if node.pointee.isInexact {
            return Exact(of: inexact(number, features, constants, at: features.instant)).rounded(scale: scale)
        }
        if node.pointee.wideLimbs > 0 { return wideRounded(number, scale: scale, features) }
        return exact(number, features).rounded(scale: scale)
    }
}
