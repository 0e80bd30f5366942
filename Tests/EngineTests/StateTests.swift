// Limits of one customer, and the parts that hold state: store, wheel and table.
import CMemory
import Model
import Rules
import TestSupport
import Testing

@testable import Engine

@Suite struct StateTests {
    private static let day: Int64 = 86_400_000

    private static func engine() throws -> Engine {
        let ladder = LadderSource(
            name: "tier", rungs: [.init(name: "some", rule: "orders(90d) >= 1"), .init(name: "none", rule: nil)])
        let rules = try Ruleset(
            ladders: [ladder], warnings: [], zone: .utc, currencyExponent: 2, halfLives: [7 * day, 28 * day])
        return Engine(rules: rules, key: 7)
    }

    private static func purchase(_ id: String, at time: Int64, customer: String = "c1") -> Event {
        Event(kind: .purchase, customer: customer, id: id, occurredAt: time, amount: 100)
    }

    /// Fills a customer's entries up to the limit without the cost of so many events.
    private static func fill(_ engine: Engine, upTo count: Int, _ make: (Int) -> Entry) {
        let row = engine.table.row(0)
        let kept = engine.store.open(row)
        while Int(row.pointee.entryCount) < count { engine.append(make(Int(row.pointee.entryCount)), row) }
        engine.store.close(row, kept)
    }

    @Test func ordersOverTheLimitAreRefusedAndLeaveNoTrace() throws {
        let engine = try StateTests.engine()
        let now: Int64 = 1_770_000_000_000
        StateTests.purchase("o1", at: now).apply(to: engine)
        StateTests.fill(engine, upTo: Limits.entriesPerCustomer - 1) {
            Entry(.order, key: UInt64($0), time: now, value: 1)
        }
        _ = try engine.takeChanges()
        let before = engine.stateDigest()
        #expect(StateTests.purchase("o2", at: now + 5).apply(to: engine) == .refused(.entries))
        #expect(engine.stateDigest() == before)
        #expect(engine.clock == now)
        #expect(try engine.takeChanges() == [])
        // Another customer goes on.
        #expect(StateTests.purchase("o3", at: now, customer: "c2").apply(to: engine) == .accepted)
        // When they have left the longest window there is room again.
        #expect(StateTests.purchase("o4", at: now + 90 * StateTests.day).apply(to: engine) == .accepted)
        #expect(engine.table.row(0).pointee.entryCount == 1)
    }

    /// Refunds of an order may be older than the longest window: they are kept as long as their order, and count.
    @Test func oldRefundsOfOneOrderCannotGrowWithoutBound() throws {
        let engine = try StateTests.engine()
        let now: Int64 = 1_770_000_000_000
        StateTests.purchase("o1", at: now).apply(to: engine)
        let row = engine.table.row(0)
        let order = engine.store.reading(row) { engine.store.entries(of: row)[0].key }
        StateTests.fill(engine, upTo: Limits.entriesPerCustomer - 1) {
            Entry(.seen, key: UInt64($0), time: now - 500 * StateTests.day, value: Int64(bitPattern: order))
        }
        let refund = Event(
            kind: .refund, customer: "c1", id: "r1", order: "o1", occurredAt: now - 500 * StateTests.day, amount: 1)
        #expect(refund.apply(to: engine, at: now) == .refused(.entries))
        #expect(StateTests.purchase("o4", at: now + 90 * StateTests.day).apply(to: engine) == .accepted)
        #expect(engine.table.row(0).pointee.entryCount == 1)
    }

    /// What was seen of orders that are gone goes when its own day has left, also if nothing else does.
    @Test func seenEventsGoWithTheirDay() throws {
        let engine = try StateTests.engine()
        let now: Int64 = 1_770_000_000_000
        StateTests.purchase("o1", at: now).apply(to: engine)
        StateTests.fill(engine, upTo: 9) { Entry(.seen, key: UInt64($0), time: now, value: 99) }
        #expect(StateTests.purchase("o2", at: now + 80 * StateTests.day).apply(to: engine) == .accepted)
        #expect(StateTests.purchase("o3", at: now + 90 * StateTests.day).apply(to: engine) == .accepted)
        #expect(engine.table.row(0).pointee.entryCount == 2)
    }

    @Test func spendOverTheLimitIsRefused() throws {
        let engine = try StateTests.engine()
        let now: Int64 = 1_770_000_000_000
        StateTests.purchase("o1", at: now).apply(to: engine)
        StateTests.purchase("o2", at: now - 400 * StateTests.day).apply(to: engine, at: now)
        engine.table.agedOrders(0).pointee.net = Limits.spendMinorUnits + 1
        #expect(StateTests.purchase("o3", at: now + 1).apply(to: engine) == .refused(.spend))
    }

    @Test func agedOrdersOverTheLimitAreRefused() throws {
        let engine = try StateTests.engine()
        let now: Int64 = 1_770_000_000_000
        StateTests.purchase("o1", at: now).apply(to: engine)
        let old = StateTests.purchase("o2", at: now - 400 * StateTests.day)
        #expect(old.apply(to: engine, at: now) == .accepted)
        engine.table.agedOrders(0).pointee.count = Limits.agedOrders - 1
        #expect(old.apply(to: engine, at: now) == .accepted)
        #expect(engine.table.agedOrders(0).pointee.count == Limits.agedOrders)
        let before = engine.stateDigest()
        #expect(old.apply(to: engine, at: now + 1) == .refused(.entries))
        #expect(engine.stateDigest() == before)
    }

    @Test func customersOverTheLimitAreRefusedAndLeaveNoTrace() throws {
        let engine = Engine(rules: try StateTests.engine().rules, limits: StateLimits(customers: 2), key: 7)
        let now: Int64 = 1_770_000_000_000
        for customer in ["c1", "c2"] {
            #expect(StateTests.purchase("o1", at: now, customer: customer).apply(to: engine) == .accepted)
        }
        let before = engine.stateDigest()
        #expect(StateTests.purchase("o1", at: now + 1, customer: "c3").apply(to: engine) == .refused(.customers))
        #expect(engine.stateDigest() == before && engine.clock == now)
        // Those who are known go on.
        #expect(StateTests.purchase("o2", at: now + 2, customer: "c1").apply(to: engine) == .accepted)
    }

    /// XXH3 combines short texts with its seed bit by bit: a line's key must not be another refund's.
    @Test func lineAndRefundOfOneOrderAreNotMistakenForEachOther() throws {
        let now: Int64 = 1_770_000_000_000
        for key in 0..<64 {
            let engine = Engine(rules: try StateTests.engine().rules, key: UInt64(key))
            for id in ["e50", "1000", "123450", "12345670"] {
                var line = StateTests.purchase(id, at: now)
                (line.order, line.adds) = ("o\(id)", true)
                #expect(line.apply(to: engine) == .accepted)
                for digit in 0...9 {
                    let refund = id.dropLast() + "\(digit)"
                    let event = Event(
                        kind: .refund, customer: "c1", id: String(refund), order: "o\(id)", occurredAt: now, amount: 1)
                    #expect(event.apply(to: engine) == .accepted, "key \(key), line \(id), refund \(refund)")
                }
            }
        }
    }

    // MARK: Parts

    /// Blocks of the store never overlap, and everything that is given back is one again.
    @Test(arguments: 0..<4)
    func storeGivesOutDisjointBlocks(seed: Int) {
        var random = RandomSource(seed: UInt64(seed))
        var store = EntryStore()
        defer { store.deallocate() }
        var taken: [(block: UInt32, order: Int)] = []
        var owner: [UInt32: UInt32] = [:]
        for step in 0..<4_000 {
            if taken.isEmpty || random.int(0...99) < 55 {
                let order = random.one(in: 20) ? random.int(0...EntryStore.largestOrder) : random.int(0...4)
                let block = store.allocate(order: order)
                #expect(block % (1 << UInt32(order)) == 0, "seed \(seed), step \(step)")
                for index in block..<block + (1 << UInt32(order)) {
                    if let other = owner.updateValue(block, forKey: index) {
                        Issue.record(
                            "seed \(seed), step \(step): entry \(index) is in the blocks \(other) and \(block)")
                        return
                    }
                }
                store.write(block, order: order)
                taken.append((block, order))
            } else {
                let (block, order) = taken.remove(at: random.int(0...taken.count - 1))
                #expect(store.holds(block, order: order), "seed \(seed), step \(step): a block was written by another")
                for index in block..<block + (1 << UInt32(order)) { owner[index] = nil }
                store.release(block, order: order)
            }
        }
        for (block, order) in taken { store.release(block, order: order) }
        let bytes = store.bytes
        let whole = (bytes / MemoryLayout<PackedEntry>.stride) >> EntryStore.largestOrder
        for _ in 0..<whole { _ = store.allocate(order: EntryStore.largestOrder) }
        #expect(store.bytes == bytes, "seed \(seed): blocks were not joined")
    }

    /// Every ordinal is found by its hash, also where many hashes are alike in the bits that choose a bucket, and none by another.
    @Test(arguments: [UInt64.max, 0xFFFF_FFFF, 0x3F, 0x7_0000_0007])
    func indexFindsWhatWasInserted(mask: UInt64) {
        var random = RandomSource(seed: mask)
        var index = HashIndex()
        defer { index.deallocate() }
        var hashes: [UInt64] = []
        // Where very many are alike, each is compared with all of them.
        for ordinal in 0..<(mask & 0xFFFF_FFFF <= 0x3F ? 3_000 : 60_000) {
            let hash = UInt64(bitPattern: random.int64(.min ... .max)) & mask
            hashes.append(hash)
            index.insert(hash, ordinal) { hashes[$0] }
            let earlier = random.int(0...ordinal)
            #expect(index.candidates(hashes[earlier]).contains(earlier))
        }
        var further = 0
        for (ordinal, hash) in hashes.enumerated() {
            let candidates = Array(index.candidates(hash))
            #expect(candidates.count { $0 == ordinal } == 1)
            // They have the same tag.
            #expect(candidates.allSatisfy { hashes[$0] & 0xFFFF_0000 == hash & 0xFFFF_0000 })
            switch index.nearest(hash) {
            case .ordinal(let nearest): #expect(nearest == candidates.first)
            case .nobody: Issue.record("\(ordinal) is there")
            case .further: further += 1
            }
            let unknown = ~hash
            if case .nobody = index.nearest(unknown) { #expect(!index.candidates(unknown).contains { _ in true }) }
        }
        // Those without a tag of their own find somebody in every line.
        #expect(further * 5 < hashes.count && (further > 0) == (mask & 0xFFFF_0000 != 0))
        #expect(index.bytes < 40 * hashes.count + 100_000)
    }

    @Test func orderIsTheSmallestThatHolds() {
        for count in 1...Limits.entriesPerCustomer + Limits.warnings {
            let order = EntryStore.order(for: count)
            #expect(EntryStore.capacity(order: order) >= count)
            #expect(order == 0 || EntryStore.capacity(order: order - 1) < count)
        }
    }

    @Test func rowIsOneCacheLine() {
        #expect(MemoryLayout<CustomerRow>.stride == 64)
    }

    @Test func packedInstantsKeepWhatTheyAreGiven() {
        let origin = PackedInstant.origin
        for instant in [origin + 1, Limits.earliestTime, -1, 0, 1, Limits.latestTime, origin + 1 << 48 - 2] {
            #expect(PackedInstant.holds(instant))
            #expect(PackedInstant(instant).instant == instant)
            #expect(PackedInstant(deadline: instant).deadline == instant)
        }
        for mark in [CustomerRow.never, CustomerRow.isDue] {
            #expect(PackedInstant(deadline: mark).deadline == mark)
        }
        #expect(!PackedInstant.holds(origin))
        #expect(!PackedInstant.holds(origin + 1 << 48 - 1))
    }

    /// The wheel against a list: after each move of the clock exactly those are due that the list says.
    @Test(arguments: 0..<4)
    func wheelAgreesWithAList(seed: Int) {
        var random = RandomSource(seed: UInt64(seed))
        var table = CustomerTable(seed: 1)
        var wheel = DeadlineWheel()
        defer {
            table.deallocate()
            wheel.deallocate()
        }
        let customers = 200
        for number in 0..<customers {
            Array("c\(number)".utf8).withUnsafeBytes { id in
                let row = table.row(table.add(id, hash: table.hash(id)))
                (row.pointee.due, row.pointee.queued) = (CustomerRow.never, CustomerRow.never)
            }
        }
        wheel.grow(toHold: customers)
        var clock: Int64 = seed % 2 == 0 ? 1_770_000_000_000 : Limits.earliestTime
        for step in 0..<1_500 {
            let ordinal = random.int(0...customers - 1)
            let row = table.row(ordinal)
            row.pointee.due =
                random.one(in: 9)
                ? CustomerRow.never : clock + 1 + (random.int64(0...Int64.max) >> random.int64(16...62))
            wheel.update(ordinal, table.rows)
            guard random.one(in: 2) else { continue }
            clock += random.pick([0, 1, 63, 64, 4_096, 86_400_000, random.int64(0...1 << 40)])
            wheel.collect(upTo: clock, table.rows)
            var found: [Int] = []
            var next = wheel.due.next(from: 0)
            while let one = next {
                if table.row(one).pointee.due <= clock { found.append(one) }
                next = wheel.due.next(from: one + 1)
            }
            let expected = (0..<customers).filter { table.row($0).pointee.due <= clock }
            #expect(found == expected, "seed \(seed), step \(step)")
            for one in found {
                let row = table.row(one)
                row.pointee.due = random.one(in: 3) ? CustomerRow.never : clock + random.int64(1...1 << 36)
                wheel.update(one, table.rows)
            }
        }
    }

    /// A customer whose click fired his deadline is not among those who are due any more: in a flood they would be looked at again with
    /// every slice.
    @Test func whoFiredWithAClickIsNotDueAnyMore() throws {
        let engine = try StateTests.engine()
        let start: Int64 = 1_770_000_000_000
        let customers = (0..<100).map { "c\($0)" }
        for name in customers { StateTests.purchase("e\(name)", at: start, customer: name).apply(to: engine) }
        let later = start + 91 * StateTests.day
        #expect(engine.hasDue(at: later))
        #expect(engine.wheel.due.count == customers.count)
        for name in customers {
            Event(kind: .click, customer: name, id: "k\(name)", occurredAt: later).apply(to: engine)
        }
        #expect(engine.firedDeadlines == UInt64(customers.count))
        #expect(engine.wheel.due.count == 0)
        #expect(!engine.hasDue(at: later))
    }

    /// While the clock goes on evenly, and deadlines lie evenly, no move of it files more than a little of all customers anew.
    @Test func noPileIsMovedAtOnce() {
        let customers = 50_000
        var table = CustomerTable(seed: 1)
        var wheel = DeadlineWheel()
        defer {
            table.deallocate()
            wheel.deallocate()
        }
        var clock: Int64 = 1_770_000_000_000
        wheel.collect(upTo: clock, table.rows)
        wheel.grow(toHold: customers)
        var random = RandomSource(seed: 1)
        let days: Int64 = 60
        for number in 0..<customers {
            Array("c\(number)".utf8).withUnsafeBytes { id in
                let row = table.row(table.add(id, hash: table.hash(id)))
                row.pointee.due = clock + 1 + random.int64(0...days * 86_400_000 - 1)
                row.pointee.queued = CustomerRow.never
                wheel.update(number, table.rows)
            }
        }
        let steps: Int64 = 2_000
        var most = 0
        for _ in 0..<steps {
            clock += days * 86_400_000 / steps
            let before = wheel.filings
            wheel.collect(upTo: clock, table.rows)
            most = max(most, wheel.filings - before)
        }
        #expect(wheel.due.count == customers)
        // Evenly it is a two-thousandth for each level that they come through.
        #expect(most < customers / 100, "\(most) of \(customers) were moved at once")
    }

    /// Pages of clicks are given out once somebody has clicked.
    @Test func pagesOfClicksAreGivenOutWhenThereAreAny() {
        let customers = 2_000_000
        var table = CustomerTable(seed: 1)
        defer { table.deallocate() }
        table.reserve(customers)
        func taken() -> Int {
            var pages: [UnsafeRawBufferPointer] = []
            table.takePages(.usual, into: &pages)
            return pages.reduce(0) { $0 + $1.count }
        }
        #expect(taken() >= customers * MemoryLayout<CustomerRow>.stride)
        #expect(taken() == 0)
        table.startActivity(customers / 2, Activity(sum0: 1, sum1: 1, at: 0))
        #expect(taken() >= customers * MemoryLayout<Activity>.stride)
        #expect(taken() == 0)
    }

    /// What an array will grow into is given out to be touched once, in whole huge pages, and lies where the values will; so is what it
    /// leapt over.
    @Test func pagesAheadAreGivenOutOnce() {
        let (huge, stride) = (2 << 20, MemoryLayout<Entry>.stride)
        var array = SegmentedArray<Entry>(shift: 18)
        defer { array.deallocate() }
        var taken: [UnsafeRawBufferPointer] = []
        array.takePages(MemoryAhead.Lead(divisor: 16, most: 16 << 20), into: &taken)
        #expect(taken.isEmpty, "a small array takes nothing ahead")
        var count = 0
        while array.bytes < 200 << 20 {
            count += count == 4_000_000 ? 1_000_000 : 10_000
            array.grow(toHold: count)
            array[count - 1] = Entry(.order, key: UInt64(count), time: 0, value: 0)
            let before = taken.count
            array.takePages(MemoryAhead.Lead(divisor: 16, most: 16 << 20), into: &taken)
            for pages in taken[before...] {
                #expect(pages.count > 0 && pages.count % huge == 0)
                #expect(UInt(bitPattern: pages.baseAddress) % UInt(huge) == 0)
                let digest = Digest(of: pages)
                for _ in 0..<2 { rfmd_pages_touch(pages.baseAddress, pages.count) }
                #expect(Digest(of: pages) == digest, "touching changed a byte")
            }
        }
        let ahead = taken.reduce(0) { $0 + $1.count }
        #expect(ahead >= array.bytes && ahead < array.bytes + 20 << 20)
        let starts = Set(taken.flatMap { pages in (0..<pages.count / huge).map { pages.baseAddress! + $0 * huge } })
        #expect(starts.count * huge == ahead, "none is given out twice")
        // All of them are the array's own, and what was written is there.
        array.grow(toHold: count + (20 << 20) / stride)
        let own = Set(
            Swift.stride(from: 0, to: array.reach, by: 1_000).map { UInt(bitPattern: array.pointer($0)) / UInt(huge) })
        #expect(starts.allSatisfy { own.contains(UInt(bitPattern: $0) / UInt(huge)) })
        for written in Swift.stride(from: 10_000, through: count, by: 10_000)
        where written <= 4_000_000 || written >= 5_000_000 {
            #expect(array[written - 1].key == UInt64(written))
        }
    }

    /// A view stays good when the array that it is of grows past its directory.
    @Test func aViewStaysWhenItsArrayGrows() {
        var array = SegmentedArray<UInt64>(shift: 2)
        defer { array.deallocate() }
        array.grow(toHold: 100)
        for place in 0..<100 { array[place] = UInt64(place) }
        let view = array.view()
        defer { view.endView() }
        array.grow(toHold: 10_000)
        for place in 100..<10_000 { array[place] = UInt64(place) }
        array[3] = 33
        #expect((0..<100).allSatisfy { view[$0] == ($0 == 3 ? 33 : UInt64($0)) })
    }

    /// An index that is laid out at once finds the same customers as one that grew, goes on growing, and tells two of one id.
    @Test(arguments: [0, 1, 5, 6, 1_000, 20_001]) func placedCustomersAreFound(count: Int) {
        var table = CustomerTable(seed: 3)
        defer { table.deallocate() }
        func id(_ number: Int) -> [UInt8] {
            number % 7 == 0 ? Array("a customer with a long id, number \(number)".utf8) : Array("c\(number)".utf8)
        }
        table.reserve(count)
        for number in (0..<count).reversed() { id(number).withUnsafeBytes { table.place($0, at: number) } }
        let areIndexed = table.indexAll()
        #expect(areIndexed)
        for number in count..<count + 1_000 {
            let ordinal = id(number).withUnsafeBytes { table.add($0, hash: table.hash($0)) }
            #expect(ordinal == number)
        }
        for number in 0..<count + 1_000 {
            id(number).withUnsafeBytes { #expect(table.find($0, hash: table.hash($0)) == number) }
        }
        var double = CustomerTable(seed: 3)
        defer { double.deallocate() }
        double.reserve(count + 2)
        for number in 0..<count + 2 { id(min(number, count)).withUnsafeBytes { double.place($0, at: number) } }
        let haveIDsOfTheirOwn = double.indexAll()
        #expect(!haveIDsOfTheirOwn)
    }

    /// Whatever the order in which customers came into the index, and however it grew, each is found by his own bytes alone.
    @Test func tableFindsByBytes() {
        var table = CustomerTable(seed: 3)
        defer { table.deallocate() }
        let ids: [[UInt8]] =
            (0..<20_000).map { Array("customer-\($0)".utf8) } + [
                [0x61], [0x61, 0], [0x61, 0, 0], Array(repeating: 0x61, count: 255),
            ]
        for id in ids { id.withUnsafeBytes { id in _ = table.add(id, hash: table.hash(id)) } }
        for (ordinal, id) in ids.enumerated() {
            id.withUnsafeBytes { id in #expect(table.find(id, hash: table.hash(id)) == ordinal) }
        }
        Array("nobody".utf8).withUnsafeBytes { id in #expect(table.find(id, hash: table.hash(id)) == nil) }
    }

    @Test func damagedStateIsToldApart() throws {
        let engine = try StateTests.engine()
        for number in 0..<20 {
            StateTests.purchase("o\(number)", at: 1_770_000_000_000, customer: "c\(number)").apply(to: engine)
        }
        let (header, part) = (ByteBuffer(), ByteBuffer())
        engine.beginSnapshot(into: header)
        while engine.continueSnapshot(into: part, limit: 1 << 20) {}
        let bytes = part.array
        for length in stride(from: 0, to: bytes.count, by: 7) {
            let copy = Engine(rules: engine.rules, key: 7)
            try copy.restoreHeader(header.bytes, oldRules: nil)
            #expect(throws: Engine.DamagedState.self, "cut at \(length)") {
                try Array(bytes[..<length]).withUnsafeBytes { try copy.restoreCustomers($0) }
                try copy.finishRestore()
            }
        }
        let copy = Engine(rules: engine.rules, key: 7)
        try copy.restoreHeader(header.bytes, oldRules: nil)
        try bytes.withUnsafeBytes { try copy.restoreCustomers($0) }
        #expect(throws: Engine.DamagedState.self) { try bytes.withUnsafeBytes { try copy.restoreCustomers($0) } }
    }
}

extension CustomerTable {
    /// As a restore does it.
    fileprivate mutating func indexAll() -> Bool {
        let index = RestoredIndex(expected: count)
        index.add((0..<count).map { PlacedCustomer(hash: ids.hash(of: $0), ordinal: UInt32($0)) }, ids)
        if index.hasTwins { return false }
        use(index.take())
        return true
    }
}

extension EntryStore {
    /// Fills a block with what names it.
    fileprivate func write(_ block: UInt32, order: Int) {
        places(of: block, order: order).initialize(repeating: UInt64(block) << 8 | UInt64(order))
    }

    fileprivate func holds(_ block: UInt32, order: Int) -> Bool {
        places(of: block, order: order).allSatisfy { $0 == UInt64(block) << 8 | UInt64(order) }
    }

    private func places(of block: UInt32, order: Int) -> UnsafeMutableBufferPointer<UInt64> {
        let count = MemoryLayout<PackedEntry>.stride << order / MemoryLayout<UInt64>.stride
        let memory = UnsafeMutableRawPointer(whole(block))
        return UnsafeMutableBufferPointer(start: memory.assumingMemoryBound(to: UInt64.self), count: count)
    }
}
