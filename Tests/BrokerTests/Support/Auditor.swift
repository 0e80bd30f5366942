// Promise 1: applies the committed slices again with the engine alone, by a loop of its own, and compares with what a reader sees.
import Codec
import Engine
import Foundation
import KafkaTransport
import Model
import Rules
import TestSupport
import Worker

/// What must be there, and what is not as it must be.
struct Audit {
    struct Message: Equatable {
        var key: [UInt8]?
        var value: [UInt8]?
    }

    struct Letter {
        var record: StoredRecord
        var reason: String
    }

    var events: [TopicPartition: [Message]] = [:]
    var letters: [Int32: [Letter]] = [:]
    var counts = RecordCounts()
    var batches = 0
    /// Positions after the last journal record of each shard.
    var positions: [TopicPartition: Int64] = [:]
    /// How many effects each cause had.
    var causes: [Cause: Int] = [:]
    private(set) var problems: [String] = []

    mutating func expect(_ holds: Bool, _ problem: @autoclosure () -> String) {
        if !holds && problems.count < 8 { problems.append(problem()) }
    }
}

/// Runs an audit of everything that a scene's daemons committed. They have stopped.
struct Auditor {
    let scene: Scene
    /// Topics that any version named.
    var inputs: [String]

    init(_ scene: Scene, inputs: [String]? = nil) {
        self.scene = scene
        self.inputs = inputs ?? scene.inputs
    }

    @discardableResult
    func run(_ collector: JournalCollector) throws -> Audit {
        let (entries, versionBytes) = try collector.catchUp(scene)
        var audit = Audit()
        var versions: [Digest: Version] = [:]
        for (digest, bytes) in versionBytes {
            audit.expect(Digest(of: bytes) == digest, "version \(digest.short) is not what its key says")
            versions[digest] = bytes.withUnsafeBytes { Version(encoded: $0) }
        }
        var records: [TopicPartition: [StoredRecord]] = [:]
        for topic in inputs {
            for record in try scene.read(topic) { records[record.partition, default: []].append(record) }
        }
        let source = try source()
        for (shard, history) in entries.sorted(by: { $0.key < $1.key }) {
            var one: ShardAudit?
            for entry in history {
                if entry.record.batch == 0 {
                    one = try ShardAudit(entry.record, versions, outputs: scene.outputs, source: source, &audit)
                } else {
                    guard one != nil else {
                        throw Missing(
                            "the genesis of shard \(shard); its journal begins with batch \(entry.record.batch)")
                    }
                    try one?.apply(entry.record, records, &audit)
                }
            }
            for (topic, position) in history.last?.record.positions ?? [:] {
                audit.positions[TopicPartition(topic: topic, partition: shard)] = position
            }
        }
        try compareEvents(&audit)
        try compareLetters(&audit)
        try comparePositions(&audit)
        if !audit.problems.isEmpty {
            throw Missing(
                "the outputs that the engine alone makes of the journal (\(scene.name)):\n"
                    + audit.problems.joined(separator: "\n"))
        }
        return audit
    }

    private func source() throws -> String {
        // The cluster's id stands in the source of any event; an audit without events needs none.
        let event = try scene.events().first
        guard let event, let range = event.valueText.range(of: "\"source\":\"") else { return "" }
        return String(event.valueText[range.upperBound...].prefix { $0 != "\"" })
    }

    private func compareEvents(_ audit: inout Audit) throws {
        var ids: Set<String> = []
        for topic in scene.eventTopics {
            var seen: [TopicPartition: [StoredRecord]] = [:]
            for record in try scene.read(topic) { seen[record.partition, default: []].append(record) }
            for index in 0..<scene.partitions {
                let partition = TopicPartition(topic: topic, partition: index)
                let (expected, actual) = (audit.events[partition] ?? [], seen[partition] ?? [])
                audit.expect(
                    expected.count == actual.count, "\(partition): \(actual.count) events, expected \(expected.count)")
                for (place, pair) in zip(expected, actual).enumerated() {
                    let (one, other) = pair
                    if one == Audit.Message(key: other.key, value: other.value) { continue }
                    audit.expect(
                        false,
                        "\(partition) at \(place):\n  is       \(other.valueText)\n  expected \(String(decoding: one.value ?? [], as: UTF8.self))"
                    )
                    break
                }
                for record in actual {
                    let id = record.valueText.dropFirst(27).prefix { $0 != "\"" }
                    audit.expect(ids.insert(String(id)).inserted, "\(partition): the id \(id) was used twice")
                    audit.expect(
                        record.header("content-type") == "application/cloudevents+json; charset=UTF-8"
                            && record.headers.count == 1,
                        "\(partition), offset \(record.offset): headers \(record.headers)")
                }
            }
        }
    }

    private func compareLetters(_ audit: inout Audit) throws {
        var seen: [Int32: [StoredRecord]] = [:]
        for record in try scene.read(scene.outputs.deadLetters) {
            seen[record.partition.partition, default: []].append(record)
        }
        for index in 0..<scene.partitions {
            let (expected, actual) = (audit.letters[index] ?? [], seen[index] ?? [])
            audit.expect(
                expected.count == actual.count,
                "dead letters of shard \(index): \(actual.count), expected \(expected.count)")
            for (letter, record) in zip(expected, actual) {
                let original = letter.record
                let isWhole =
                    record.key == original.key && record.value == original.value
                    && record.headers.starts(with: original.headers)
                    && record.header("__rfmd.errors.reason") == letter.reason
                    && record.header("__rfmd.errors.topic") == original.partition.topic
                    && record.header("__rfmd.errors.partition") == String(original.partition.partition)
                    && record.header("__rfmd.errors.offset") == String(original.offset)
                    && record.header("__rfmd.errors.timestamp") == original.timestamp.map { String($0) }
                audit.expect(
                    isWhole,
                    "the letter of \(original.partition) offset \(original.offset), expected \(letter.reason): \(record.headers)"
                )
            }
        }
    }

    /// What the group has committed is what the last journal records say.
    private func comparePositions(_ audit: inout Audit) throws {
        let last = audit.positions
        let committed =
            try GroupPositions(scene.cluster.bootstrap, group: scene.group).committed(Array(last.keys)) ?? [:]
        for (partition, position) in last {
            audit.expect(
                committed[partition] == position,
                "\(partition): committed \(committed[partition] ?? -1), the journal says \(position)")
        }
    }
}

/// One life of one shard's state, from a genesis on.
private struct ShardAudit {
    let outputs: OutputTopics
    let source: String
    let versions: [Digest: Version]
    let engine: Engine
    var applier: RecordApplier
    var last: JournalRecord
    var version: Digest
    var encoder: EventEncoder
    var positions: [String: Int64]

    init(
        _ genesis: JournalRecord, _ versions: [Digest: Version], outputs: OutputTopics, source: String,
        _ audit: inout Audit
    ) throws {
        guard let version = versions[genesis.version] else {
            throw Missing("the version \(genesis.version.short) in rfm.versions")
        }
        self.outputs = outputs
        self.source = source
        self.versions = versions
        let rules = try version.ruleset()
        engine = Engine(
            rules: rules, limits: version.limits, key: genesis.genesis.id.low, emitFrom: genesis.genesis.emitFrom,
            rebuiltUpTo: genesis.genesis.rebuiltUpTo)
        applier = RecordApplier(engine: engine, version: version)
        encoder = EventEncoder(source: source, rules: rules, version: genesis.version)
        self.version = genesis.version
        positions = genesis.positions
        last = genesis
        audit.expect(genesis.follows(.zero), "shard \(genesis.shard): the genesis' chain")
        audit.expect(
            genesis.slices.isEmpty && genesis.positions == genesis.genesis.starts,
            "shard \(genesis.shard): a genesis with slices")
    }

    mutating func apply(_ record: JournalRecord, _ records: [TopicPartition: [StoredRecord]], _ audit: inout Audit)
        throws
    {
        let here = "shard \(record.shard), batch \(record.batch)"
        audit.batches += 1
        audit.expect(record.genesis == last.genesis, "\(here): another genesis")
        audit.expect(record.batch == last.batch + 1, "\(here) follows \(last.batch)")
        audit.expect(record.follows(last.chain), "\(here): the chain")
        audit.expect(!record.slices.isEmpty, "\(here): no slice")
        let effects = ByteBuffer()
        let marks = ByteBuffer()
        var position = 0
        for (number, slice) in record.slices.enumerated() {
            if slice.installs {
                try install(slice, next: record.slices[(number + 1)...].first, record)
            } else {
                audit.expect(slice.version == version, "\(here), slice \(number): version \(slice.version.short)")
            }
            let counts = apply(slice, record, records, marks, &audit, here)
            engine.finishSlice(advancingTo: slice.endedAt)
            try take(record, &position, &audit)
            effects.append(contentsOf: engine.effects.bytes)
            engine.effects.removeAll()
            for count in [counts.accepted, counts.duplicates, counts.skipped, counts.rejected] { marks.append(count) }
            audit.counts.add(counts)
        }
        let both = ByteBuffer()
        both.append(Digest(of: effects.bytes))
        both.append(Digest(of: marks.bytes))
        audit.expect(Digest(of: both.bytes) == record.effects, "\(here): the digest of its effects")
        audit.expect(
            record.clock == engine.clock,
            "\(here): clock \(String(describing: record.clock)), expected \(String(describing: engine.clock))")
        audit.expect(record.positions == positions, "\(here): positions \(record.positions), expected \(positions)")
        audit.expect(record.version == version, "\(here): version")
        last = record
    }

    private mutating func install(_ slice: Slice, next: Slice?, _ record: JournalRecord) throws {
        guard let new = versions[slice.version] else {
            throw Missing("the version \(slice.version.short) in rfm.versions")
        }
        let rules = try new.ruleset()
        engine.install(rules, limits: new.limits)
        applier = RecordApplier(engine: engine, version: new)
        encoder = EventEncoder(source: source, rules: rules, version: slice.version)
        version = slice.version
        for (index, mapping) in new.mappings.enumerated() where positions[mapping.topic] == nil {
            positions[mapping.topic] = next?.ranges[index].lowerBound ?? record.positions[mapping.topic]
        }
    }

    /// Applies the records of a slice in the order of their Kafka timestamps, ties by topic name.
    private mutating func apply(
        _ slice: Slice, _ record: JournalRecord, _ records: [TopicPartition: [StoredRecord]], _ marks: ByteBuffer,
        _ audit: inout Audit,
        _ here: String
    ) -> RecordCounts {
        var counts = RecordCounts()
        var heads: [[StoredRecord].SubSequence] = []
        let topics = applier.version.mappings.map(\.topic)
        for (topic, range) in zip(topics, slice.ranges) {
            audit.expect(
                range.lowerBound == positions[topic],
                "\(here): \(topic) goes on at \(range.lowerBound), not \(positions[topic] ?? -1)")
            positions[topic] = range.upperBound
            heads.append(Auditor.part(records[TopicPartition(topic: topic, partition: record.shard)] ?? [], range))
        }
        while true {
            var next: Int?
            for index in heads.indices {
                guard let head = heads[index].first else { continue }
                if let best = next.flatMap({ heads[$0].first }),
                    best.timestamp ?? slice.reading <= head.timestamp ?? slice.reading
                {
                    continue
                }
                next = index
            }
            guard let next, let head = heads[next].popFirst() else { return counts }
            let disposition = apply(head, input: next, slice, record.genesis)
            counts.count(disposition)
            guard case .rejected(let rejection) = disposition else { continue }
            marks.append(UInt8(next))
            marks.append(head.offset)
            marks.append(rejection.reason.rawValue)
            if let limit = record.genesis.rebuiltPositions[topics[next]], head.offset < limit { continue }
            audit.letters[record.shard, default: []].append(.init(record: head, reason: rejection.reason.name))
        }
    }

    private func apply(_ stored: StoredRecord, input: Int, _ slice: Slice, _ genesis: Genesis) -> Disposition {
        Auditor.withBytes(stored.key) { key in
            Auditor.withBytes(stored.value) { value in
                var context = RecordContext(input: input, key: key, timestamp: stored.timestamp, reading: slice.reading)
                if let limit = genesis.rebuiltPositions[stored.partition.topic] {
                    context.wasSentBefore = stored.offset < limit
                }
                context.isBackfill = stored.headers.contains { $0.name == "rfm-backfill" }
                if applier.version.mappings[input].readsCloudEventHeaders {
                    var attributes = CloudEventAttributes()
                    for header in stored.headers { attributes.take(header.name, header.value) }
                    context.attributes = attributes
                }
                return applier.apply(value, context)
            }
        }
    }

    /// Turns the engine's effects into the events that must have been sent.
    private func take(_ record: JournalRecord, _ position: inout Int, _ audit: inout Audit) throws {
        var reader = ByteReader(engine.effects.bytes)
        let text = ByteBuffer()
        while reader.remaining > 0 {
            let effect = try reader.readEffect()
            text.removeAll()
            encoder.appendStructured(
                effect, idPrefix: Array("\(record.genesis.id)-\(record.shard)-\(record.batch)-".utf8),
                position: position, to: text)
            position += 1
            let name = String(decoding: effect.name, as: UTF8.self)
            let topic = effect.kind == .rungChanged ? outputs.topic(ofLadder: name) : outputs.warnings
            audit.events[TopicPartition(topic: topic, partition: record.shard), default: []]
                .append(.init(key: [UInt8](effect.customer), value: text.array))
            audit.causes[effect.cause, default: 0] += 1
        }
    }
}

extension Auditor {
    /// Records with offsets in `range`; they are in offset order.
    fileprivate static func part(_ records: [StoredRecord], _ range: Range<Int64>) -> ArraySlice<StoredRecord> {
        func place(_ offset: Int64) -> Int {
            var (low, high) = (0, records.count)
            while low < high {
                let middle = (low + high) / 2
                if records[middle].offset < offset { low = middle + 1 } else { high = middle }
            }
            return low
        }
        return records[place(range.lowerBound)..<place(range.upperBound)]
    }

    fileprivate static func withBytes<Result>(_ bytes: [UInt8]?, _ body: (UnsafeRawBufferPointer?) -> Result) -> Result
    {
        guard let bytes else { return body(nil) }
        if bytes.isEmpty { return body(UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: 1), count: 0)) }
        return bytes.withUnsafeBytes { body($0) }
    }
}
