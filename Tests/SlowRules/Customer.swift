// A customer as plain lists, and what rules see of him computed the slow, obvious way.
import Foundation
import Model
import Rules

package struct Customer {
    package struct Order {
        package var time: Int64
        /// Minor units.
        package var amount: Int64

        package init(time: Int64, amount: Int64) {
            self.time = time
            self.amount = amount
        }
    }

    package var zone: ZoneTable
    package var orders: [Order] = []
    /// Instants at which his clicks count.
    package var clicks: [Int64] = []
    package var lastEvent: Int64 = 0
    /// Text of the rung of the ladder `tier`.
    package var tier = "ordinary"

    package init(zone: ZoneTable) { self.zone = zone }

    package func inside(_ days: Int, at instant: Int64) -> [Order] {
        orders.filter { zone.day(of: instant) - zone.day(of: $0.time) < Int64(days) }
    }

    package var first: Int64? { orders.map(\.time).min() }
    package var last: Int64? { orders.map(\.time).max() }

    /// Sum of 2^(-age/h).
    package func activity(_ halfLife: Int64, at instant: Int64) -> Double {
        clicks.reduce(0) { $0 + pow(2, -Double(instant - $1) / Double(halfLife)) }
    }

    /// The first later instant at which Day differs, found by walking.
    private func dayEnd(after instant: Int64) -> Int64 {
        let day = zone.day(of: instant)
        // All of the test's zones change on whole minutes.
        let minute: Int64 = 60_000
        var at = (CivilTime.floorDivide(instant, minute) + 1) * minute
        while zone.day(of: at) == day { at += minute }
        return at
    }

    /// Fills what the engine would fill.
    package func withFeatures(at instant: Int64, scope: RuleScope, _ body: (Features, RuleConstants) -> Void) {
        let windows = UnsafeMutablePointer<WindowValues>.allocate(capacity: Limits.windows)
        windows.initialize(repeating: WindowValues(lastDayOutside: .max), count: Limits.windows)
        let texts = UnsafeMutablePointer<Int32>.allocate(capacity: Limits.ladders)
        texts.initialize(repeating: Int32(scope.texts.firstIndex(of: tier) ?? -1), count: Limits.ladders)
        defer {
            windows.deallocate()
            texts.deallocate()
        }
        for (number, days) in scope.windows.enumerated() {
            let inside = inside(days, at: instant)
            windows[number].orders = Int64(inside.count)
            windows[number].spend = inside.reduce(0) { $0 + $1.amount }
            windows[number].oldestDay = inside.map { zone.day(of: $0.time) }.min() ?? .max
        }
        let end = dayEnd(after: instant)
        var features = Features(
            instant: instant, day: zone.day(of: instant), dayEnds: end,
            dayGoesBack: zone.day(of: end) < zone.day(of: instant),
            windows: windows, ladderTexts: texts)
        features.ordersTotal = Int64(orders.count)
        features.spendTotal = orders.reduce(0) { $0 + $1.amount }
        features.firstOrder = first ?? 0
        features.lastOrder = last ?? 0
        features.lastOrderDay = last.map { zone.day(of: $0) } ?? 0
        features.lastEvent = lastEvent
        if let reference = clicks.max() {
            features.activityAt = reference
            features.activity0 = activity(scope.halfLives[0], at: reference)
            features.activity1 = activity(scope.halfLives[1], at: reference)
        }
        let shared = SharedConstants(zone: zone, windows: scope.windows, halfLives: scope.halfLives)
        withExtendedLifetime(shared) { body(features, shared.constants) }
    }
}
