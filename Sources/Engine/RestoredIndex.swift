// The index of customers who come back from a snapshot: another thread makes it while the next of them are placed.
import Model

/// Grows by one `Indexing` after the other.
final class RestoredIndex {
    private var index = HashIndex()
    /// How many there will be.
    private let expected: Int
    /// Two of them have one id: the others are not looked at.
    private(set) var hasTwins = false

    init(expected: Int) { self.expected = expected }

    deinit { index.deallocate() }

    func add(_ customers: [PlacedCustomer], _ ids: CustomerIDs) {
        if count == 0 { index.reserve(expected) }
        // Slots of the index are fetched some customers ahead.
        let ahead = 32
        for customer in customers.prefix(ahead) { index.prefetch(customer.hash) }
        for (place, customer) in customers.enumerated() where !hasTwins {
            if place + ahead < customers.count { index.prefetch(customers[place + ahead].hash) }
            let ordinal = Int(customer.ordinal)
            let isNew = index.insert(
                customer.hash, ordinal, unless: { ids.areSame($0, ordinal) }, hashOf: { ids.hash(of: $0) })
            hasTwins = !isNew
        }
    }

    var count: Int { index.count }

    /// Nothing is left here.
    func take() -> HashIndex {
        defer { index = HashIndex() }
        return index
    }
}

/// A customer whose id is where it stays.
struct PlacedCustomer {
    var hash: UInt64
    var ordinal: UInt32
}

/// Customers on their way into the index. What is given out is run in that order by one thread at a time, all of it before the restore ends.
///
/// Sendable because nothing else uses the index until then, and ids do not change: the engine only has to be there as long as they are read.
package final class Indexing: @unchecked Sendable {
    private let engine: Engine
    private let index: RestoredIndex
    private let customers: [PlacedCustomer]
    private let ids: CustomerIDs

    init(_ engine: Engine, _ index: RestoredIndex, _ customers: [PlacedCustomer], _ ids: CustomerIDs) {
        (self.engine, self.index, self.customers, self.ids) = (engine, index, customers, ids.view())
    }

    deinit { ids.endView() }

    package func run() { index.add(customers, ids) }
}
