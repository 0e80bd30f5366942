// The budget of a state: carried on it equals what a snapshot says, and exactly what would exceed it is refused.
import Engine
import Model
import Rules
import TestSupport
import Testing

@Suite struct StateSizeTests {
    private static let day = CivilTime.millisecondsPerDay
    private static let ids = (0..<12).map { $0 % 3 == 0 ? "customer number \($0) has a long id" : "c\($0)" }

    private static func rules(_ number: Int, _ zone: ZoneTable) throws -> Ruleset {
        let ladder = LadderSource(
            name: "tier", rungs: [.init(name: "some", rule: "orders(90d) >= 1"), .init(name: "none", rule: nil)])
        let warnings = [
            WarningSource(name: "quiet", severity: .low, rule: "idle > 36h", cooldown: 2 * day),
            WarningSource(name: "thin", severity: .low, rule: "spend(7d) < 50 && orders_total > 0", cooldown: day),
        ]
        return try Ruleset(
            ladders: [ladder], warnings: Array(warnings.prefix(number)), zone: zone, currencyExponent: 2,
            halfLives: [7 * day, 28 * day])
    }

    /// By the formula of docs/limits.md, from what a snapshot holds (docs/formats/snapshot.md). Shares no code with the engine.
    private static func counted(_ engine: Engine) throws -> Int {
        let buffer = ByteBuffer()
        engine.beginSnapshot(into: buffer)
        buffer.removeAll()
        while engine.continueSnapshot(into: buffer, limit: .max) {}
        engine.endSnapshot()
        var reader = ByteReader(buffer.bytes)
        var sum = 0
        while reader.remaining > 0 {
            _ = try reader.readBytes(4 + 4 + 3 * 8)
            let entries = Int(try reader.read(UInt16.self))
            let idLength = Int(try reader.read(UInt8.self))
            _ = try reader.read(UInt8.self)
            let parts = try reader.read(UInt8.self)
            _ = try reader.readBytes(1 + idLength + (parts & 2 == 0 ? 0 : 28) + (parts & 4 == 0 ? 0 : 24))
            _ = try reader.readBytes(entries * (parts & 8 == 0 ? 24 : 16))
            var places = entries == 0 ? 0 : 1
            while places < entries { places *= 2 }
            sum += 144 + (idLength > 16 ? idLength : 0) + 25 * places
        }
        return sum
    }

    @Test(arguments: 0..<40)
    func isWhatASnapshotSaysAndIsKept(seed: Int) throws {
        var random = RandomSource(seed: UInt64(seed))
        let zone = random.pick(TestZones.all)
        // Warnings take places that nobody asks for: without them every answer can be foretold.
        let warnings = seed % 3
        var rules = try StateSizeTests.rules(warnings, zone)
        var engine = Engine(
            rules: rules, limits: StateLimits(bytes: random.pick([nil, 700, 1_500, 4_000])), key: UInt64(seed))
        var clock: Int64 = 1_772_000_000_000
        var sent: [Event] = []
        var refused = 0
        for step in 0..<160 {
            clock += random.pick([0, 1, 60_000, random.int64(0...Self.day), random.int64(0...20 * Self.day)])
            switch random.int(0...19) {
            case 0: engine.finishSlice(advancingTo: clock)
            case 1: engine = try engine.restored(rules: rules, limit: random.int(1...2_000))
            case 2:
                while !engine.isSettled { engine.finishSlice(advancingTo: nil) }
                rules = try StateSizeTests.rules(warnings == 0 ? 0 : random.int(0...2), zone)
                let bytes: Int? = random.pick([nil, 700, 1_500, 4_000])
                engine.install(rules, limits: StateLimits(bytes: bytes))
                while !engine.isSettled { engine.finishSlice(advancingTo: nil) }
            default:
                let event = StateSizeTests.event(step, clock, sent, &random)
                sent.append(event)
                let expectation = try StateSizeTests.expectation(event, engine, rules, at: clock)
                let before = (engine.size, engine.stateDigest(), engine.clock)
                let outcome = event.apply(to: engine, at: clock)
                let here: Comment = "seed \(seed), step \(step): \(event) at \(clock) of \(before.0) bytes"
                if warnings == 0 { #expect((outcome == .refused(.bytes)) == expectation, here) }
                if outcome == .refused(.bytes) {
                    refused += 1
                    #expect(
                        engine.size == before.0 && engine.stateDigest() == before.1 && engine.clock == before.2, here)
                }
            }
            #expect(try StateSizeTests.counted(engine) == engine.size, "seed \(seed), step \(step)")
            _ = try engine.takeChanges()
        }
        #expect(refused > 0 || seed % 4 != 0 || engine.limits.bytes == nil, "seed \(seed): nothing was refused")
    }

    /// True if the event must be refused: tried on a copy that has no budget.
    private static func expectation(_ event: Event, _ engine: Engine, _ rules: Ruleset, at clock: Int64) throws -> Bool
    {
        guard let most = engine.limits.bytes else { return false }
        let free = try engine.restored(rules: rules, limits: StateLimits())
        let outcome = event.apply(to: free, at: clock)
        // A refund that did not have to wait, and of which something is kept: its order is known.
        let isOfKnown = event.kind == .refund && outcome == .accepted
        return free.size > engine.size && free.size > most + (isOfKnown ? most / 8 : 0)
    }

    private static func event(_ step: Int, _ clock: Int64, _ sent: [Event], _ random: inout RandomSource) -> Event {
        if !sent.isEmpty && random.one(in: 8) { return random.pick(sent) }
        let late = random.pick([0, 0, 0, random.int64(0...10 * day), random.int64(0...120 * day)])
        var event = Event(
            kind: random.pick([.purchase, .purchase, .refund, .click]), customer: random.pick(ids), id: "e\(step)",
            occurredAt: clock - late)
        switch event.kind {
        case .click: event.deduplication = random.pick([0, 3_600_000])
        case .purchase:
            event.amount = random.pick([0, 40_00, 160_00])
            event.order = random.one(in: 3) ? "shared\(random.int(0...2))" : "o\(step)"
            event.adds = random.one(in: 2)
        case .refund:
            event.amount = random.pick([nil, 10_00, 500_00])
            event.order = "shared\(random.int(0...2))"
            if let order = sent.last(where: { $0.kind == .purchase }), random.one(in: 2) {
                (event.customer, event.order) = (order.customer, order.order)
            }
        }
        return event
    }

    /// A state that is larger than a new limit is restored, and stays.
    @Test func aLowerLimitRestoresWhatIsThere() throws {
        let rules = try StateSizeTests.rules(0, .utc)
        let engine = Engine(rules: rules, key: 7)
        for id in StateSizeTests.ids { Event(kind: .click, customer: id, id: "k", occurredAt: 1_000).apply(to: engine) }
        let copy = try engine.restored(rules: rules, limits: StateLimits(customers: 2, bytes: 1 << 20))
        #expect(copy.stateDigest() == engine.stateDigest() && copy.size == engine.size)
        let more = Event(kind: .click, customer: "one more", id: "k", occurredAt: 1_000)
        #expect(more.apply(to: copy) == .refused(.customers))
        #expect(more.apply(to: engine) == .accepted)
    }

    /// What docs/limits.md publishes.
    @Test func theFormulaIsTheOneThatIsPublished() throws {
        let text = try Repository.text("docs/limits.md")
        for part in [
            "\(StateSize.customer) for a customer", "\(StateSize.place) for each place",
            "more than \(StateSize.shortID) bytes",
        ] { #expect(text.contains(part), "\(part)") }
    }
}
