// All customers of a shard: rows by ordinal, found by id.
import CMemory
import CXXHash
import Model

/// A customer's ordinal is the order of his first appearance: it is part of the state, and never changes.
struct CustomerTable {
    private(set) var count = 0
    private var rows: SegmentedArray<CustomerRow>
    private var index: HashIndex
    /// Ids of more than 16 bytes, one after the other.
    private var longIDs: SegmentedArray<UInt8>
    private var longIDBytes = 0
    private let seed: UInt64

    init(seed: UInt64) {
        self.seed = seed
        rows = SegmentedArray(shift: 14)
        longIDs = SegmentedArray(shift: 16)
        index = HashIndex()
    }

    var bytes: Int { rows.bytes + index.bytes + longIDs.bytes }

    func deallocate() {
        rows.deallocate()
        longIDs.deallocate()
        index.deallocate()
    }

    @inline(__always)
    func row(_ ordinal: Int) -> UnsafeMutablePointer<CustomerRow> { rows.pointer(ordinal) }

    @inline(__always)
    func hash(_ id: UnsafeRawBufferPointer) -> UInt64 { rfmd_hash64(id.baseAddress, id.count, seed) }

    @inline(__always)
    private func words(_ id: UnsafeRawBufferPointer) -> (UInt64, UInt64) {
        var words: (UInt64, UInt64) = (0, 0)
        withUnsafeMutableBytes(of: &words) { $0.copyMemory(from: id) }
        return words
    }

    @inline(__always)
    func find(_ id: UnsafeRawBufferPointer, hash: UInt64) -> Int? {
        if id.count <= 16 {
            let (id0, id1) = words(id)
            return index.find(hash) { ordinal in
                let row = rows.pointer(ordinal)
                return row.pointee.id0 == id0 && row.pointee.id1 == id1 && Int(row.pointee.idLength) == id.count
            }
        }
        return index.find(hash) { ordinal in
            let row = rows.pointer(ordinal)
            return Int(row.pointee.idLength) == id.count && withID(ordinal) { $0.elementsEqual(id) }
        }
    }

    /// Adds a customer who is not there; everything but his id is zero.
    mutating func add(_ id: UnsafeRawBufferPointer, hash: UInt64) -> Int {
        let ordinal = count
        reserve(count + 1)
        place(id, hash: hash, at: ordinal)
        return ordinal
    }

    /// Makes room for customers that are placed one by one.
    mutating func reserve(_ customers: Int) {
        count = customers
        rows.grow(toHold: count)
    }

    mutating func place(_ id: UnsafeRawBufferPointer, hash: UInt64, at ordinal: Int) {
        let row = rows.pointer(ordinal)
        row.pointee.idLength = UInt8(id.count)
        if id.count <= 16 {
            (row.pointee.id0, row.pointee.id1) = words(id)
        } else {
            // An id does not cross a segment, so that it can be read in one piece.
            if (longIDBytes & 0xFFFF) + id.count > 0x10000 { longIDBytes = (longIDBytes | 0xFFFF) + 1 }
            longIDs.grow(toHold: longIDBytes + id.count)
            UnsafeMutableRawPointer(longIDs.pointer(longIDBytes)).copyMemory(from: id.baseAddress!, byteCount: id.count)
            row.pointee.id0 = UInt64(longIDBytes)
            longIDBytes += id.count
        }
        index.insert(hash, ordinal, hashOf: hash(ofOrdinal:))
    }

    // Three steps ahead of `find` (Engine+Prefetch.swift).

    @inline(__always)
    func prefetchSlot(_ hash: UInt64) { index.prefetch(hash) }

    /// Who seems to have this hash; the row is on its way.
    @inline(__always)
    func prefetchRow(_ hash: UInt64) {
        guard let ordinal = index.find(hash, matches: { _ in true }) else { return }
        let row = UnsafeRawPointer(rows.pointer(ordinal))
        rfmd_prefetch(row)
        rfmd_prefetch(row + 64)
        rfmd_prefetch(row + MemoryLayout<CustomerRow>.size - 1)
    }

    /// The row that seems to have this hash.
    @inline(__always)
    func likelyRow(_ hash: UInt64) -> UnsafeMutablePointer<CustomerRow>? {
        index.find(hash, matches: { _ in true }).map { rows.pointer($0) }
    }

    private func hash(ofOrdinal ordinal: Int) -> UInt64 { withID(ordinal) { hash($0) } }

    func withID<Result>(_ ordinal: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        let row = rows.pointer(ordinal)
        let length = Int(row.pointee.idLength)
        // The two words lie at the beginning of the row.
        if length <= 16 { return body(UnsafeRawBufferPointer(start: row, count: length)) }
        return body(UnsafeRawBufferPointer(start: longIDs.pointer(Int(row.pointee.id0)), count: length))
    }
}

/// Open addressing in 256 tables that grow one at a time, so that no growth is a long pause.
struct HashIndex {
    private struct Table {
        var slots: UnsafeMutablePointer<UInt64>
        var capacity: Int
        var count: Int

        /// Where a hash belongs: a share of the capacity (Lemire, "Fast random integer generation in an interval", 2019), so that the
        /// capacity need not be a power of two.
        @inline(__always)
        func home(_ hash: UInt64) -> Int {
            Int(truncatingIfNeeded: (((hash >> 8) & 0xFFFF_FFFF) &* UInt64(truncatingIfNeeded: capacity)) >> 32)
        }
    }

    private let tables: UnsafeMutablePointer<Table>
    private static let tableCount = 256

    init() {
        tables = .allocate(capacity: HashIndex.tableCount)
        for table in 0..<HashIndex.tableCount {
            (tables + table).initialize(to: Table(slots: HashIndex.slots(16), capacity: 16, count: 0))
        }
    }

    private static func slots(_ count: Int) -> UnsafeMutablePointer<UInt64> {
        let slots = UnsafeMutablePointer<UInt64>.allocate(capacity: count)
        slots.initialize(repeating: 0, count: count)
        return slots
    }

    var bytes: Int { (0..<HashIndex.tableCount).reduce(0) { $0 + tables[$1].capacity * 8 } }

    func deallocate() {
        for table in 0..<HashIndex.tableCount { tables[table].slots.deallocate() }
        tables.deallocate()
    }

    // A slot: the upper half of the hash, then the ordinal + 1; 0 is empty.

    @inline(__always)
    func find(_ hash: UInt64, matches: (Int) -> Bool) -> Int? {
        let table = tables[Int(hash & 0xFF)]
        let tag = hash & 0xFFFF_FFFF_0000_0000
        var at = table.home(hash)
        while true {
            let slot = table.slots[at]
            if slot == 0 { return nil }
            if slot & 0xFFFF_FFFF_0000_0000 == tag {
                let ordinal = Int(slot & 0xFFFF_FFFF) - 1
                if matches(ordinal) { return ordinal }
            }
            at += 1
            if at == table.capacity { at = 0 }
        }
    }

    @inline(__always)
    func prefetch(_ hash: UInt64) {
        let table = tables[Int(hash & 0xFF)]
        rfmd_prefetch(table.slots + table.home(hash))
    }

    func insert(_ hash: UInt64, _ ordinal: Int, hashOf: (Int) -> UInt64) {
        let table = tables + Int(hash & 0xFF)
        if (table.pointee.count + 1) * 8 > table.pointee.capacity * 7 { grow(table, hashOf) }
        HashIndex.place(hash, ordinal, in: table.pointee)
        table.pointee.count += 1
    }

    private static func place(_ hash: UInt64, _ ordinal: Int, in table: Table) {
        var at = table.home(hash)
        while table.slots[at] != 0 {
            at += 1
            if at == table.capacity { at = 0 }
        }
        table.slots[at] = hash & 0xFFFF_FFFF_0000_0000 | UInt64(ordinal + 1)
    }

    private func grow(_ table: UnsafeMutablePointer<Table>, _ hashOf: (Int) -> UInt64) {
        let old = table.pointee
        // By half: a table that has just grown is not half empty.
        table.pointee.capacity = old.capacity * 3 / 2
        table.pointee.slots = HashIndex.slots(table.pointee.capacity)
        // The ids' hashes are made anew: the slot keeps only the bits that tell customers apart.
        for slot in 0..<old.capacity where old.slots[slot] != 0 {
            let ordinal = Int(old.slots[slot] & 0xFFFF_FFFF) - 1
            HashIndex.place(hashOf(ordinal), ordinal, in: table.pointee)
        }
        old.slots.deallocate()
    }
}
