// Comparisons whose numbers may leave Int128: the same evaluation and the same solving, in wide numbers (WideExact.swift).
//
// The checker marks them (`Node.wideLimbs`); all others never come here.

extension Code {
    /// A wide comparison, at `features.instant`. Its memory on the stack is not to be part of every comparison.
    @inline(never)
    func wideHolds(_ comparison: UnsafePointer<Node>, _ features: Features) -> Bool {
        withArena(comparison) { arena in
            let left = wideExact(Int(comparison.pointee.left), features, &arena)
            let right = wideExact(Int(comparison.pointee.right), features, &arena)
            if left.isAbsent || right.isAbsent { return false }
            return comparison.pointee.comparison.holds(WideExact.compare(left, right, &arena))
        }
    }

    /// An exact part of a decaying comparison.
    func double(ofExact number: Int, _ features: Features) -> Double {
        let node = pointer(number)
        if node.pointee.wideLimbs == 0 { return exact(number, features).double }
        return withArena(node) { wideExact(number, features, &$0).double }
    }

    /// A wide part, times `scale`, rounded as in Rounding.swift.
    func wideRounded(_ number: Int, scale: Int64, _ features: Features) -> Int64? {
        withArena(pointer(number)) { wideExact(number, features, &$0).rounded(scale: scale, &$0) }
    }

    /// Limbs of an arena on the stack: enough for about ten values. Only a longer rule takes memory from the heap.
    private static let stackLimbs = 512

    private func withArena<Result>(_ node: UnsafePointer<Node>, _ body: (inout WideArena) -> Result) -> Result {
        if Int(node.pointee.wideLimbs) <= Code.stackLimbs {
            return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: Code.stackLimbs) { limbs in
                var arena = WideArena(limbs)
                return body(&arena)
            }
        }
        let limbs = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: Int(node.pointee.wideLimbs))
        defer { limbs.deallocate() }
        var arena = WideArena(limbs)
        return body(&arena)
    }

    private func wideExact(_ number: Int, _ features: Features, _ arena: inout WideArena) -> WideExact {
        let node = pointer(number)
        if node.pointee.wideLimbs == 0 { return WideExact(exact(number, features), &arena) }
        let left = wideExact(Int(node.pointee.left), features, &arena)
        if node.pointee.kind == .negate { return -left }
        let right = wideExact(Int(node.pointee.right), features, &arena)
        switch node.pointee.kind {
        case .add: return .sum(left, right, &arena)
        case .subtract: return .sum(left, -right, &arena)
        case .multiply: return .product(left, right, &arena)
        case .divide: return .quotient(left, right, &arena)
        default: preconditionFailure("no arithmetic")
        }
    }

    /// `crossing` of a wide comparison: solved for its moving feature, from the outside to the inside.
    func wideCrossing(
        _ comparison: UnsafePointer<Node>, _ features: Features, _ constants: RuleConstants
    ) -> Int64 {
        withArena(comparison) { arena in
            var target = wideExact(Int(comparison.pointee.right), features, &arena)
            var operation = comparison.pointee.comparison
            var at = nodes[Int(comparison.pointee.left)]
            while at.kind != .feature {
                if at.kind == .negate {
                    target = -target
                    operation = operation.mirrored
                    at = nodes[Int(at.left)]
                    continue
                }
                let inLeft = nodes[Int(at.left)].mover >= 0
                let other = wideExact(Int(inLeft ? at.right : at.left), features, &arena)
                // What is absent, or is multiplied by 0, stays as it is.
                if other.isAbsent { return .max }
                switch at.kind {
                case .add: target = .sum(target, -other, &arena)
                case .subtract:
                    target = .sum(inLeft ? target : -target, other, &arena)
                    if !inLeft { operation = operation.mirrored }
                case .multiply, .divide:
                    if other.numerator.isZero { return .max }
                    target = at.kind == .multiply ? .quotient(target, other, &arena) : .product(target, other, &arena)
                    if other.numerator.isNegative { operation = operation.mirrored }
                default: preconditionFailure("no arithmetic")
                }
                at = nodes[Int(inLeft ? at.left : at.right)]
            }
            if target.isAbsent { return .max }
            let (floor, ceiling) = target.floorAndCeiling(arena)
            return crossing(
                at.feature, reaches: Int64(clamping: ceiling), passes: Int64(clamping: floor + 1), operation, features,
                constants)
        }
    }
}
