// One customer: the fixed part of his state, in one cache line.

struct CustomerRow: BitwiseCopyable {
    /// Of `rungs`: not decided yet.
    static let noRung: UInt8 = 255
    /// Of `due`: nothing changes by itself.
    static let never = Int64.max
    /// Of `queued`: he is in the set of those who are due.
    static let isDue = Int64.min

    /// The id if it has at most 16 bytes (zero padded); else `id0` is its place among the long ids.
    var id0: UInt64
    var id1: UInt64
    // An instant takes six bytes; what shares its eight stands behind it.
    private var packedDue: PackedInstant
    var entryCount: UInt16
    private var packedQueued: PackedInstant
    /// Order of the block of entries (EntryStore); valid if `entryCount` > 0, or while they are open.
    var entryOrder: UInt8
    var idLength: UInt8
    private var packedFirstSeen: PackedInstant
    /// The version that decided last, by its number in the shard modulo 256.
    var version: UInt8
    var contents: Contents
    private var packedLastEvent: PackedInstant
    /// No click in its turn (`Engine.countClick`) can change a decision about him before `due`.
    var ignoresClicks: Bool
    /// From which packed entries count their times (PackedEntry); valid if they are packed.
    var entryEpoch: UInt8
    /// Their block, or that they are open (EntryStore); valid if `entryCount` > 0, or while they are open.
    var entries: UInt32
    var rungs: (UInt8, UInt8, UInt8, UInt8)
    /// His neighbours in a slot of the wheel; valid if `queued` is an instant.
    var next: UInt32
    var previous: UInt32

    /// What there may be of him besides the row (an entry is of no kind that is not in it), and how his entries lie. No part of the
    /// state: it follows from the rest.
    struct Contents: OptionSet {
        var rawValue: UInt8

        static let orders = Contents(rawValue: 1 << 0)
        static let pendingRefunds = Contents(rawValue: 1 << 1)
        static let seen = Contents(rawValue: 1 << 2)
        static let clicks = Contents(rawValue: 1 << 3)
        static let warnings = Contents(rawValue: 1 << 4)
        /// He clicked once (Activity).
        static let activity = Contents(rawValue: 1 << 5)
        /// Orders of his left the longest window (AgedOrders).
        static let aged = Contents(rawValue: 1 << 6)

        /// His entries lie packed (PackedEntry).
        static let packed = Contents(rawValue: 1 << 7)

        static let entries: Contents = [.orders, .pendingRefunds, .seen, .clicks, .warnings]
    }

    /// When something next changes by itself, ms; what the wheel knows may be earlier.
    @inline(__always)
    var due: Int64 {
        get { packedDue.deadline }
        set { packedDue = PackedInstant(deadline: newValue) }
    }

    @inline(__always)
    var queued: Int64 {
        get { packedQueued.deadline }
        set { packedQueued = PackedInstant(deadline: newValue) }
    }

    /// ms.
    @inline(__always)
    var firstSeen: Int64 {
        get { packedFirstSeen.instant }
        set { packedFirstSeen = PackedInstant(newValue) }
    }

    @inline(__always)
    var lastEvent: Int64 {
        get { packedLastEvent.instant }
        set { packedLastEvent = PackedInstant(newValue) }
    }

    @inline(__always)
    func rung(_ ladder: Int) -> UInt8 {
        switch ladder {
        case 0: rungs.0
        case 1: rungs.1
        case 2: rungs.2
        default: rungs.3
        }
    }

    @inline(__always)
    mutating func setRung(_ ladder: Int, _ rung: UInt8) {
        switch ladder {
        case 0: rungs.0 = rung
        case 1: rungs.1 = rung
        case 2: rungs.2 = rung
        default: rungs.3 = rung
        }
    }
}

/// A customer's clicks, decayed: both sums are as of the latest one.
struct Activity: BitwiseCopyable {
    var sum0: Double
    var sum1: Double
    /// ms.
    var at: Int64
}

/// A customer's orders that left the longest window.
struct AgedOrders: BitwiseCopyable {
    /// Minor units.
    var net: Int64
    /// Times of the first and the last of them, ms.
    var first: Int64
    var last: Int64
    var count: UInt32
}

/// An instant in six bytes: ms since 1691, up to the year 10611.
struct PackedInstant: BitwiseCopyable {
    /// Instants are counted from here, so that all that a record may name are positive; ms.
    static let origin: Int64 = -(1 << 43)
    private static let last: Int64 = 1 << 48 - 1

    private var low: UInt32
    private var high: UInt16

    /// True for an instant that is neither of the two that stand for `CustomerRow.never` and `CustomerRow.isDue`.
    @inline(__always)
    static func holds(_ instant: Int64) -> Bool { instant > origin && instant < origin + last }

    @inline(__always)
    private init(offset: Int64) {
        low = UInt32(truncatingIfNeeded: offset)
        high = UInt16(truncatingIfNeeded: offset >> 32)
    }

    @inline(__always) private var offset: Int64 { Int64(high) << 32 | Int64(low) }

    @inline(__always)
    init(_ instant: Int64) { self.init(offset: instant &- PackedInstant.origin) }

    @inline(__always) var instant: Int64 { offset &+ PackedInstant.origin }

    @inline(__always)
    init(deadline: Int64) {
        switch deadline {
        case CustomerRow.never: self.init(offset: PackedInstant.last)
        case CustomerRow.isDue: self.init(offset: 0)
        default: self.init(deadline)
        }
    }

    @inline(__always)
    var deadline: Int64 {
        switch offset {
        case PackedInstant.last: CustomerRow.never
        case 0: CustomerRow.isDue
        default: instant
        }
    }
}
