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
    }

    /// Copies a customer who is about to change and whose turn has not come.
    @inline(__always)
    func preserve(_ ordinal: Int) {
        if snapshot != nil { copyBeforeChange(ordinal) }
    }

    private func copyBeforeChange(_ ordinal: Int) {
        guard let cursor = snapshot, ordinal < cursor.count, ordinal >= cursor.next, !cursor.copied.contains(ordinal),
            let held = snapshot?.heldBuffer()
        else { return }
        let before = held.count
        encode(ordinal, into: held)
        snapshot?.heldBytes += held.count - before
        snapshot?.copied.insert(ordinal)
    }

    /// Ordinal (4), row fields, id, entries.
    private func encode(_ ordinal: Int, into buffer: ByteBuffer) {
        let row = table.row(ordinal).pointee
        buffer.append(UInt32(ordinal))
        buffer.append(row.idLength)
        table.withID(ordinal) { buffer.append(contentsOf: $0) }
        for value in [row.due, row.firstSeen, row.lastEvent, row.agedNet, row.agedFirst, row.agedLast, row.activityAt] {
            buffer.append(value)
        }
        buffer.append(row.activity0.bitPattern)
        buffer.append(row.activity1.bitPattern)
        buffer.append(row.agedCount)
        for rung in [row.rungs.0, row.rungs.1, row.rungs.2, row.rungs.3, row.version, row.ignoresClicks ? 1 : 0] {
            buffer.append(rung)
        }
        buffer.append(row.entryCount)
        if row.entryCount > 0 {
            buffer.append(
                contentsOf: UnsafeRawBufferPointer(
                    start: store.pointer(row.entries), count: Int(row.entryCount) * MemoryLayout<Entry>.stride))
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
                hasClock == 1 || clock == 0, sweeps == 1 ? sweepClock <= clock : sweepCursor == 0 && sweepClock == 0
            else { throw DamagedState(reason: "the header of the state is out of range") }
            self.clock = hasClock == 1 ? clock : nil
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
        do {
            var reader = ByteReader(bytes)
            while reader.remaining > 0 { try decodeCustomer(&reader) }
        } catch let error as DamagedState { throw error } catch { throw DamagedState(reason: "a customer is cut off") }
    }

    private func decodeCustomer(_ reader: inout ByteReader) throws {
        let start = reader.offset
        let ordinal = Int(try reader.read(UInt32.self))
        let idLength: UInt8 = try reader.read()
        _ = try reader.readBytes(Int(idLength) + 7 * 8 + 2 * 8 + 4 + 6)
        let entryCount: UInt16 = try reader.read()
        _ = try reader.readBytes(Int(entryCount) * MemoryLayout<Entry>.stride)
        guard let restoring, idLength > 0, ordinal < restoring.expected,
            Int(entryCount) <= EntryStore.capacity(order: EntryStore.largestOrder)
        else {
            throw DamagedState(reason: "customer \(ordinal) is out of range")
        }
        guard !restoring.placed.contains(ordinal) else { throw DamagedState(reason: "customer \(ordinal) comes twice") }
        let raw = UnsafeRawBufferPointer(rebasing: reader.bytes[start..<reader.offset])
        if ordinal < restoring.reach {
            try place(raw, ordinal)
        } else {
            restoring.early.append(contentsOf: raw)
            self.restoring?.earlyCount += 1
        }
    }

    /// Those who came early and for whom there is room now.
    private func placeEarly() throws(DamagedState) {
        guard let restoring, restoring.earlyCount > 0,
            restoring.placed.count + restoring.earlyCount == restoring.expected
        else { return }
        let early = restoring.early
        self.restoring?.early = ByteBuffer()
        self.restoring?.earlyCount = 0
        self.restoring?.isWhole = true
        try restoreCustomers(early.bytes)
    }

    private func place(_ raw: UnsafeRawBufferPointer, _ ordinal: Int) throws {
        var reader = ByteReader(raw)
        _ = try reader.read(UInt32.self)
        let id = try reader.readBytes(Int(try reader.read(UInt8.self)))
        restoring?.placed.grow(toHold: ordinal + 1)
        restoring?.placed.insert(ordinal)
        if ordinal >= table.count {
            table.reserve(ordinal + 1)
            wheel.grow(toHold: ordinal + 1)
        }
        let hash = table.hash(id)
        guard table.find(id, hash: hash) == nil else { throw DamagedState(reason: "two customers have one id") }
        table.place(id, hash: hash, at: ordinal)
        let row = table.row(ordinal)
        row.pointee.due = try reader.read()
        row.pointee.firstSeen = try reader.read()
        row.pointee.lastEvent = try reader.read()
        row.pointee.agedNet = try reader.read()
        row.pointee.agedFirst = try reader.read()
        row.pointee.agedLast = try reader.read()
        row.pointee.activityAt = try reader.read()
        row.pointee.activity0 = Double(bitPattern: try reader.read())
        row.pointee.activity1 = Double(bitPattern: try reader.read())
        row.pointee.agedCount = try reader.read()
        row.pointee.rungs = (try reader.read(), try reader.read(), try reader.read(), try reader.read())
        row.pointee.version = try reader.read()
        let ignoresClicks: UInt8 = try reader.read()
        row.pointee.ignoresClicks = ignoresClicks == 1
        let entryCount: UInt16 = try reader.read()
        let bytes = try reader.readBytes(Int(entryCount) * MemoryLayout<Entry>.stride)
        guard ignoresClicks <= 1, isPossible(row.pointee, ordinal: ordinal, entries: bytes) else {
            throw DamagedState(reason: "customer \(ordinal) is not as an engine leaves one")
        }
        if entryCount > 0 {
            let order = EntryStore.order(for: Int(entryCount))
            row.pointee.entries = store.allocate(order: order)
            row.pointee.entryOrder = UInt8(order)
            row.pointee.entryCount = entryCount
            UnsafeMutableRawPointer(store.pointer(row.pointee.entries)).copyMemory(
                from: bytes.baseAddress!, byteCount: bytes.count)
            store.noteEntries(of: row)
        }
        size += StateSize.customer(idLength: id.count) + StateSize.place * StateSize.places(for: Int(entryCount))
        row.pointee.queued = CustomerRow.never
        wheel.file(ordinal, row)
    }

    /// Ends a restore: the state must be whole.
    package func finishRestore() throws(DamagedState) {
        try placeEarly()
        guard let restoring, restoring.expected == restoring.placed.count, restoring.earlyCount == 0 else {
            throw DamagedState(reason: "customers are missing, or come twice")
        }
        restoring.placed.deallocate()
        self.restoring = nil
    }

    struct Restoring {
        /// Customers that the header names.
        var expected: Int
        var placed = OrdinalSet()
        /// Customers whose ordinal is far beyond what has come, as bytes: only a whole state makes room for them.
        var early = ByteBuffer()
        var earlyCount = 0
        /// All have come.
        var isWhole = false

        /// Room is made up to it. A snapshot begins with customers who changed while it was written, from anywhere; the others come in
        /// their order. So it runs ahead of what has come, but not without bound.
        var reach: Int { isWhole ? expected : placed.count * 16 + 1 << 18 }
    }
}
