// Fetching what an event will need while earlier events are applied: a customer's state is three cache misses away.
import CMemory

/// The last customers who were announced, each on his way from the index to his entries.
struct Lookahead {
    /// A power of two, not less than the way is long.
    private static let size = 32
    private let hashes: UnsafeMutablePointer<UInt64>
    /// His ordinal, or -1.
    private let ordinals: UnsafeMutablePointer<Int>
    private var count = 0

    init() {
        hashes = .allocate(capacity: Lookahead.size)
        hashes.initialize(repeating: 0, count: Lookahead.size)
        ordinals = .allocate(capacity: Lookahead.size)
        ordinals.initialize(repeating: -1, count: Lookahead.size)
    }

    func deallocate() {
        hashes.deallocate()
        ordinals.deallocate()
    }

    @inline(__always)
    mutating func push(_ hash: UInt64) {
        hashes[count & (Lookahead.size - 1)] = hash
        count &+= 1
    }

    /// Of the customer who was announced `back` announcements ago, counted from 1.
    @inline(__always)
    func hash(_ back: Int) -> UInt64 { hashes[(count &- back) & (Lookahead.size - 1)] }

    @inline(__always)
    func ordinal(_ back: Int) -> Int { ordinals[(count &- back) & (Lookahead.size - 1)] }

    @inline(__always)
    func setOrdinal(_ back: Int, _ ordinal: Int) { ordinals[(count &- back) & (Lookahead.size - 1)] = ordinal }
}

extension Engine {
    /// How many events before its own an event's customer is best announced.
    package static let lookahead = 24
    /// Announcements after which the slot of the index has come, and the row.
    private static let steps = (row: 9, entries: 17)
    /// Of a customer's entries.
    private static let mostLinesAhead = 8

    /// Tells that an event of this customer comes soon. Changes nothing, and need not be true.
    @inline(__always)
    package func announce(_ customer: UnsafeRawBufferPointer) {
        let hash = table.hash(customer)
        table.prefetchSlot(hash)
        ahead.push(hash)
        ahead.setOrdinal(Engine.steps.row, table.prefetchRow(ahead.hash(Engine.steps.row)) ?? -1)
        let ordinal = ahead.ordinal(Engine.steps.entries)
        if ordinal < 0 { return }
        let row = table.row(ordinal)
        if row.pointee.contents.contains(.activity) { rfmd_prefetch(table.activity(ordinal)) }
        // Most events are clicks, and of him they need no entries.
        if row.pointee.entryCount == 0 || row.pointee.ignoresClicks { return }
        if let next = store.nextOfMany(row) { rfmd_prefetch(next) }
        let bytes = store.bytes(of: row)
        rfmd_prefetch_lines(bytes.baseAddress, bytes.count, Engine.mostLinesAhead)
    }
}
