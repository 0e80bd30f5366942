// A customer's entries are what was put in, packed or not, few or many, and whoever they share the store with.
import Model
import TestSupport
import Testing

@testable import Engine

@Suite struct EntryStoreTests {
    private static let now: Int64 = 1_770_000_000_000
    /// 2^34 ms.
    private static let halfAYear: Int64 = 1 << 34

    private static func packed(_ entries: [Entry]) -> [Entry]? {
        var entries = entries
        return entries.withUnsafeMutableBufferPointer { buffer in
            guard let epoch = PackedEntry.epoch(of: buffer) else { return nil }
            return buffer.map { PackedEntry($0, epoch: epoch).entry(epoch: epoch) }
        }
    }

    private static func areSame(_ one: [Entry], _ other: [Entry]) -> Bool {
        one.count == other.count
            && zip(one, other).allSatisfy {
                $0.key == $1.key && $0.timeAndFlags == $1.timeAndFlags && $0.value == $1.value
            }
    }

    private static func order(_ value: Int64, at time: Int64 = now, flags: Entry.Flags = []) -> Entry {
        Entry(.order, key: .max, time: time, dayDistance: -1, value: value, flags: flags)
    }

    @Test func whatIsPackedComesBack() {
        let flags: [Entry.Flags] = [[], .refunded, .wiped, [.refunded, .wiped]]
        var entries = flags.flatMap { flags in
            [0, 1, 1 << 23 - 1].map { EntryStoreTests.order($0, flags: flags) }
        }
        for flags: Entry.Flags in [[], .open, .muted, [.open, .muted]] {
            for dayDistance: Int64 in [-1, 0, 1] {
                entries.append(
                    Entry(.warning, key: 1, time: EntryStoreTests.now, dayDistance: dayDistance, value: 0, flags: flags)
                )
            }
        }
        #expect(EntryStoreTests.packed(entries).map { EntryStoreTests.areSame($0, entries) } == true)
        let epoch = 3 * EntryStoreTests.halfAYear
        let last = 256 * EntryStoreTests.halfAYear - 1
        for times in [[0, 1], [epoch, epoch + 4 * EntryStoreTests.halfAYear - 1], [last]] {
            let entries = times.map { EntryStoreTests.order(5, at: $0) }
            #expect(EntryStoreTests.packed(entries).map { EntryStoreTests.areSame($0, entries) } == true, "\(times)")
        }
    }

    @Test func whatDoesNotFitIsNotPacked() {
        let (order, now, halfAYear) = (EntryStoreTests.order, EntryStoreTests.now, EntryStoreTests.halfAYear)
        let one = Entry(.order, key: 1, time: now, value: 1)
        let others: [Entry] = [
            order(-1, now, []), order(1 << 23, now, []), order(.min, now, []), order(1, -1, []),
            order(1, 256 * halfAYear, []), order(1, now - 4 * halfAYear, []), order(1, now + 4 * halfAYear, []),
            order(1, now, .open), order(1, now, .muted), order(1, now, Entry.Flags(rawValue: 1 << 9)),
            Entry(.warning, key: 1, time: now, value: 0, flags: .refunded),
            Entry(.warning, key: 1, time: now, value: 0, flags: Entry.Flags(rawValue: 1 << 15)),
            Entry(.seen, key: 1, time: now, value: 1), Entry(.pendingRefund, key: 1, time: now, value: 1),
            Entry(.click, key: 1, time: now, value: 1),
        ]
        for (number, other) in others.enumerated() {
            #expect(EntryStoreTests.packed([one, other]) == nil, "number \(number)")
            #expect(EntryStoreTests.packed([other, one]) == nil, "number \(number)")
        }
    }

    /// Any entry at all either comes back as it was or is not packed.
    @Test(arguments: 0..<4) func packingLosesNothing(seed: Int) {
        var random = RandomSource(seed: UInt64(seed))
        var count = 0
        for step in 0..<20_000 {
            let entries = (0..<random.int(1...3)).map { _ in EntryStoreTests.anyEntry(&random) }
            guard let packed = EntryStoreTests.packed(entries) else { continue }
            count += 1
            #expect(EntryStoreTests.areSame(packed, entries), "seed \(seed), step \(step)")
        }
        #expect(count > 1_000 && count < 19_000)
    }

    private static func anyEntry(_ random: inout RandomSource) -> Entry {
        let time = now + random.int64(-1 << 36...1 << 36)
        var bits = Int64(random.pick([Entry.Kind.order, .order, .order, .warning]).rawValue) | random.int64(0...2) << 3
        bits |= random.one(in: 8) ? random.int64(0...0xFFFF) & 0xFFE0 : random.int64(0...3) << 5
        return Entry(
            key: UInt64(bitPattern: random.int64(.min ... .max)), timeAndFlags: time << 16 | bits,
            value: random.one(in: 20) ? random.int64(.min ... .max) : random.int64(0...1 << 22))
    }

    /// A snapshot's form of a customer's entries depends on nothing but them, and they come back from it.
    private static func expectOneForm(
        _ row: UnsafeMutablePointer<CustomerRow>, in store: EntryStore, _ entries: [Entry]
    ) {
        store.withStoredEntries(of: row) { bytes, epoch in
            #expect((epoch != nil) == (entries.count <= 8 && packed(entries) != nil))
            var copy = EntryStore()
            var other = row.pointee
            defer { copy.deallocate() }
            (other.entryCount, other.entries) = (0, 0)
            other.contents.remove(.packed)
            if epoch != nil { other.contents.insert(.packed) }
            copy.place(bytes, epoch: epoch, &other)
            withUnsafeMutablePointer(to: &other) { other in
                #expect(areSame(copy.reading(other) { Array(copy.entries(of: other)) }, entries))
                copy.withStoredEntries(of: other) { again, epochAgain in
                    #expect(bytes.elementsEqual(again) && epoch == epochAgain)
                }
            }
        }
    }

    /// Customers who share a store, each against a list of his own: entries come, change, go, and he is read meanwhile.
    @Test(arguments: 0..<6) func everyoneHasHisOwn(seed: Int) {
        var random = RandomSource(seed: UInt64(seed))
        var store = EntryStore()
        defer { store.deallocate() }
        let customers = 12
        let rows = UnsafeMutablePointer<CustomerRow>.allocate(capacity: customers)
        UnsafeMutableRawPointer(rows).initializeMemory(
            as: UInt8.self, repeating: 0, count: customers * MemoryLayout<CustomerRow>.stride)
        defer { rows.deallocate() }
        var lists = [[Entry]](repeating: [], count: customers)
        var (packed, many) = (0, 0)
        for step in 0..<6_000 {
            let customer = random.int(0...customers - 1)
            let row = rows + customer
            let kept = store.open(row)
            #expect(!row.pointee.contents.contains(.packed))
            for _ in 0..<random.int(0...(random.one(in: 30) ? 60 : 3)) {
                let count = lists[customer].count
                if count > 0 && random.int(0...9) < (customer < 6 ? 6 : 4) {
                    let place = random.int(0...count - 1)
                    store.entries(of: row)[place] = lists[customer][count - 1]
                    store.removeLast(row)
                    lists[customer][place] = lists[customer][count - 1]
                    lists[customer].removeLast()
                } else {
                    let entry =
                        customer % 2 == 0 ? EntryStoreTests.order(Int64(step)) : EntryStoreTests.anyEntry(&random)
                    store.append(entry, row)
                    lists[customer].append(entry)
                }
            }
            store.close(row, kept)
            if row.pointee.contents.contains(.packed) { packed += 1 }
            if lists[customer].count > 40 { many += 1 }
            let other = random.int(0...customers - 1)
            let block = (rows[other].entries, rows[other].entryOrder, rows[other].contents)
            let read = store.reading(rows + other) { Array(store.entries(of: rows + other)) }
            #expect(EntryStoreTests.areSame(read, lists[other]), "seed \(seed), step \(step)")
            #expect(block == (rows[other].entries, rows[other].entryOrder, rows[other].contents))
            if step % 8 == 0 { EntryStoreTests.expectOneForm(rows + other, in: store, lists[other]) }
            var contents: CustomerRow.Contents = []
            for entry in lists[customer] { contents.insert(entry.kind.content) }
            let known = row.pointee.contents.intersection(.entries)
            #expect(known.isSuperset(of: contents) && (!lists[customer].isEmpty || known.isEmpty))
        }
        #expect(packed > 1_000 && many > 100)
        // What all give back is whole again.
        for customer in 0..<customers {
            let row = rows + customer
            let kept = store.open(row)
            while row.pointee.entryCount > 0 { store.removeLast(row) }
            store.close(row, kept)
        }
        let bytes = store.bytes
        for _ in 0..<(bytes / MemoryLayout<PackedEntry>.stride) >> EntryStore.largestOrder {
            _ = store.allocate(order: EntryStore.largestOrder)
        }
        #expect(store.bytes == bytes, "blocks were lost")
    }

    @Test func fourOrdersAreOneCacheLine() {
        var store = EntryStore()
        defer { store.deallocate() }
        let row = UnsafeMutablePointer<CustomerRow>.allocate(capacity: 1)
        defer { row.deallocate() }
        UnsafeMutableRawPointer(row).initializeMemory(as: UInt8.self, repeating: 0, count: 64)
        let kept = store.open(row)
        for _ in 0..<4 { store.append(EntryStoreTests.order(100), row) }
        store.close(row, kept)
        let bytes = store.bytes(of: row)
        #expect(bytes.count == 64 && UInt(bitPattern: bytes.baseAddress) % 64 == 0)
    }
}
