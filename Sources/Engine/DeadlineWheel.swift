// Every customer's next deadline, in a hierarchical timing wheel: O(1) to set and to fire.
import CMemory

/// Eight levels of 64 slots cover 2^48 ms. A customer is filed under `row.queued`, which is never later than his `row.due`: a
/// deadline that moves away leaves him where he is, and he is filed anew when that slot comes up. So an event seldom touches the
/// wheel. The customers of a slot are linked through their rows. Which slot a customer is in, and the order inside it, never show: who is due is a question of `row.due` alone.
struct DeadlineWheel {
    private static let levels = 8
    private static let none = UInt32.max
    /// Of `previous`: the lower bits are a slot, of which this customer is the first.
    private static let isFirst: UInt32 = 0x8000_0000

    private let heads: UnsafeMutablePointer<UInt32>
    /// Bit s of word l: slot s of level l is not empty.
    private var occupied: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
    /// Everything before this instant was collected; ms since `PackedInstant.origin`.
    private var now: Int64 = 0
    private(set) var due = OrdinalSet()

    init() {
        heads = .allocate(capacity: DeadlineWheel.levels * 64)
        heads.initialize(repeating: DeadlineWheel.none, count: DeadlineWheel.levels * 64)
    }

    func deallocate() {
        heads.deallocate()
        due.deallocate()
    }

    mutating func grow(toHold customers: Int) { due.grow(toHold: customers) }

    private func word(_ level: Int) -> UInt64 {
        withUnsafeBytes(of: occupied) { $0.load(fromByteOffset: level * 8, as: UInt64.self) }
    }

    private mutating func setWord(_ level: Int, _ value: UInt64) {
        withUnsafeMutableBytes(of: &occupied) { $0.storeBytes(of: value, toByteOffset: level * 8, as: UInt64.self) }
    }

    /// Files a customer who is not filed, by `row.due`.
    @inline(__always)
    mutating func file(_ ordinal: Int, _ rows: SegmentedArray<CustomerRow>) { file(ordinal, rows, dueUpTo: now) }

    /// `target`: who is due by then is filed as due at once, and not on the way down through the levels.
    @inline(__always)
    private mutating func file(_ ordinal: Int, _ rows: SegmentedArray<CustomerRow>, dueUpTo target: Int64) {
        let row = rows.pointer(ordinal)
        let instant = row.pointee.due
        if instant == CustomerRow.never {
            row.pointee.queued = CustomerRow.never
            return
        }
        let at = instant - PackedInstant.origin
        if at <= target {
            row.pointee.queued = CustomerRow.isDue
            due.insert(ordinal)
            return
        }
        precondition(PackedInstant.holds(instant), "a deadline lies beyond the wheel")
        row.pointee.queued = instant
        let slot = DeadlineWheel.slot(of: at, from: now)
        let head = heads[slot]
        (row.pointee.next, row.pointee.previous) = (head, DeadlineWheel.isFirst | UInt32(slot))
        if head != DeadlineWheel.none { rows.pointer(Int(head)).pointee.previous = UInt32(ordinal) }
        heads[slot] = UInt32(ordinal)
        setWord(slot >> 6, word(slot >> 6) | 1 << UInt64(slot & 63))
    }

    @inline(__always)
    private static func slot(of at: Int64, from now: Int64) -> Int {
        let level = (63 - (at ^ now).leadingZeroBitCount) / 6
        return level << 6 | Int(at >> Int64(level * 6)) & 63
    }

    /// Takes a customer out of the wheel and of the due.
    mutating func remove(_ ordinal: Int, _ rows: SegmentedArray<CustomerRow>) {
        let row = rows.pointer(ordinal)
        switch row.pointee.queued {
        case CustomerRow.never: break
        case CustomerRow.isDue: due.remove(ordinal)
        default:
            let (next, previous) = (row.pointee.next, row.pointee.previous)
            if next != DeadlineWheel.none { rows.pointer(Int(next)).pointee.previous = previous }
            if previous & DeadlineWheel.isFirst != 0 {
                let slot = Int(previous & ~DeadlineWheel.isFirst)
                heads[slot] = next
                if next == DeadlineWheel.none { setWord(slot >> 6, word(slot >> 6) & ~(1 << UInt64(slot & 63))) }
            } else {
                rows.pointer(Int(previous)).pointee.next = next
            }
        }
        row.pointee.queued = CustomerRow.never
    }

    /// After `row.due` changed: files anew only if it must come up earlier than it is filed.
    @inline(__always)
    mutating func update(_ ordinal: Int, _ rows: SegmentedArray<CustomerRow>) {
        let row = rows.pointer(ordinal)
        if row.pointee.queued != CustomerRow.isDue && row.pointee.queued <= row.pointee.due { return }
        remove(ordinal, rows)
        file(ordinal, rows)
    }

    /// Moves every customer who is due at or before `instant` to `due`.
    mutating func collect(upTo instant: Int64, _ rows: SegmentedArray<CustomerRow>) {
        let target = instant - PackedInstant.origin
        while now < target {
            guard let (level, slot) = nextSlot() else {
                now = target
                return
            }
            // Where that slot begins.
            let shift = Int64(level * 6)
            let begins = ((now >> (shift + 6)) << 6 | Int64(slot)) << shift
            if begins > target {
                now = target
                return
            }
            now = max(now, begins)
            take(level << 6 | slot, rows, dueUpTo: target)
        }
    }

    /// The occupied slot that comes up first: the lowest level that has one.
    private func nextSlot() -> (level: Int, slot: Int)? {
        for level in 0..<DeadlineWheel.levels {
            let current = Int(now >> Int64(level * 6)) & 63
            // Slots of a level lie after the current one; the current one itself is spread over the levels below.
            let ahead = word(level) & (~0 << UInt64(current))
            if ahead != 0 { return (level, ahead.trailingZeroBitCount) }
        }
        return nil
    }

    private mutating func take(_ slot: Int, _ rows: SegmentedArray<CustomerRow>, dueUpTo target: Int64) {
        var next = heads[slot]
        heads[slot] = DeadlineWheel.none
        setWord(slot >> 6, word(slot >> 6) & ~(1 << UInt64(slot & 63)))
        while next != DeadlineWheel.none {
            let ordinal = Int(next)
            next = rows.pointer(ordinal).pointee.next
            if next != DeadlineWheel.none { rfmd_prefetch(rows.pointer(Int(next))) }
            file(ordinal, rows, dueUpTo: target)
        }
    }
}
