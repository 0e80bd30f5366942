// One customer: the fixed part of his state.

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
    /// When something next changes by itself, ms; what the wheel knows may be earlier.
    var due: Int64
    var queued: Int64
    var entries: UInt32
    var entryCount: UInt16
    /// Order of the block of entries (EntryStore); valid if `entryCount` > 0.
    var entryOrder: UInt8
    var idLength: UInt8
    /// ms.
    var firstSeen: Int64
    var lastEvent: Int64
    /// Orders that left the longest window: net sum (minor units), first and last time (ms), number.
    var agedNet: Int64
    var agedFirst: Int64
    var agedLast: Int64
    /// Decayed clicks at `activityAt`; `activity0` is negative if there never was a click.
    var activity0: Double
    var activity1: Double
    var activityAt: Int64
    var agedCount: UInt32
    var rungs: (UInt8, UInt8, UInt8, UInt8)
    /// The version that decided last, by its number in the shard modulo 256.
    var version: UInt8
    /// No click can change a decision about him before `due`.
    var ignoresClicks: Bool
    /// No entry is of a kind whose bit is not set; not kept in snapshots.
    var entryKinds: UInt8

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
