// An entry in 16 bytes, as most of them are: an order or a warning of some recent year, of no very large amount.
import Model

/// What it does not hold is kept as an `Entry`. Times are counted from an instant that all entries of a block share, its epoch.
struct PackedEntry: BitwiseCopyable {
    /// From one epoch to the next, as a power of two: 2^34 ms are half a year.
    private static let epochShift: Int64 = 34
    // Of `rest`, from the lowest bit on: the time, the day's distance, what it is, the value.
    private static let timeBits: UInt64 = 36
    private static let dayBits: UInt64 = 2
    private static let whatBits: UInt64 = 3
    private static let valueBits: UInt64 = 64 - timeBits - dayBits - whatBits

    /// In bit 2 of what it is; the two below are its flags.
    private static let warning: UInt64 = 4
    /// The day's distance that none has.
    private static let noDay: UInt64 = 3

    private var key: UInt64
    private var rest: UInt64

    /// The epoch from which all of them can be packed; nil if one cannot be, or if they lie more than one and a half years apart.
    static func epoch(of entries: UnsafeMutableBufferPointer<Entry>) -> UInt8? {
        var (first, last) = (Int64.max, Int64.min)
        var (values, others): (UInt64, Int64) = (0, 0)
        for entry in entries {
            first = min(first, entry.timeAndFlags)
            last = max(last, entry.timeAndFlags)
            values |= UInt64(bitPattern: entry.value)
            others |= entry.timeAndFlags & ~packedBits(isWarning: entry.kind == .warning)
        }
        let epoch = (first >> 16) >> epochShift
        guard others == 0, values >> valueBits == 0, epoch >= 0, epoch <= UInt8.max,
            last >> 16 - epoch << epochShift < 1 << Int64(timeBits)
        else { return nil }
        return UInt8(epoch)
    }

    /// Of `timeAndFlags`: all that is packed of an order, or of a warning.
    @inline(__always)
    private static func packedBits(isWarning: Bool) -> Int64 {
        let flags = isWarning ? Entry.warningFlags : Entry.orderFlags
        let kind = isWarning ? Int64(Entry.Kind.warning.rawValue) : Int64(Entry.Kind.order.rawValue)
        return ~0xFFFF | Entry.dayDistanceBits | Int64(flags.rawValue) | kind
    }

    /// Of an entry for which there is this epoch.
    @inline(__always)
    init(_ entry: Entry, epoch: UInt8) {
        let bits = UInt64(bitPattern: entry.timeAndFlags & 0xFFFF)
        let isWarning = entry.kind == .warning
        let flags = bits >> (isWarning ? Entry.firstWarningFlag : Entry.firstOrderFlag) & 3
        let what = isWarning ? flags | PackedEntry.warning : flags
        key = entry.key
        rest =
            UInt64(bitPattern: entry.time - Int64(epoch) << PackedEntry.epochShift)
            | (bits >> Entry.firstDayBit & 3) << PackedEntry.timeBits
            | what << (PackedEntry.timeBits + PackedEntry.dayBits)
            | UInt64(bitPattern: entry.value) << (64 - PackedEntry.valueBits)
    }

    @inline(__always)
    func entry(epoch: UInt8) -> Entry {
        let time = Int64(epoch) << PackedEntry.epochShift + Int64(rest & (1 << PackedEntry.timeBits - 1))
        let day = rest >> PackedEntry.timeBits & 3
        let what = rest >> (PackedEntry.timeBits + PackedEntry.dayBits)
        let isWarning = what & PackedEntry.warning != 0
        let flags = what & 3
        let bits =
            day << Entry.firstDayBit
            | (isWarning
                ? flags << Entry.firstWarningFlag | UInt64(Entry.Kind.warning.rawValue) : flags << Entry.firstOrderFlag)
        return Entry(
            key: key, timeAndFlags: time << 16 | Int64(bits),
            value: Int64(rest >> (64 - PackedEntry.valueBits)))
    }

    /// What such entries of a snapshot are, and the sum of what is in them of orders, in minor units; nil if they are not as they are packed:
    /// there is at least one, and the first in time is less than an epoch behind the epoch.
    static func check(_ bytes: UnsafeRawBufferPointer) -> (contents: CustomerRow.Contents, sum: UInt64)? {
        var contents: CustomerRow.Contents = []
        var sum: UInt64 = 0
        var isInEpoch = false
        for offset in stride(from: 0, to: bytes.count, by: MemoryLayout<PackedEntry>.stride) {
            let rest = bytes.loadUnaligned(fromByteOffset: offset, as: PackedEntry.self).rest
            if rest >> timeBits & noDay == noDay { return nil }
            if rest & (1 << timeBits - 1) < 1 << UInt64(epochShift) { isInEpoch = true }
            if rest >> (timeBits + dayBits) & warning != 0 {
                contents.insert(.warnings)
                if rest >> (64 - valueBits) != 0 { return nil }
            } else {
                contents.insert(.orders)
                sum += rest >> (64 - valueBits)
            }
        }
        return isInEpoch ? (contents, sum) : nil
    }
}
