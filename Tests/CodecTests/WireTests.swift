// Journal records and versions: written and read back, and damaged in every way without a crash.
import Codec
import Model
import Rules
import TestSupport
import Testing

@Suite struct WireTests {
    /// CloudEvents' `source` is a URI reference, and a group may be called anything that can be printed.
    @Test(arguments: [
        ("rfmd-eu_1.~", "/rfmd/Xk2/rfmd-eu_1.~"), ("Läden 1", "/rfmd/Xk2/L%C3%A4den%201"),
        ("a/b%?#\"", "/rfmd/Xk2/a%2Fb%25%3F%23%22"),
    ])
    func theSourceIsAURIReference(group: String, source: String) {
        #expect(EventEncoder.source(cluster: "Xk2", group: group) == source)
    }

    private static func record(_ random: inout RandomSource) -> JournalRecord {
        func digest(_ random: inout RandomSource) -> Digest { Digest(high: random.next(), low: random.next()) }
        var genesis = Genesis(
            id: digest(&random), group: random.one(in: 2) ? "rfmd" : "群", at: random.int64(0...1 << 42),
            emitFrom: random.one(in: 2) ? .min : 5, starts: ["a": 0, "客": 17])
        if random.one(in: 2) {
            genesis.rebuiltPositions = ["a": random.int64(0...99)]
            genesis.rebuiltUpTo = 12
        }
        var slices: [Slice] = []
        for _ in 0..<random.int(0...5) {
            let from = random.int64(0...1 << 50)
            var slice = Slice(
                version: digest(&random), reading: random.int64(0...1 << 42),
                endedAt: random.one(in: 2) ? nil : random.int64(-5...1 << 42),
                ranges: [from..<from, from..<from + random.int64(0...1_000)])
            slice.installs = random.one(in: 3)
            slices.append(slice)
        }
        return JournalRecord(
            genesis: genesis, shard: Int32(random.int(0...999)), batch: random.next(), slices: slices,
            positions: ["b": 3, "a": 2],
            version: digest(&random), clock: random.one(in: 4) ? nil : random.int64(-9...1 << 42),
            effects: digest(&random))
    }

    @Test(arguments: 0..<50)
    func journalRecordsAreReadBack(seed: Int) throws {
        var random = RandomSource(seed: UInt64(seed))
        var record = WireTests.record(&random)
        let previous = Digest(high: random.next(), low: random.next())
        let bytes = record.seal(after: previous)
        let back = try #require(bytes.withUnsafeBytes { JournalRecord($0) }, "seed \(seed)")
        #expect(back == record)
        #expect(back.follows(previous))
        #expect(!back.follows(.zero))
        for length in 0..<bytes.count {
            #expect(
                Array(bytes[..<length]).withUnsafeBytes { JournalRecord($0) } == nil, "seed \(seed), cut at \(length)")
        }
        #expect((bytes + [0]).withUnsafeBytes { JournalRecord($0) } == nil)
        for _ in 0..<200 {
            var damaged = bytes
            damaged[random.int(0...bytes.count - 1)] ^= 1 << UInt8(random.int(0...7))
            // Either it is no record, or the chain tells.
            let read = damaged.withUnsafeBytes { JournalRecord($0) }
            #expect(read.map { !$0.follows(previous) } ?? true, "seed \(seed)")
        }
    }

    /// A record has one form: topics in the order of their names, each once.
    @Test(arguments: [("b", "a"), ("a", "a")])
    func otherFormsOfAJournalRecordAreNone(first: String, second: String) throws {
        var record = JournalRecord(
            genesis: Genesis(id: .zero, group: "", at: 0, emitFrom: 0, starts: ["a": 0, "b": 0]), shard: 0, batch: 0,
            slices: [],
            positions: [:], version: .zero, clock: nil, effects: .zero)
        var bytes = record.seal(after: .zero)
        // Behind format, id, group, two instants and the number of topics: length, name and offset of each.
        let place = 1 + 16 + 4 + 8 + 8 + 4
        try #require(bytes[place + 4] == 0x61 && bytes[place + 17] == 0x62)
        (bytes[place + 4], bytes[place + 17]) = (Array(first.utf8)[0], Array(second.utf8)[0])
        #expect(bytes.withUnsafeBytes { JournalRecord($0) } == nil)
    }

    private static func version() -> Version {
        var mapping = Mapping.segment(topic: "web")
        mapping.clickDeduplication = 600_000
        var own = Mapping(
            topic: "pos", kindAt: .constant("sale"), kinds: ["sale": .purchase],
            fields: [.eventID: .pointers(["/id", "/x"]), .currency: .constant("")], timeUnit: .microseconds,
            addsToOrder: true)
        own.backfillAt = "/op"
        own.backfillValues = ["r", "s"]
        return Version(
            engineNumber: 3, ladders: Presets.fourTierLadders, warnings: Presets.fourTierWarnings,
            halfLives: [7 * 86_400_000, 28 * 86_400_000], zone: TestZones.backOverMidnight, clockMode: .event,
            maxFuture: 600_000,
            money: euro,
            mappings: [mapping, own, .debezium(topic: "db"), .cloudEvents(topic: "ce"), .native(topic: "n")])
    }

    @Test func versionsAreReadBack() throws {
        let version = WireTests.version()
        let bytes = version.encoded
        let back = try #require(bytes.withUnsafeBytes { Version(encoded: $0) })
        #expect(back == version)
        #expect(back.digest == version.digest)
        #expect(back.mappings.map(\.topic) == ["ce", "db", "n", "pos", "web"])
        _ = try back.ruleset()
    }

    /// A version without limits of its own is named as it was before there were any.
    @Test(
        arguments: [
            (StateLimits(), 1), (StateLimits(customers: 5), 2), (StateLimits(bytes: 1 << 30), 2),
            (StateLimits(customers: 1, bytes: 1 << 20), 2),
        ] as [(StateLimits, UInt8)])
    func limitsAreReadBack(limits: StateLimits, format: UInt8) throws {
        var version = WireTests.version()
        version.limits = limits
        let bytes = version.encoded
        #expect(bytes[0] == format)
        let back = try #require(bytes.withUnsafeBytes { Version(encoded: $0) })
        #expect(back == version && back.digest == version.digest)
        // One version has one form: format 2 with the limits of format 1 is none.
        var longer = WireTests.version().encoded
        longer[0] = 2
        longer.insert(contentsOf: [0, 0xE1, 0xF5, 0x05] + [UInt8](repeating: 0, count: 12), at: 5)
        #expect(longer.withUnsafeBytes { Version(encoded: $0) } == nil)
    }

    /// Everything that can change an effect or a rejection is part of the name.
    @Test func everyPartOfAVersionNamesIt() {
        let changes: [(String, (inout Version) -> Void)] = [
            ("engine", { $0.engineNumber += 1 }), ("rule", { $0.ladders[0].rungs[0].rule = "true" }),
            ("label", { $0.ladders[0].rungs[0].labels["zh"] = "x" }), ("rung", { $0.ladders[1].rungs[2].name = "x" }),
            ("warning", { $0.warnings[0].cooldown += 1 }), ("severity", { $0.warnings[0].severity = .high }),
            ("half-lives", { $0.halfLives[1] += 1 }), ("zone", { $0.zone = TestZones.berlin }),
            ("clock", { $0.clockMode = .wall }),
            ("max_future", { $0.maxFuture += 1 }), ("currency", { $0.money.currency = "USD" }),
            ("exponent", { $0.money.exponent = 3 }),
            ("rate", { $0.money.rates["USD"]?.rate.coefficient += 1 }),
            ("same_order", { $0.mappings[0].addsToOrder.toggle() }),
            ("click_dedup", { $0.mappings[0].clickDeduplication += 1 }),
            ("field", { $0.mappings[0].fields[.amount] = .constant("1") }),
            ("kind", { $0.mappings[3].kinds["sale"] = .click }), ("unit", { $0.mappings[0].timeUnit = .seconds }),
            ("topic", { $0.mappings[0].topic = "x" }), ("backfill", { $0.mappings[3].backfillValues = [] }),
            ("skipped", { $0.mappings[1].skippedValues = ["d"] }),
            ("skipped at", { $0.mappings[1].skippedAt = ["/op"] }),
            ("customers", { $0.limits.customers -= 1 }), ("bytes", { $0.limits.bytes = 1 << 20 }),
            ("both", { $0.limits = StateLimits(customers: 1 << 20, bytes: 1 << 30) }),
        ]
        var digests: Set<Digest> = [WireTests.version().digest]
        for (name, change) in changes {
            var version = WireTests.version()
            change(&version)
            #expect(digests.insert(version.digest).inserted, "\(name)")
        }
    }

    @Test func damagedVersionsAreNone() {
        let bytes = WireTests.version().encoded
        for length in 0..<bytes.count {
            #expect(Array(bytes[..<length]).withUnsafeBytes { Version(encoded: $0) } == nil)
        }
        var random = RandomSource(seed: 9)
        let digest = WireTests.version().digest
        for _ in 0..<3_000 {
            var damaged = bytes
            for _ in 0..<random.int(1...4) {
                damaged[random.int(0...bytes.count - 1)] = UInt8.random(in: 0...255, using: &random)
            }
            let read = damaged.withUnsafeBytes { Version(encoded: $0) }
            #expect(damaged == bytes || read?.digest != digest)
        }
    }
}
