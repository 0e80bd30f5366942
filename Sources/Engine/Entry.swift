// What is kept of a customer besides his row: orders inside the longest window, what was seen of them, and warnings.
import Model

/// 24 bytes. What `key` and `value` are depends on `kind`.
struct Entry: BitwiseCopyable {
    enum Kind: UInt8 {
        /// key: the order. value: lines less refunds, in minor units. time: the earliest line's.
        case order
        /// key: the order. value: the amount. time: the refund's own. It waits for its order.
        case pendingRefund
        /// key: order and event together. value: the order's key. time: the event's own.
        case seen
        /// key: the event. value: `click_dedup` then, ms. time: the clock when it was applied.
        case click
        /// key: the warning. time: of the last raise.
        case warning

        /// In `CustomerRow.contents`.
        @inline(__always) var content: CustomerRow.Contents { CustomerRow.Contents(rawValue: 1 << rawValue) }
    }

    struct Flags: OptionSet {
        var rawValue: UInt16

        /// Of an order: a refund named it.
        static let refunded = Flags(rawValue: 1 << firstOrderFlag)
        /// Of an order or a pending refund: a refund without an amount; nothing is left for good.
        static let wiped = Flags(rawValue: 2 << firstOrderFlag)
        /// Of a warning: an episode is open.
        static let open = Flags(rawValue: 1 << firstWarningFlag)
        /// Of an open warning: its raise was not sent, and its resolve is not to be sent either.
        static let muted = Flags(rawValue: 2 << firstWarningFlag)
    }

    // Where things stand in `timeAndFlags`.
    static let firstDayBit: UInt64 = 3
    static let firstOrderFlag: UInt64 = 5
    static let firstWarningFlag: UInt64 = 7
    static let dayDistanceBits: Int64 = 3 << firstDayBit
    static let orderFlags: Flags = [.refunded, .wiped]
    static let warningFlags: Flags = [.open, .muted]

    var key: UInt64
    /// time << 16 | flags: bits 0-2 the kind, bits 3-4 the day's distance from the UTC day plus 1.
    var timeAndFlags: Int64
    var value: Int64

    init(key: UInt64, timeAndFlags: Int64, value: Int64) {
        (self.key, self.timeAndFlags, self.value) = (key, timeAndFlags, value)
    }

    init(_ kind: Kind, key: UInt64, time: Int64, dayDistance: Int64 = 0, value: Int64, flags: Flags = []) {
        self.key = key
        self.value = value
        timeAndFlags = time << 16 | Int64(kind.rawValue) | (dayDistance + 1) << 3 | Int64(flags.rawValue)
    }

    @inline(__always) var kind: Kind { Kind(rawValue: UInt8(truncatingIfNeeded: timeAndFlags & 7)) ?? .warning }

    /// False for bytes that no entry has: a damaged snapshot.
    var isValid: Bool {
        guard let kind = Kind(rawValue: UInt8(timeAndFlags & 7)), (timeAndFlags >> 3) & 3 <= 2 else { return false }
        let possible: Flags =
            switch kind {
            case .order: Entry.orderFlags
            case .pendingRefund: .wiped
            case .seen, .click: []
            case .warning: Entry.warningFlags
            }
        return flags.isSubset(of: possible)
    }

    @inline(__always) var time: Int64 { timeAndFlags >> 16 }

    /// True for a clock whose days, and those of its longest window, an entry can have: from before 1900 to after 4000.
    static func holds(_ clock: Int64) -> Bool { PackedInstant.holds(clock) && clock < 1 << 46 }

    /// In the zone. By a division of what is not negative by a literal, for this runs for every order at every event.
    @inline(__always)
    var day: Int64 {
        let daysBefore: Int64 = 1 << 20
        let days = UInt64(bitPattern: time &+ daysBefore &* 86_400_000) / 86_400_000
        return Int64(bitPattern: days) &- daysBefore &+ ((timeAndFlags >> 3) & 3) &- 1
    }

    var flags: Flags {
        get { Flags(rawValue: UInt16(truncatingIfNeeded: timeAndFlags & 0xFFE0)) }
        set { timeAndFlags = timeAndFlags & ~0xFFE0 | Int64(newValue.rawValue) }
    }

    mutating func setTime(_ time: Int64, zone: ZoneCalendar) {
        timeAndFlags = time << 16 | timeAndFlags & 0xFFE7 | (Entry.dayDistance(time, zone) + 1) << 3
    }

    /// Day(time) in the zone less the UTC day: -1, 0 or 1.
    static func dayDistance(_ time: Int64, _ zone: ZoneCalendar) -> Int64 {
        zone.day(of: time) - CivilTime.floorDivide(time, CivilTime.millisecondsPerDay)
    }

    /// The least `timeAndFlags` of an entry whose time is on that day in UTC or later.
    static func firstOf(utcDay: Int64) -> Int64 { utcDay * CivilTime.millisecondsPerDay << 16 }

    /// Of an order: what is left of it.
    @inline(__always) var net: Int64 { flags.contains(.wiped) ? 0 : max(0, value) }

    /// Of an order: a refund names it and nothing is left.
    @inline(__always) var isWhollyRefunded: Bool { flags.contains(.refunded) && net == 0 }
}
