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
    /// When the oldest leaves, ms; .min until it was asked for (NextChange.swift).
    var oldestLeaves: Int64 = .min

    package init(lastDayOutside: Int64) { self.lastDayOutside = lastDayOutside }
}

/// What the rules of one version share. Owned here; read by `constants`.
package final class SharedConstants: Sendable {
    package let zone: ZoneTable
    /// Days of each window, by its number.
    package let windows: [Int]
    package let constants: RuleConstants

    /// Half-lives in ms, two of them.
    package init(zone: ZoneTable, windows: [Int], halfLives: [Int64]) {
        self.zone = zone
        self.windows = windows
        constants = RuleConstants(zone: zone.calendar, windows: windows, halfLives: halfLives)
    }

    deinit { constants.deallocate() }
}

/// The same as plain memory, which no reference is counted for; valid as long as its `SharedConstants`.
package struct RuleConstants: BitwiseCopyable, @unchecked Sendable {
    private struct Values: BitwiseCopyable {
        var zone: ZoneCalendar
        var windows: UnsafeMutableBufferPointer<Int>
        var halfLife0: Double
        var halfLife1: Double
    }

    private let values: UnsafeMutablePointer<Values>

    fileprivate init(zone: ZoneCalendar, windows: [Int], halfLives: [Int64]) {
        let days = UnsafeMutableBufferPointer<Int>.allocate(capacity: windows.count)
        _ = days.initialize(from: windows)
        values = .allocate(capacity: 1)
        values.initialize(
            to: Values(zone: zone, windows: days, halfLife0: Double(halfLives[0]), halfLife1: Double(halfLives[1])))
    }

    fileprivate func deallocate() {
        values.pointee.windows.deallocate()
        values.deallocate()
    }

    @inline(__always) package var zone: ZoneCalendar { values.pointee.zone }
    /// Days of each window, by its number.
    @inline(__always) package var windows: UnsafeMutableBufferPointer<Int> { values.pointee.windows }
    /// ms.
    @inline(__always) package var halfLife0: Double { values.pointee.halfLife0 }
    @inline(__always) package var halfLife1: Double { values.pointee.halfLife1 }
}
