// Memory for entries: a buddy allocator over segments, so that blocks that customers outgrow are joined and used again.
import CMemory

/// Blocks of 1, 2, 4 ... 32,768 places of 16 bytes. A block is named by the number of its first place. It holds packed entries, one a
/// place, or whole ones; behind those of a large block lies an `OrderSummary`.
///
/// Few entries are worked on as whole ones in a workspace, between `open` and `close`; many where they are.
struct EntryStore {
    /// A segment of places is a whole number of huge pages.
    private static let segmentShift = 18
    static let largestOrder = 15
    /// Blocks from this order on have a summary.
    static let summarizedOrder = 6
    /// Entries in blocks from this order on are many: more than eight packed ones, or more than five whole ones. Whether there is a summary
    /// of them is another question.
    private static let manyOrder = 4
    /// So many are few again.
    private static let fewAgain = 4
    /// Of a row: where its entries are, while they are open.
    private static let workspaceBlock = UInt32.max
    private static let none = UInt32.max

    private var places: SegmentedArray<PackedEntry>
    /// A bit for each place: a free block begins there.
    private var freeStarts: SegmentedArray<UInt64>
    /// First free block of each order; blocks of one order are linked through their own memory.
    private let free: UnsafeMutablePointer<UInt32>
    /// As much as the smallest block for many.
    private let workspace: UnsafeMutablePointer<Entry>
    private static let workspaceCapacity = capacity(order: manyOrder)

    init() {
        places = SegmentedArray(shift: EntryStore.segmentShift)
        // One segment for each largest block: a small shard does not pay for what a large one has.
        freeStarts = SegmentedArray(shift: EntryStore.largestOrder - 6)
        free = .allocate(capacity: EntryStore.largestOrder + 1)
        free.initialize(repeating: EntryStore.none, count: EntryStore.largestOrder + 1)
        workspace = .allocate(capacity: EntryStore.workspaceCapacity)
    }

    var bytes: Int { places.bytes + freeStarts.bytes }

    func deallocate() {
        places.deallocate()
        freeStarts.deallocate()
        free.deallocate()
        workspace.deallocate()
    }

    /// The pages that it will grow into next.
    mutating func takePages(_ ahead: MemoryAhead.Lead, into pages: inout [UnsafeRawBufferPointer]) {
        places.takePages(ahead, into: &pages)
    }

    // MARK: A customer's entries

    /// Where a customer's few entries lie while they are open.
    struct Kept {
        fileprivate var block: UInt32
        fileprivate var order: Int
    }

    /// Until `close` his entries are whole ones, wherever they lie. No other customer's may be open.
    @inline(__always)
    func open(_ row: UnsafeMutablePointer<CustomerRow>) -> Kept? {
        if row.pointee.entryCount == 0 {
            row.pointee.entries = EntryStore.workspaceBlock
            row.pointee.entryOrder = 0
            return nil
        }
        if Int(row.pointee.entryOrder) >= EntryStore.manyOrder { return nil }
        precondition(row.pointee.entries != EntryStore.workspaceBlock, "his entries are open already")
        let kept = Kept(block: row.pointee.entries, order: Int(row.pointee.entryOrder))
        // Where `release` will look if they outgrow it.
        rfmd_prefetch(freeStarts.pointer(Int(kept.block >> 6)))
        let count = Int(row.pointee.entryCount)
        if row.pointee.contents.contains(.packed) {
            let packed = places.pointer(Int(kept.block))
            for place in 0..<count { workspace[place] = packed[place].entry(epoch: row.pointee.entryEpoch) }
            row.pointee.contents.remove(.packed)
        } else {
            workspace.update(from: whole(kept.block), count: count)
        }
        row.pointee.entries = EntryStore.workspaceBlock
        row.pointee.entryOrder = 0
        return kept
    }

    /// Puts entries that were open where they stay, packed if they can be.
    mutating func close(_ row: UnsafeMutablePointer<CustomerRow>, _ kept: Kept?) {
        let count = Int(row.pointee.entryCount)
        if count == 0 { row.pointee.contents.subtract(.entries) }
        guard row.pointee.entries == EntryStore.workspaceBlock && count > 0 else {
            // None are left, or they became many.
            if let kept { release(kept.block, order: kept.order) }
            return
        }
        let entries = UnsafeMutableBufferPointer(start: workspace, count: count)
        let epoch = EntryStore.packedEpoch(of: entries)
        let order = epoch == nil ? EntryStore.order(for: count) : EntryStore.packedOrder(for: count)
        let block = take(order: order, insteadOf: kept)
        row.pointee.entries = block
        row.pointee.entryOrder = UInt8(order)
        if let epoch {
            row.pointee.contents.insert(.packed)
            row.pointee.entryEpoch = epoch
            let packed = places.pointer(Int(block))
            for place in 0..<count { packed[place] = PackedEntry(entries[place], epoch: epoch) }
        } else {
            whole(block).update(from: workspace, count: count)
        }
    }

    private mutating func take(order: Int, insteadOf kept: Kept?) -> UInt32 {
        guard let kept else { return allocate(order: order) }
        if kept.order == order { return kept.block }
        release(kept.block, order: kept.order)
        return allocate(order: order)
    }

    /// With his entries open, which stay as they are.
    func reading<Result>(_ row: UnsafeMutablePointer<CustomerRow>, _ body: () -> Result) -> Result {
        let (block, order, contents) = (row.pointee.entries, row.pointee.entryOrder, row.pointee.contents)
        defer {
            (row.pointee.entries, row.pointee.entryOrder, row.pointee.contents) = (block, order, contents)
        }
        _ = open(row)
        return body()
    }

    /// Calls `body` with his entries as a snapshot holds them, whatever their way here: packed, with their epoch, if they can be.
    func withStoredEntries(
        of row: UnsafeMutablePointer<CustomerRow>, _ body: (_ entries: UnsafeRawBufferPointer, _ epoch: UInt8?) -> Void
    ) {
        if row.pointee.contents.contains(.packed) { return body(bytes(of: row), row.pointee.entryEpoch) }
        reading(row) {
            let entries = entries(of: row)
            // Those who were many and are few again lie whole.
            guard let epoch = EntryStore.packedEpoch(of: entries) else {
                return body(UnsafeRawBufferPointer(entries), nil)
            }
            withUnsafeTemporaryAllocation(of: PackedEntry.self, capacity: entries.count) { packed in
                for place in entries.indices { packed[place] = PackedEntry(entries[place], epoch: epoch) }
                body(UnsafeRawBufferPointer(packed), epoch)
            }
        }
    }

    /// The entries of a customer who has none yet, from a snapshot: `bytes`, aligned or not, packed if there is an epoch. What they are is in
    /// his contents already. Whole ones that could be packed are then.
    mutating func place(
        _ bytes: UnsafeRawBufferPointer, epoch: UInt8?, _ row: UnsafeMutablePointer<CustomerRow>
    ) {
        if let epoch { return placePacked(bytes, epoch: epoch, row) }
        let count = bytes.count / MemoryLayout<Entry>.stride
        let kept = open(row)
        if count > EntryStore.workspaceCapacity {
            let order = EntryStore.order(for: count)
            row.pointee.entries = allocate(order: order)
            row.pointee.entryOrder = UInt8(order)
        }
        row.pointee.entryCount = UInt16(count)
        UnsafeMutableRawBufferPointer(entries(of: row)).copyMemory(from: bytes)
        noteKeys(of: row)
        close(row, kept)
    }

    private mutating func placePacked(
        _ bytes: UnsafeRawBufferPointer, epoch: UInt8, _ row: UnsafeMutablePointer<CustomerRow>
    ) {
        let count = bytes.count / MemoryLayout<PackedEntry>.stride
        precondition(count > 0 && EntryStore.mayBePacked(count), "whoever places them has looked")
        let order = EntryStore.packedOrder(for: count)
        let block = allocate(order: order)
        UnsafeMutableRawPointer(places.pointer(Int(block)))
            .copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
        row.pointee.entries = block
        row.pointee.entryOrder = UInt8(order)
        row.pointee.entryCount = UInt16(count)
        row.pointee.entryEpoch = epoch
    }

    /// Of a customer whose entries are open.
    @inline(__always)
    func entries(of row: UnsafeMutablePointer<CustomerRow>) -> UnsafeMutableBufferPointer<Entry> {
        UnsafeMutableBufferPointer(start: first(of: row), count: Int(row.pointee.entryCount))
    }

    /// The first of them, or where it will be.
    @inline(__always)
    func first(of row: UnsafeMutablePointer<CustomerRow>) -> UnsafeMutablePointer<Entry> {
        row.pointee.entries == EntryStore.workspaceBlock ? workspace : whole(row.pointee.entries)
    }

    /// Adds one to entries that are open.
    mutating func append(_ entry: Entry, _ row: UnsafeMutablePointer<CustomerRow>) {
        let count = Int(row.pointee.entryCount)
        let isInWorkspace = row.pointee.entries == EntryStore.workspaceBlock
        let order = isInWorkspace ? EntryStore.manyOrder : Int(row.pointee.entryOrder)
        if count == EntryStore.capacity(order: order) { move(row, toOrder: order + 1) }
        first(of: row)[count] = entry
        row.pointee.entryCount += 1
        row.pointee.contents.insert(entry.kind.content)
    }

    /// Takes the last of open entries away.
    mutating func removeLast(_ row: UnsafeMutablePointer<CustomerRow>) {
        row.pointee.entryCount -= 1
        if row.pointee.entries == EntryStore.workspaceBlock { return }
        let order = Int(row.pointee.entryOrder)
        let half = EntryStore.capacity(order: order - 1) / 2
        if row.pointee.entryCount <= (order == EntryStore.manyOrder ? EntryStore.fewAgain : half) {
            move(row, toOrder: order - 1)
        }
    }

    /// To a block of this order, or to the workspace if they are few.
    private mutating func move(_ row: UnsafeMutablePointer<CustomerRow>, toOrder order: Int) {
        let entries = entries(of: row)
        let (block, before) = (row.pointee.entries, Int(row.pointee.entryOrder))
        let isFew = order < EntryStore.manyOrder
        row.pointee.entries = isFew ? EntryStore.workspaceBlock : allocate(order: order)
        row.pointee.entryOrder = isFew ? 0 : UInt8(order)
        first(of: row).update(from: entries.baseAddress!, count: entries.count)
        if block != EntryStore.workspaceBlock { release(block, order: before) }
        noteEntries(of: row)
    }

    /// Notes what all entries of a customer are, after they were moved.
    private func noteEntries(of row: UnsafeMutablePointer<CustomerRow>) {
        row.pointee.contents.subtract(.entries)
        for entry in entries(of: row) { row.pointee.contents.insert(entry.kind.content) }
        noteKeys(of: row)
    }

    /// The same of a customer of whom it is known what they are.
    private func noteKeys(of row: UnsafeMutablePointer<CustomerRow>) {
        guard let summary = summary(of: row) else { return }
        for (place, entry) in entries(of: row).enumerated() { summary.setTag(place, key: entry.key) }
    }

    /// Of a customer with so many entries that there is one; nil if they are fewer.
    @inline(__always)
    func summary(of row: UnsafeMutablePointer<CustomerRow>) -> OrderSummary? {
        if Int(row.pointee.entryOrder) < EntryStore.summarizedOrder { return nil }
        return summary(row.pointee.entries, order: Int(row.pointee.entryOrder))
    }

    /// Where the next entry of a customer with a summary goes; nil if he has none.
    @inline(__always)
    func nextOfMany(_ row: UnsafeMutablePointer<CustomerRow>) -> UnsafeMutablePointer<Entry>? {
        summary(of: row) == nil ? nil : whole(row.pointee.entries) + Int(row.pointee.entryCount)
    }

    /// What an event will read of entries that are not open. Of many it is the summary, which stands for them.
    @inline(__always)
    func bytes(of row: UnsafeMutablePointer<CustomerRow>) -> UnsafeRawBufferPointer {
        let count = Int(row.pointee.entryCount)
        if let summary = summary(of: row) { return summary.lines(entries: count) }
        let isPacked = row.pointee.contents.contains(.packed)
        return UnsafeRawBufferPointer(
            start: places.pointer(Int(row.pointee.entries)),
            count: count * (isPacked ? MemoryLayout<PackedEntry>.stride : MemoryLayout<Entry>.stride))
    }

    // MARK: Blocks

    /// What lies in a block as whole entries.
    @inline(__always)
    func whole(_ block: UInt32) -> UnsafeMutablePointer<Entry> {
        UnsafeMutableRawPointer(places.pointer(Int(block))).assumingMemoryBound(to: Entry.self)
    }

    /// Whole entries that a block holds.
    @inline(__always)
    static func capacity(order: Int) -> Int {
        let bytes = MemoryLayout<PackedEntry>.stride << order
        if order < summarizedOrder { return bytes / MemoryLayout<Entry>.stride }
        // A byte for each, of which sixteen are read at once.
        return (bytes - OrderSummary.bytes - 15) / (MemoryLayout<Entry>.stride + 1)
    }

    /// Order of the smallest block that holds `count` whole entries.
    static func order(for count: Int) -> Int {
        var order = Int.bitWidth - max(0, count - 1).leadingZeroBitCount
        while capacity(order: order) < count { order += 1 }
        return order
    }

    @inline(__always)
    private func summary(_ block: UInt32, order: Int) -> OrderSummary {
        OrderSummary(at: whole(block) + EntryStore.capacity(order: order))
    }

    static func mayBePacked(_ count: Int) -> Bool { packedOrder(for: count) < manyOrder }

    /// Order of the smallest block that holds `count` packed entries.
    private static func packedOrder(for count: Int) -> Int { Int.bitWidth - max(0, count - 1).leadingZeroBitCount }

    /// nil if they are kept whole.
    private static func packedEpoch(of entries: UnsafeMutableBufferPointer<Entry>) -> UInt8? {
        mayBePacked(entries.count) ? PackedEntry.epoch(of: entries) : nil
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
            precondition(order <= EntryStore.largestOrder, "a customer's entries are bounded")
            // The last block would end with the number that stands for none.
            precondition(places.reach < Int(UInt32.max) - 1 << EntryStore.largestOrder, "a shard has 64 GiB of entries")
            let first = UInt32(places.reach)
            places.grow(toHold: places.reach + (1 << EntryStore.largestOrder))
            freeStarts.grow(toHold: places.reach >> 6)
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
            guard isFree(buddy, order: order) else { break }
            unlink(buddy, order: order)
            block = min(block, buddy)
            order += 1
        }
        push(block, order: order)
    }

    /// In the first place of a free block.
    private struct FreeBlock: BitwiseCopyable {
        var next: UInt32
        var previous: UInt32
        var order: UInt64
    }

    private func freeBlock(_ block: UInt32) -> UnsafeMutablePointer<FreeBlock> {
        UnsafeMutableRawPointer(places.pointer(Int(block))).assumingMemoryBound(to: FreeBlock.self)
    }

    private func isFree(_ block: UInt32, order: Int) -> Bool {
        freeStarts[Int(block >> 6)] & 1 << UInt64(block & 63) != 0 && freeBlock(block).pointee.order == order
    }

    private mutating func push(_ block: UInt32, order: Int) {
        let next = free[order]
        freeBlock(block).pointee = FreeBlock(next: next, previous: EntryStore.none, order: UInt64(order))
        if next != EntryStore.none { freeBlock(next).pointee.previous = block }
        free[order] = block
        freeStarts[Int(block >> 6)] |= 1 << UInt64(block & 63)
    }

    private mutating func unlink(_ block: UInt32, order: Int) {
        let (next, previous) = (freeBlock(block).pointee.next, freeBlock(block).pointee.previous)
        if next != EntryStore.none { freeBlock(next).pointee.previous = previous }
        if previous == EntryStore.none { free[order] = next } else { freeBlock(previous).pointee.next = next }
        freeStarts[Int(block >> 6)] &= ~(1 << UInt64(block & 63))
    }
}
