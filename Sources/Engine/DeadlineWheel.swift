// Every customer's next deadline, in a hierarchical timing wheel: O(1) to set and to fire.
import CMemory

/// Eight levels, of which each has slots of 64 times as many ms as the one below; the first has slots of one. A customer is filed in the
/// lowest level in which his slot is less than a turn of 128 slots away, under `row.queued`, which is never later than his `row.due`: a
/// deadline that moves away leaves him where he is, and he is filed anew when that slot comes up. So an event seldom touches the wheel.
///
/// A customer is at least two slots away when he is filed above the first level, or the level below would do. The slot that comes up next
/// in a level ends at most 127 slots of the level below from now: so it can be dealt out over that one, bit by bit while the slot before
/// it passes, and seldom is a pile of customers moved at once. What is left when it comes up is moved then, and so are all who are due at
/// one instant.
///
/// The customers of a slot are linked through their rows. Which slot a customer is in, and the order inside it, never show: who is due is a
/// question of `row.due` alone.
struct DeadlineWheel {
    private static let levels = 8
    private static let slotsPerLevel = 128
    private static let slotCount = levels * slotsPerLevel
    private static let none = UInt32.max
    /// Of `previous`: the lower bits are a slot, of which this customer is the first.
    private static let isFirst: UInt32 = 0x8000_0000
    /// Customers whom one move of the clock deals out ahead at most.
    private static let mostAhead = 16_384

    private let heads: UnsafeMutablePointer<UInt32>
    /// Customers in each slot, or more: who was taken out of its middle counts until it comes up.
    private let counts: UnsafeMutablePointer<Int>
    /// Everything up to this instant was collected; ms since `PackedInstant.origin`.
    private var now: Int64 = 0
    private(set) var due = OrdinalSet()
    /// Customers who were filed in a slot, by events or on their way down; for tests.
    private(set) var filings = 0

    init() {
        heads = .allocate(capacity: DeadlineWheel.slotCount)
        heads.initialize(repeating: DeadlineWheel.none, count: DeadlineWheel.slotCount)
        counts = .allocate(capacity: DeadlineWheel.slotCount)
        counts.initialize(repeating: 0, count: DeadlineWheel.slotCount)
    }

    func deallocate() {
        heads.deallocate()
        counts.deallocate()
        due.deallocate()
    }

    mutating func grow(toHold customers: Int) { due.grow(toHold: customers) }

    /// Files a customer who is not filed, by `row.due`.
    @inline(__always)
    mutating func file(_ ordinal: Int, _ rows: SegmentedArray<CustomerRow>) {
        let row = rows.pointer(ordinal)
        let instant = row.pointee.due
        if instant == CustomerRow.never {
            row.pointee.queued = CustomerRow.never
            return
        }
        let at = instant - PackedInstant.origin
        if at <= now {
            row.pointee.queued = CustomerRow.isDue
            due.insert(ordinal)
            return
        }
        precondition(PackedInstant.holds(instant), "a deadline lies beyond the wheel")
        row.pointee.queued = instant
        filings += 1
        let slot = slot(of: at)
        let head = heads[slot]
        (row.pointee.next, row.pointee.previous) = (head, DeadlineWheel.isFirst | UInt32(slot))
        if head != DeadlineWheel.none { rows.pointer(Int(head)).pointee.previous = UInt32(ordinal) }
        heads[slot] = UInt32(ordinal)
        counts[slot] += 1
    }

    /// Of an instant after now.
    @inline(__always)
    private func slot(of at: Int64) -> Int {
        // In the level below the way would be 4,096 slots and more, in this one it is less than 8,192.
        var level = max(0, Int64.bitWidth - (at - now).leadingZeroBitCount - 7) / 6
        while DeadlineWheel.number(at, level) - DeadlineWheel.number(now, level) >= DeadlineWheel.slotsPerLevel {
            level += 1
        }
        return DeadlineWheel.slot(level, DeadlineWheel.number(at, level))
    }

    /// How many slots of a level lie before an instant.
    @inline(__always)
    private static func number(_ instant: Int64, _ level: Int) -> Int { Int(instant >> Int64(level * 6)) }

    @inline(__always)
    private static func slot(_ level: Int, _ number: Int) -> Int {
        level * slotsPerLevel + number & (slotsPerLevel - 1)
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
                counts[slot] -= 1
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
        let (before, target) = (now, instant - PackedInstant.origin)
        if target <= before { return }
        now = target
        for level in 0..<DeadlineWheel.levels {
            let first = DeadlineWheel.number(before, level)
            let passed = min(DeadlineWheel.number(target, level) - first, DeadlineWheel.slotsPerLevel)
            for step in 0..<passed { take(DeadlineWheel.slot(level, first + 1 + step), rows) }
        }
        dealOutAhead(passed: target - before, rows)
    }

    /// Files everybody in a slot that has come up.
    private mutating func take(_ slot: Int, _ rows: SegmentedArray<CustomerRow>) {
        var next = heads[slot]
        heads[slot] = DeadlineWheel.none
        counts[slot] = 0
        while next != DeadlineWheel.none {
            let ordinal = Int(next)
            next = rows.pointer(ordinal).pointee.next
            if next != DeadlineWheel.none { rfmd_prefetch(rows.pointer(Int(next))) }
            file(ordinal, rows)
        }
    }

    /// Of the slots that come up next: of each the share that the `passed` ms are of those that were left until then.
    private mutating func dealOutAhead(passed: Int64, _ rows: SegmentedArray<CustomerRow>) {
        var rest = DeadlineWheel.mostAhead
        for level in 1..<DeadlineWheel.levels where rest > 0 {
            let next = DeadlineWheel.number(now, level) + 1
            let slot = DeadlineWheel.slot(level, next)
            if counts[slot] == 0 { continue }
            let left = Int64(next) << Int64(level * 6) - now
            let share = Double(passed) / Double(left + passed)
            let count = min(rest, Int(Double(counts[slot]) * share) + 1)
            for _ in 0..<count { fileFirst(of: slot, rows) }
            rest -= count
            if heads[slot] == DeadlineWheel.none { counts[slot] = 0 }
        }
    }

    /// Files the first customer of a slot anew, if there is one.
    @inline(__always)
    private mutating func fileFirst(of slot: Int, _ rows: SegmentedArray<CustomerRow>) {
        if heads[slot] == DeadlineWheel.none { return }
        let ordinal = Int(heads[slot])
        let next = rows.pointer(ordinal).pointee.next
        heads[slot] = next
        counts[slot] -= 1
        if next != DeadlineWheel.none {
            rows.pointer(Int(next)).pointee.previous = DeadlineWheel.isFirst | UInt32(slot)
        }
        file(ordinal, rows)
    }
}
