// Memory for entries: a buddy allocator over segments, so that blocks that customers outgrow are joined and used again.

/// Blocks of 1, 2, 4 ... 16,384 places. A block is named by the number of its first place. In large ones the last places hold an
/// `OrderSummary`, the others an entry each.
struct EntryStore {
    /// A segment of entries is a whole number of huge pages.
    private static let segmentShift = 18
    static let largestOrder = 14
    /// Blocks from this order on have a summary.
    private static let summarizedOrder = 5
    private static let none = UInt32.max
    /// In `states`: the block that begins here is free and has this order; otherwise 0.
    private static let freeMark: UInt8 = 0x80

    private var entries: SegmentedArray<Entry>
    private var states: SegmentedArray<UInt8>
    /// First free block of each order; blocks of one order are linked through their own memory.
    private let free: UnsafeMutablePointer<UInt32>

    init() {
        entries = SegmentedArray(shift: EntryStore.segmentShift)
        // One segment for each largest block: a small shard does not pay for what a large one has.
        states = SegmentedArray(shift: EntryStore.largestOrder)
        free = .allocate(capacity: EntryStore.largestOrder + 1)
        free.initialize(repeating: EntryStore.none, count: EntryStore.largestOrder + 1)
    }

    var bytes: Int { entries.bytes + states.bytes }

    func deallocate() {
        entries.deallocate()
        states.deallocate()
        free.deallocate()
    }

    /// The pages that it will grow into next.
    mutating func takePages(_ ahead: MemoryAhead.Lead, into pages: inout [UnsafeRawBufferPointer]) {
        entries.takePages(aheadBy: ahead.share, most: ahead.most, into: &pages)
    }

    @inline(__always)
    func pointer(_ block: UInt32) -> UnsafeMutablePointer<Entry> { entries.pointer(Int(block)) }

    @inline(__always)
    func entries(of row: UnsafeMutablePointer<CustomerRow>) -> UnsafeMutableBufferPointer<Entry> {
        let count = Int(row.pointee.entryCount)
        return UnsafeMutableBufferPointer(start: count == 0 ? nil : pointer(row.pointee.entries), count: count)
    }

    /// Entries that a block holds.
    @inline(__always)
    static func capacity(order: Int) -> Int {
        if order < summarizedOrder { return 1 << order }
        // A byte for each place, and whole places.
        let stride = MemoryLayout<Entry>.stride
        return 1 << order - (OrderSummary.bytes + 1 << order + stride - 1) / stride
    }

    /// Order of the smallest block that holds `count` entries.
    static func order(for count: Int) -> Int {
        let order = Int.bitWidth - max(0, count - 1).leadingZeroBitCount
        return count <= capacity(order: order) ? order : order + 1
    }

    /// Notes what all entries of a customer are, after they were moved here.
    func noteEntries(of row: UnsafeMutablePointer<CustomerRow>) {
        row.pointee.contents.subtract(.entries)
        for entry in entries(of: row) { row.pointee.contents.insert(entry.kind.content) }
        noteKeys(of: row)
    }

    /// The same of a customer of whom it is known what they are.
    func noteKeys(of row: UnsafeMutablePointer<CustomerRow>) {
        guard let summary = summary(of: row) else { return }
        for (place, entry) in entries(of: row).enumerated() { summary.setTag(place, key: entry.key) }
    }

    /// Of a customer with entries; nil if they are few.
    @inline(__always)
    func summary(of row: UnsafeMutablePointer<CustomerRow>) -> OrderSummary? {
        if Int(row.pointee.entryOrder) < EntryStore.summarizedOrder { return nil }
        return summary(row.pointee.entries, order: Int(row.pointee.entryOrder))
    }

    @inline(__always)
    private func summary(_ block: UInt32, order: Int) -> OrderSummary {
        OrderSummary(at: pointer(block) + EntryStore.capacity(order: order))
    }

    /// A summary in it is clear, everything else is as it was left.
    mutating func allocate(order: Int) -> UInt32 {
        let block = takeBlock(order: order)
        if order >= EntryStore.summarizedOrder { summary(block, order: order).clear() }
        return block
    }

    private mutating func takeBlock(order: Int) -> UInt32 {
        var found = order
        while found <= EntryStore.largestOrder && free[found] == EntryStore.none { found += 1 }
        if found > EntryStore.largestOrder {
            let first = UInt32(entries.reach)
            entries.grow(toHold: entries.reach + (1 << EntryStore.largestOrder))
            states.grow(toHold: entries.reach)
            push(first, order: EntryStore.largestOrder)
            found = EntryStore.largestOrder
        }
        let block = free[found]
        unlink(block, order: found)
        while found > order {
            found -= 1
            push(block + (1 << UInt32(found)), order: found)
        }
        return block
    }

    mutating func release(_ block: UInt32, order: Int) {
        var block = block
        var order = order
        while order < EntryStore.largestOrder {
            let buddy = block ^ (1 << UInt32(order))
            guard states[Int(buddy)] == EntryStore.freeMark | UInt8(order) else { break }
            unlink(buddy, order: order)
            block = min(block, buddy)
            order += 1
        }
        push(block, order: order)
    }

    // A free block's first entry holds its neighbours: key = next, value = previous.

    private mutating func push(_ block: UInt32, order: Int) {
        let next = free[order]
        let entry = pointer(block)
        entry.pointee.key = UInt64(next)
        entry.pointee.value = Int64(EntryStore.none)
        if next != EntryStore.none { pointer(next).pointee.value = Int64(block) }
        free[order] = block
        states[Int(block)] = EntryStore.freeMark | UInt8(order)
    }

    private mutating func unlink(_ block: UInt32, order: Int) {
        let entry = pointer(block)
        let next = UInt32(entry.pointee.key)
        let previous = UInt32(entry.pointee.value)
        if next != EntryStore.none { pointer(next).pointee.value = Int64(previous) }
        if previous == EntryStore.none { free[order] = next } else { pointer(previous).pointee.key = UInt64(next) }
        states[Int(block)] = 0
    }
}
