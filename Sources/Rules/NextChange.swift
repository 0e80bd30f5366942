// For every rule the next instant at which it can change if nothing happens: what makes silence an event.
import Model

/// What a rule says, and how long it surely says so if no purchase or refund comes.
package struct Outlook {
    package var holds: Bool
    /// A lower bound, later than the instant asked about, of the first instant at which the rule does not hold as it holds now;
    /// Int64.max if it stays as it is. Exact for one comparison of a moving feature; a comparison of windows answers with the next
    /// order that leaves.
    package var until: Int64
    /// A click may change it sooner. False: whatever clicks come in their turn (`Engine.countClick`), it stays as it is until then.
    package var heedsClicks: Bool
}

extension Code {
    /// What the rule says at `features.instant`, and until when it goes on saying so.
    package func outlook(_ features: Features, _ constants: RuleConstants) -> Outlook {
        outlook(root, features, constants)
    }

    private func outlook(_ number: Int, _ features: Features, _ constants: RuleConstants) -> Outlook {
        let node = pointer(number)
        switch node.pointee.kind {
        case .always, .never: return Outlook(holds: node.pointee.kind == .always, until: .max, heedsClicks: false)
        case .not:
            var inner = outlook(Int(node.pointee.left), features, constants)
            inner.holds.toggle()
            return inner
        case .and, .or:
            // What costs less comes first: it may decide alone.
            let isLeftFirst =
                pointer(Int(node.pointee.left)).pointee.cost <= pointer(Int(node.pointee.right)).pointee.cost
            let first = Int(isLeftFirst ? node.pointee.left : node.pointee.right)
            let second = Int(isLeftFirst ? node.pointee.right : node.pointee.left)
            // `decisive` is the value of one side that decides alone. As long as a decisive side keeps it, nothing changes.
            let decisive = node.pointee.kind == .or
            let one = outlook(first, features, constants)
            // If the other is one that clicks move, the rule is looked at again when this side changes, which is no later than the rule
            // can, and until then no click has a bearing on it.
            if one.holds == decisive && (one.until == .max || pointer(second).pointee.heedsClicks) { return one }
            if one.holds == decisive && lasts(first, longerThan: second) { return one }
            let other = outlook(second, features, constants)
            switch (one.holds == decisive, other.holds == decisive) {
            // Two decisive sides hold out until the later of their changes.
            case (true, true):
                return Outlook(
                    holds: decisive, until: max(one.until, other.until),
                    heedsClicks: one.heedsClicks || other.heedsClicks)
            case (true, false): return one
            case (false, true): return other
            case (false, false):
                return Outlook(
                    holds: !decisive, until: min(one.until, other.until),
                    heedsClicks: one.heedsClicks || other.heedsClicks)
            }
        case .compareText:
            return Outlook(holds: holds(number, features, constants), until: .max, heedsClicks: false)
        case .compareExact, .compareInexact:
            return node.pointee.isWhole
                ? wholeOutlook(node, features, constants) : comparisonOutlook(node, features, constants)
        default: preconditionFailure("a value is no condition")
        }
    }

    /// True if it is plain without looking: one comparison changes only when an order leaves its windows, and the other then changes too, or
    /// may before.
    @inline(__always)
    private func lasts(_ number: Int, longerThan other: Int) -> Bool {
        let node = pointer(number)
        let (windows, others) = (node.pointee.windows, pointer(other).pointee.windows)
        return node.pointee.kind == .compareExact && pointer(other).pointee.kind == .compareExact
            && node.pointee.mover < 0 && windows != 0 && windows & ~others == 0
    }

    private func wholeOutlook(
        _ node: UnsafePointer<Node>, _ features: Features, _ constants: RuleConstants
    ) -> Outlook {
        var outlook = Outlook(holds: false, until: .max, heedsClicks: node.pointee.heedsClicks)
        if node.pointee.windows != 0 {
            outlook.until = nextWindowChange(node.pointee.windows, features, constants)
        } else if node.pointee.mover >= 0 {
            let limit = node.pointee.limit
            outlook.until = crossing(
                node.pointee.feature, reaches: limit, passes: limit == .max ? .max : limit + 1, node.pointee.comparison,
                features, constants)
        }
        if let value = wholeValue(of: node, features) { outlook.holds = wholeHolds(node, value) }
        // A click makes `idle` 0: what it is still too small for, a click puts off.
        if node.pointee.feature == .idle && node.pointee.comparison.putsLeftBelow(if: outlook.holds) {
            outlook.heedsClicks = false
        }
        return outlook
    }

    private func comparisonOutlook(
        _ node: UnsafePointer<Node>, _ features: Features, _ constants: RuleConstants
    ) -> Outlook {
        var at = node.pointee.windows == 0 ? Int64.max : nextWindowChange(node.pointee.windows, features, constants)
        if node.pointee.mover >= 0 { at = min(at, crossing(node, features, constants)) }
        let holds = comparisonHolds(node, features, constants)
        return Outlook(
            holds: holds, until: at, heedsClicks: areClicksToBeHeeded(node, holds, features, constants))
    }

    /// A click that comes in its turn raises a decaying feature, now and for all time to come: `activity` by what it counts, and
    /// `activity_trend` because that is the mean of what all clicks give, and none gives more than the latest. So as long as such a feature
    /// itself is above what it is compared with, a click only puts off when it comes down, and need not be heeded.
    @inline(__always)
    private func areClicksToBeHeeded(
        _ comparison: UnsafePointer<Node>, _ holds: Bool, _ features: Features, _ constants: RuleConstants
    ) -> Bool {
        let isPutOff =
            comparison.pointee.kind == .compareInexact && features.activity0 >= 0
            && pointer(Int(comparison.pointee.left)).pointee.kind == .feature
            && !comparison.pointee.comparison.putsLeftBelow(if: holds)
            && inexact(Int(comparison.pointee.right), features, constants, at: features.instant) > 0
        return comparison.pointee.heedsClicks && !isPutOff
    }

    /// When the next order leaves one of the windows.
    private func nextWindowChange(_ windows: UInt32, _ features: Features, _ constants: RuleConstants) -> Int64 {
        if features.dayGoesBack && features.ordersTotal > 0 { return features.dayEnds }
        var (next, rest) = (Int64.max, windows)
        while rest != 0 {
            let window = rest.trailingZeroBitCount
            rest &= rest - 1
            // Rules ask about the same few windows.
            if features.windows[window].oldestLeaves == .min {
                let oldest = features.windows[window].oldestDay
                let leaves =
                    oldest == .max
                    ? nil
                    : constants.zone.nextChange(
                        reaching: oldest + Int64(constants.windows[window]), after: features.instant)
                features.windows[window].oldestLeaves = leaves ?? .max
            }
            next = min(next, features.windows[window].oldestLeaves)
        }
        return next
    }

    private func crossing(
        _ comparison: UnsafePointer<Node>, _ features: Features, _ constants: RuleConstants
    ) -> Int64 {
        if comparison.pointee.kind == .compareInexact { return decayCrossing(comparison, features, constants) }
        if comparison.pointee.wideLimbs > 0 { return wideCrossing(comparison, features, constants) }
        // Solved for its moving feature: what is done to that is undone, from the outside to the inside. WideEvaluation.swift does the same in
        // wide numbers, and `solvesNarrow` (Checker.swift) counts its bits: the three change together.
        var target = exact(Int(comparison.pointee.right), features)
        var operation = comparison.pointee.comparison
        var at = pointer(Int(comparison.pointee.left))
        while at.pointee.kind != .feature {
            if target.isAbsent { return .max }
            if at.pointee.kind == .negate {
                target = -target
                operation = operation.mirrored
                at = pointer(Int(at.pointee.left))
                continue
            }
            let inLeft = pointer(Int(at.pointee.left)).pointee.mover >= 0
            let other = exact(Int(inLeft ? at.pointee.right : at.pointee.left), features)
            if other.isAbsent { return .max }
            switch at.pointee.kind {
            case .add: target = target - other
            case .subtract:
                target = inLeft ? target + other : other - target
                if !inLeft { operation = operation.mirrored }
            case .multiply, .divide:
                if other.numerator == 0 { return .max }
                target = at.pointee.kind == .multiply ? target / other : target * other
                if other.numerator < 0 { operation = operation.mirrored }
            default: preconditionFailure("no arithmetic")
            }
            at = pointer(Int(inLeft ? at.pointee.left : at.pointee.right))
        }
        if target.isAbsent { return .max }
        let whole = target.floorAndCeiling
        // `<` and `>=` change at the first step that reaches the target, `<=` and `>` at the first beyond it, `==` at both.
        return crossing(
            at.pointee.feature, reaches: Int64(clamping: whole.ceiling), passes: Int64(clamping: whole.floor + 1),
            operation, features, constants)
    }

    /// When a feature that grows by whole steps (days or ms) next passes a value at which `operation` changes: `reaches` is the first step
    /// at the value or beyond it, `passes` the first beyond it. Both are clamped to what an Int64 holds, which is beyond the horizon.
    func crossing(
        _ feature: Feature, reaches: Int64, passes: Int64, _ operation: Comparison, _ features: Features,
        _ constants: RuleConstants
    ) -> Int64 {
        if feature != .idle && features.ordersTotal == 0 { return .max }
        let now: Int64
        switch feature {
        case .recency: now = features.recency
        case .idle: now = max(0, features.instant - features.lastEvent)
        default: now = max(0, features.instant - features.lastOrder)
        }
        var step = Int64.max
        switch operation {
        case .less, .greaterOrEqual: if reaches > now { step = reaches }
        case .lessOrEqual, .greater: if passes > now { step = passes }
        // Between two steps nothing is equal.
        case .equal, .notEqual: if reaches < passes { step = reaches > now ? reaches : passes > now ? passes : .max }
        }
        var next = Int64.max
        // What lies two thousand years ahead has no deadline: no wheel holds it. Steps of recency are days, the others ms.
        let horizon: Int64 = feature == .recency ? (1 << 46) / 86_400_000 : 1 << 46
        if step < horizon {
            switch feature {
            case .recency:
                next =
                    constants.zone.nextChange(reaching: features.lastOrderDay + step, after: features.instant) ?? .max
            case .idle: next = features.lastEvent + step
            default: next = features.lastOrder + step
            }
        }
        if feature == .recency && features.dayGoesBack { next = min(next, features.dayEnds) }
        return next
    }

    /// When a decaying feature crosses: the closed form finds the place, the comparison itself the millisecond.
    private func decayCrossing(
        _ comparison: UnsafePointer<Node>, _ features: Features, _ constants: RuleConstants
    ) -> Int64 {
        if features.activity0 < 0 { return .max }
        var target = inexact(Int(comparison.pointee.right), features, constants, at: features.instant)
        var at = pointer(Int(comparison.pointee.left))
        while at.pointee.kind != .feature {
            if at.pointee.kind == .negate {
                target = -target
                at = pointer(Int(at.pointee.left))
                continue
            }
            let inLeft = pointer(Int(at.pointee.left)).pointee.mover >= 0
            let other = double(ofExact: Int(inLeft ? at.pointee.right : at.pointee.left), features)
            switch at.pointee.kind {
            case .add: target -= other
            case .subtract: target = inLeft ? target + other : other - target
            case .multiply: target /= other
            case .divide: target *= other
            default: preconditionFailure("no arithmetic")
            }
            at = pointer(Int(inLeft ? at.pointee.left : at.pointee.right))
        }
        let value: Double
        let halvingsPerMillisecond: Double
        if at.pointee.feature == .activity {
            value = at.pointee.index == 0 ? features.activity0 : features.activity1
            halvingsPerMillisecond = 1 / (at.pointee.index == 0 ? constants.halfLife0 : constants.halfLife1)
        } else {
            value = Code.trendAtReference(features, constants)
            halvingsPerMillisecond = Code.trendRate(constants)
        }
        let estimate = target > 0 && value > 0 ? Exponential.log2(value / target) / halvingsPerMillisecond : 0
        return flip(of: comparison, near: estimate, features, constants)
    }

    /// The first ms at which a decaying comparison holds otherwise than now; `estimate` is ms after the reference instant.
    ///
    /// The comparison itself decides, and its rounding: next to a large number a decaying one stands still for many ms.
    private func flip(
        of comparison: UnsafePointer<Node>, near estimate: Double, _ features: Features, _ constants: RuleConstants
    ) -> Int64 {
        let now = features.instant
        let holdsNow = inexactHolds(comparison, features, constants, at: now)
        func hasFlipped(_ instant: Int64) -> Bool {
            inexactHolds(comparison, features, constants, at: instant) != holdsNow
        }
        // A decaying value falls all its life, so the comparison flips once at most: it has, if it is as it will be in the end.
        let end = max(now, features.activityAt) + 100_000_000_000_000
        guard hasFlipped(end) else { return .max }
        let guess = estimate.isFinite ? min(max(estimate, 0), 1e14) : 0
        var after = min(max(features.activityAt + Int64(guess), now + 1), end)
        var before = now
        var step: Int64 = 1
        if hasFlipped(after) {
            while after - step > now && hasFlipped(after - step) {
                after -= step
                step *= 2
            }
            before = max(now, after - step)
        } else {
            while !hasFlipped(after) {
                before = after
                after = min(end, after + step)
                step *= 2
            }
        }
        while after - before > 1 {
            let middle = before + (after - before) / 2
            if hasFlipped(middle) { after = middle } else { before = middle }
        }
        return after
    }
}
