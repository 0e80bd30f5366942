// What a rule reads: the features of one customer at one instant, and what all rules of a version share.
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
    /// The latest day that is outside.
    package var lastDayOutside: Int64

    package init(lastDayOutside: Int64) { self.lastDayOutside = lastDayOutside }
}

/// The rules of one version share what they refer to. A class, so that a decision does not copy and count what it reads.
package final class RuleConstants: Sendable {
    package let zone: ZoneTable
    /// Days of each window, by its number.
    package let windows: [Int]
    /// ms.
    package let halfLife0: Double
    package let halfLife1: Double

    package init(zone: ZoneTable, windows: [Int], halfLives: [Int64]) {
        self.zone = zone
        self.windows = windows
        halfLife0 = Double(halfLives[0])
        halfLife1 = Double(halfLives[1])
    }
}
