// Fetching what an event will need while earlier events are applied: a customer's state is three cache misses away.
import CMemory

extension Engine {
    /// How many events ahead of `apply` each step of `prefetch` is worth taking; the steps build on each other.
    package static let prefetchDistances = (slot: 24, row: 16, entries: 8)

    /// First step: the slot of the index. Changes nothing, like the other two.
    @inline(__always)
    package func prefetchSlot(_ customer: UnsafeRawBufferPointer) { table.prefetchSlot(table.hash(customer)) }

    /// Second step: the customer's row.
    @inline(__always)
    package func prefetchRow(_ customer: UnsafeRawBufferPointer) { table.prefetchRow(table.hash(customer)) }

    /// Third step: the customer's entries.
    @inline(__always)
    package func prefetchEntries(_ customer: UnsafeRawBufferPointer) {
        guard let row = table.likelyRow(table.hash(customer)), row.pointee.entryCount > 0 else { return }
        let entries = UnsafeRawPointer(store.pointer(row.pointee.entries))
        rfmd_prefetch(entries)
        if row.pointee.entryCount > 2 { rfmd_prefetch(entries + 64) }
        if row.pointee.entryCount > 5 { rfmd_prefetch(entries + 128) }
    }
}
