// All customers of a shard: rows by ordinal, found by id.
import CMemory
import Model

/// A customer's ordinal is the order of his first appearance: it is part of the state, and never changes.
struct CustomerTable {
    private(set) var count = 0
    private(set) var rows: SegmentedArray<CustomerRow>
    // By ordinal too; they take no memory where nobody has any, but clicks in a large shard (`takePages`).
    private var activities: SegmentedArray<Activity>
    private var aged: SegmentedArray<AgedOrders>
    /// Somebody has clicked: soon many will have.
    private(set) var hasActivities = false
    private var index: HashIndex
    /// Ids of more than 16 bytes, one after the other.
    private var longIDs: SegmentedArray<UInt8>
    private var longIDBytes = 0
    private let seed: UInt64

    init(seed: UInt64) {
        self.seed = seed
        // A segment is a whole number of huge pages.
        rows = SegmentedArray(shift: 18)
        activities = SegmentedArray(shift: 18)
        aged = SegmentedArray(shift: 18)
        longIDs = SegmentedArray(shift: CustomerIDs.longIDShift)
        index = HashIndex()
    }

    var bytes: Int { rows.bytes + activities.bytes + aged.bytes + index.bytes + longIDs.bytes }

    func deallocate() {
        rows.deallocate()
        activities.deallocate()
        aged.deallocate()
        longIDs.deallocate()
        index.deallocate()
    }

    @inline(__always)
    func row(_ ordinal: Int) -> UnsafeMutablePointer<CustomerRow> { rows.pointer(ordinal) }

    /// Valid if his row's contents say so.
    @inline(__always)
    func activity(_ ordinal: Int) -> UnsafeMutablePointer<Activity> { activities.pointer(ordinal) }

    @inline(__always)
    func agedOrders(_ ordinal: Int) -> UnsafeMutablePointer<AgedOrders> { aged.pointer(ordinal) }

    /// Of a customer who has clicked for the first time.
    mutating func startActivity(_ ordinal: Int, _ activity: Activity) {
        hasActivities = true
        activities[ordinal] = activity
    }

    /// Valid until the table grows.
    @inline(__always)
    var ids: CustomerIDs { CustomerIDs(rows: rows, longIDs: longIDs, seed: seed) }

    @inline(__always)
    func hash(_ id: UnsafeRawBufferPointer) -> UInt64 { ids.hash(id) }

    @inline(__always)
    private func words(_ id: UnsafeRawBufferPointer) -> (UInt64, UInt64) {
        if id.count >= 8 {
            // The last eight bytes, less those that are in the first word already.
            let last = UInt64(littleEndian: id.loadUnaligned(fromByteOffset: id.count - 8, as: UInt64.self))
            return (
                id.loadUnaligned(as: UInt64.self),
                id.count == 8 ? 0 : UInt64(littleEndian: last &>> UInt64(8 * (16 - id.count)))
            )
        }
        var words: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &words) { $0.copyMemory(from: id) }
        return words
    }

    @inline(__always)
    func find(_ id: UnsafeRawBufferPointer, hash: UInt64) -> Int? {
        if id.count <= 16 {
            let (id0, id1) = words(id)
            for ordinal in index.candidates(hash) {
                let row = rows.pointer(ordinal)
                if row.pointee.id0 == id0 && row.pointee.id1 == id1 && Int(row.pointee.idLength) == id.count {
                    return ordinal
                }
            }
            return nil
        }
        for ordinal in index.candidates(hash) {
            let row = rows.pointer(ordinal)
            if Int(row.pointee.idLength) == id.count && withID(ordinal, { $0.isSame(as: id) }) { return ordinal }
        }
        return nil
    }

    /// Adds a customer who is not there; everything but his id is zero.
    mutating func add(_ id: UnsafeRawBufferPointer, hash: UInt64) -> Int {
        let ordinal = count
        reserve(count + 1)
        place(id, at: ordinal)
        let ids = ids
        index.insert(hash, ordinal) { ids.hash(of: $0) }
        return ordinal
    }

    // Of a restore: all are placed first, in any order, and can be found when there is an index of them (RestoredIndex).

    mutating func reserve(_ customers: Int) {
        count = customers
        rows.grow(toHold: count)
        activities.grow(toHold: count)
        aged.grow(toHold: count)
    }

    mutating func place(_ id: UnsafeRawBufferPointer, at ordinal: Int) {
        let row = rows.pointer(ordinal)
        row.pointee.idLength = UInt8(id.count)
        if id.count <= 16 {
            (row.pointee.id0, row.pointee.id1) = words(id)
        } else {
            // An id does not cross a segment, so that it can be read in one piece.
            let segment = 1 << CustomerIDs.longIDShift
            if longIDBytes & (segment - 1) + id.count > segment { longIDBytes = (longIDBytes | (segment - 1)) + 1 }
            longIDs.grow(toHold: longIDBytes + id.count)
            UnsafeMutableRawPointer(longIDs.pointer(longIDBytes)).copyMemory(from: id.baseAddress!, byteCount: id.count)
            row.pointee.id0 = UInt64(longIDBytes)
            longIDBytes += id.count
        }
    }

    mutating func use(_ index: HashIndex) {
        self.index.deallocate()
        self.index = index
    }

    /// The pages that it will grow into next.
    mutating func takePages(_ ahead: MemoryAhead.Lead, into pages: inout [UnsafeRawBufferPointer]) {
        rows.takePages(ahead, into: &pages)
        index.takePages(ahead, into: &pages)
        if hasActivities { activities.takePages(ahead, into: &pages) }
    }

    // Ahead of `find` (Engine+Prefetch.swift).

    @inline(__always)
    func prefetchSlot(_ hash: UInt64) { index.prefetch(hash) }

    @inline(__always)
    func nearest(_ hash: UInt64) -> HashIndex.Seeming { index.nearest(hash) }

    /// The customer who seems to have this hash.
    @inline(__always)
    func ordinal(seeming hash: UInt64) -> Int? {
        var candidates = index.candidates(hash)
        return candidates.next()
    }

    @inline(__always)
    func withID<Result>(_ ordinal: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        ids.withID(ordinal, body)
    }
}
