// The state of a shard as bytes: in parts while it goes on changing, and back.
import CXXHash
import Model
import Rules

/// A snapshot on its way out. Its point is the moment when it was begun.
struct SnapshotCursor {
    /// Customers at that moment.
    var count: Int
    /// Customers below it are written.
    var next = 0
    /// Customers at or above `next` that were copied before they changed.
    var copied = OrdinalSet()
    /// Those copies, until they are taken, in buffers of about `heldBufferBytes`.
    var held: [ByteBuffer] = []
    var heldBytes = 0

    static let heldBufferBytes = 256 << 10

    /// Where the next copy goes.
    mutating func heldBuffer() -> ByteBuffer {
        if let last = held.last, last.count < SnapshotCursor.heldBufferBytes { return last }
        let new = ByteBuffer(capacity: SnapshotCursor.heldBufferBytes + 4_096)
        held.append(new)
        return new
    }
}

extension Engine {
    /// A state that cannot be restored; `reason` says what is wrong.
    package struct DamagedState: Error {
        package var reason: String

        package init(reason: String) { self.reason = reason }
    }

    // MARK: Out

    /// Begins a snapshot: everything that is not about one customer. Only between slices.
    package func beginSnapshot(into buffer: ByteBuffer) {
        endSnapshot()
        var cursor = SnapshotCursor(count: table.count)
        cursor.copied.grow(toHold: table.count + 1)
        snapshot = cursor
        snapshotEnd = cursor.count
        buffer.append(clock == nil ? UInt8(0) : 1)
        buffer.append(clock ?? 0)
        buffer.append(UInt32(fireCursor))
        buffer.append(versionNumber)
        buffer.append(UInt64(table.count))
        buffer.append(sweep == nil ? UInt8(0) : 1)
        buffer.append(UInt32(sweep?.cursor ?? 0))
        buffer.append(sweep?.clock ?? 0)
    }

    /// Bytes held back for the writer: customers who changed before their turn.
    package var snapshotHeld: Int { snapshot?.heldBytes ?? 0 }

    /// Writes the next customers, about `limit` bytes of them; false when none is left.
    package func continueSnapshot(into buffer: ByteBuffer, limit: Int) -> Bool {
        guard var cursor = snapshot else { return false }
        if let held = cursor.held.popLast() {
            cursor.heldBytes -= held.count
            buffer.append(contentsOf: held.bytes)
            snapshot = cursor
            return true
        }
        while cursor.next < cursor.count && buffer.count < limit {
            if !cursor.copied.contains(cursor.next) { encode(cursor.next, into: buffer) }
            cursor.next += 1
        }
        snapshot = cursor
        return cursor.next < cursor.count
    }

    package func endSnapshot() {
        snapshot?.copied.deallocate()
        snapshot = nil
        snapshotEnd = 0
    }

    /// Copies a customer who is about to change and whose turn has not come.
    @inline(__always)
    func preserve(_ ordinal: Int) {
        if ordinal < snapshotEnd { copyBeforeChange(ordinal) }
    }

    private func copyBeforeChange(_ ordinal: Int) {
        guard let cursor = snapshot, ordinal >= cursor.next, !cursor.copied.contains(ordinal),
            let held = snapshot?.heldBuffer()
        else { return }
        let before = held.count
        encode(ordinal, into: held)
        snapshot?.heldBytes += held.count - before
        snapshot?.copied.insert(ordinal)
    }

    /// As `EncodedCustomer` reads it.
    private func encode(_ ordinal: Int, into buffer: ByteBuffer) {
        let row = table.row(ordinal)
        store.withStoredEntries(of: row) { entries, epoch in
            withUnsafeBytes(of: CustomerImage(ordinal, row.pointee, epoch: epoch)) { buffer.append(contentsOf: $0) }
            table.withID(ordinal) { buffer.append(contentsOf: $0) }
            if row.pointee.contents.contains(.aged) {
                withUnsafeBytes(of: table.agedOrders(ordinal).pointee) { buffer.append(contentsOf: $0) }
            }
            if row.pointee.contents.contains(.activity) {
                withUnsafeBytes(of: table.activity(ordinal).pointee) { buffer.append(contentsOf: $0) }
            }
            buffer.append(contentsOf: entries)
        }
    }

    /// A digest of the whole state: the same for the same state, whatever the way that led to it.
    package func stateDigest() -> Digest {
        let buffer = ByteBuffer(capacity: 4_096)
        buffer.append(clock ?? .min)
        buffer.append(UInt32(fireCursor))
        buffer.append(UInt64(table.count))
        var digest = Digest(of: buffer.bytes)
        for ordinal in 0..<table.count {
            buffer.removeAll()
            encode(ordinal, into: buffer)
            let one = Digest(of: buffer.bytes)
            digest.high &+= one.high
            digest.low &+= one.low
        }
        return digest
    }

    // MARK: In

    /// Restores what `beginSnapshot` wrote, into an engine without customers. `oldRules` are those of the version before, for a
    /// version that had not yet reached every customer.
    package func restoreHeader(_ bytes: UnsafeRawBufferPointer, oldRules: Ruleset?) throws(DamagedState) {
        do {
            var reader = ByteReader(bytes)
            let hasClock: UInt8 = try reader.read()
            let clock: Int64 = try reader.read()
            fireCursor = Int(try reader.read(UInt32.self))
            versionNumber = try reader.read()
            let count: UInt64 = try reader.read()
            let sweeps: UInt8 = try reader.read()
            let sweepCursor = Int(try reader.read(UInt32.self))
            let sweepClock: Int64 = try reader.read()
            // One state has one form: what is not used is 0.
            guard reader.remaining == 0, count <= UInt64(Limits.customersPerShard), hasClock <= 1, sweeps <= 1,
                fireCursor <= Int(count), sweepCursor <= Int(count), Entry.holds(clock), Entry.holds(sweepClock),
                // The first customer sets the clock, and a version before any has nothing to sweep.
                hasClock == 1 || clock == 0 && count == 0 && sweeps == 0, versionNumber < 1 << 32,
                sweeps == 1 ? sweepClock <= clock : sweepCursor == 0 && sweepClock == 0
            else { throw DamagedState(reason: "the header of the state is out of range") }
            self.clock = hasClock == 1 ? clock : nil
            // So that everybody is filed where he stays, and not at the beginning of time first.
            if hasClock == 1 { wheel.collect(upTo: clock, table.rows) }
            // Nothing is reserved for customers who have not come yet: a file may say any number.
            restoring = Restoring(expected: Int(count))
            if sweeps == 1 {
                guard let oldRules else { throw DamagedState(reason: "the version before is needed and not known") }
                sweep = Sweep(cursor: sweepCursor, clock: sweepClock, oldRules: oldRules, oldNames: RuleNames(oldRules))
            }
        } catch let error as DamagedState { throw error } catch {
            throw DamagedState(reason: "the header of the state is cut off")
        }
    }

    /// Restores customers that `continueSnapshot` wrote, in any order.
    package func restoreCustomers(_ bytes: UnsafeRawBufferPointer) throws(DamagedState) {
        var scan = CustomerScan(bytes)
        while let customer = try scan.next() { try restore(customer) }
    }

    private func restore(_ customer: EncodedCustomer) throws(DamagedState) {
        let ordinal = customer.ordinal
        guard let restoring, ordinal < restoring.expected else {
            throw DamagedState(reason: "customer \(ordinal) is out of range")
        }
        guard !restoring.placed.contains(ordinal) else { throw DamagedState(reason: "customer \(ordinal) comes twice") }
        if ordinal < restoring.reach {
            try place(customer, restoring)
        } else {
            restoring.early.append(contentsOf: customer.bytes)
            restoring.earlyCount += 1
        }
    }

    /// Those who came early and for whom there is room now.
    private func placeEarly() throws(DamagedState) {
        guard let restoring, restoring.earlyCount > 0,
            restoring.placed.count + restoring.earlyCount == restoring.expected
        else { return }
        let early = restoring.early
        restoring.early = ByteBuffer()
        restoring.earlyCount = 0
        restoring.isWhole = true
        try restoreCustomers(early.bytes)
    }

    private func place(_ customer: EncodedCustomer, _ restoring: Restoring) throws(DamagedState) {
        let ordinal = customer.ordinal
        restoring.placed.grow(toHold: ordinal + 1)
        restoring.placed.insert(ordinal)
        if ordinal >= table.count {
            table.reserve(ordinal + 1)
            wheel.grow(toHold: ordinal + 1)
        }
        guard let contents = checkedContents(of: customer) else { throw Engine.unlikely(ordinal) }
        table.place(customer.id, at: ordinal)
        restoring.unindexed.append(PlacedCustomer(hash: table.hash(customer.id), ordinal: UInt32(ordinal)))
        let row = table.row(ordinal)
        customer.image.restore(row)
        if let aged = customer.aged { table.agedOrders(ordinal).pointee = aged }
        if let activity = customer.activity { table.startActivity(ordinal, activity) }
        row.pointee.contents = contents
        store.place(customer.entries, epoch: customer.epoch, row)
        // One state has one form.
        guard row.pointee.contents.contains(.packed) == (customer.epoch != nil) else { throw Engine.unlikely(ordinal) }
        size +=
            StateSize.customer(idLength: customer.id.count) + StateSize.place
            * StateSize.places(for: Int(customer.image.entryCount))
        row.pointee.queued = CustomerRow.never
        wheel.file(ordinal, table.rows)
    }

    private static func unlikely(_ ordinal: Int) -> DamagedState {
        DamagedState(reason: "customer \(ordinal) is not as an engine leaves one")
    }

    /// What can be put into the index meanwhile; nil most of the time. Whoever does not ask has it done by `finishRestore`.
    package func takeIndexing() -> Indexing? {
        guard let restoring, restoring.unindexed.count >= restoring.indexedAtOnce, restoring.isSurelyLarge else {
            return nil
        }
        return restoring.takeIndexing(self)
    }

    /// Ends a restore: the state must be whole.
    package func finishRestore() throws(DamagedState) {
        try placeEarly()
        guard let restoring, restoring.expected == restoring.placed.count, restoring.earlyCount == 0 else {
            throw DamagedState(reason: "customers are missing, or come twice")
        }
        restoring.takeIndexing(self).run()
        if restoring.index.hasTwins { throw DamagedState(reason: "two customers have one id") }
        precondition(restoring.index.count == restoring.expected, "what was given out to be indexed was not done")
        table.use(restoring.index.take())
        self.restoring = nil
    }

    /// What is known of a restore until it ends.
    final class Restoring {
        /// Customers that the header names.
        let expected: Int
        var placed = OrdinalSet()
        /// Customers whose ordinal is far beyond what has come, as bytes: only a whole state makes room for them.
        var early = ByteBuffer()
        var earlyCount = 0
        /// All have come.
        var isWhole = false
        let index: RestoredIndex
        /// Who was placed and is not given out to be indexed.
        var unindexed: [PlacedCustomer] = []
        /// A part of all, so that the index is done soon after the last of them; bounded, so that little waits.
        let indexedAtOnce: Int

        init(expected: Int) {
            self.expected = expected
            index = RestoredIndex(expected: expected)
            indexedAtOnce = min(1 << 14, expected / 8 + 1)
        }

        deinit { placed.deallocate() }

        /// Room is made up to it. A snapshot begins with customers who changed while it was written, from anywhere; the others come in
        /// their order. So it runs ahead of what has come, but not without bound.
        var reach: Int { isWhole ? expected : placed.count * 16 + 1 << 18 }

        /// So many have come that an index for all who are expected is not too large.
        var isSurelyLarge: Bool { placed.count >= expected / 16 }

        func takeIndexing(_ engine: Engine) -> Indexing {
            defer { unindexed.removeAll() }
            return Indexing(engine, index, unindexed, engine.table.ids)
        }
    }
}
