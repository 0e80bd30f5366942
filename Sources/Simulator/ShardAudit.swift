// One life of one shard's state, from a genesis on, made again from the journal and the brokers' logs.
import Codec
import Engine
import Model
import Rules
import Worker

struct ShardAudit {
    private let world: World
    private let versions: [Digest: Version]
    let engine: Engine
    private var applier: RecordApplier
    private(set) var last: JournalRecord
    private var version: Digest
    private var encoder: EventEncoder
    private var positions: [String: Int64]

    init(_ genesis: JournalRecord, _ versions: [Digest: Version], _ world: World) throws(Violation) {
        self.world = world
        self.versions = versions
        let (version, rules) = try ShardAudit.known(genesis.version, versions)
        engine = Engine(
            rules: rules, limits: version.limits, key: genesis.genesis.id.low, emitFrom: genesis.genesis.emitFrom,
            rebuiltUpTo: genesis.genesis.rebuiltUpTo)
        applier = RecordApplier(engine: engine, version: version)
        encoder = EventEncoder(source: World.source, rules: rules, version: genesis.version)
        self.version = genesis.version
        positions = genesis.positions
        last = genesis
        if !genesis.follows(.zero) || !genesis.slices.isEmpty || genesis.positions != genesis.genesis.starts {
            throw Violation("shard \(genesis.shard): no genesis")
        }
        for (topic, start) in genesis.genesis.starts {
            let log = world.cluster.log(TopicPartition(topic: topic, partition: genesis.shard))
            if !log.starts.contains(start) {
                throw Violation("shard \(genesis.shard): its genesis begins \(topic) at \(start)")
            }
        }
    }

    private static func known(_ digest: Digest, _ versions: [Digest: Version]) throws(Violation) -> (Version, Ruleset) {
        guard let version = versions[digest] else {
            throw Violation("the journal names version \(digest.short), which rfm.versions does not hold")
        }
        do throws(RulesetProblem) { return (version, try version.ruleset()) } catch {
            throw Violation("version \(digest.short): \(error)")
        }
    }

    /// Applies one batch and adds what it must have sent.
    mutating func apply(_ record: JournalRecord, _ expected: inout Expected) throws(Violation) {
        let here = "shard \(record.shard), batch \(record.batch)"
        if record.genesis != last.genesis || record.batch != last.batch + 1 || !record.follows(last.chain)
            || record.slices.isEmpty
        {
            throw Violation("\(here) does not follow batch \(last.batch)")
        }
        let (effects, marks) = (ByteBuffer(), ByteBuffer())
        var position = 0
        for (number, slice) in record.slices.enumerated() {
            if slice.installs {
                try install(slice, next: record.slices[(number + 1)...].first, record)
            } else if slice.version != version {
                throw Violation("\(here), slice \(number): version \(slice.version.short)")
            }
            let counts = try apply(slice, record, marks, &expected, here)
            engine.finishSlice(advancingTo: slice.endedAt)
            try take(record, &position, &expected)
            effects.append(contentsOf: engine.effects.bytes)
            engine.effects.removeAll()
            for count in [counts.accepted, counts.duplicates, counts.skipped, counts.rejected] { marks.append(count) }
        }
        let both = ByteBuffer()
        both.append(Digest(of: effects.bytes))
        both.append(Digest(of: marks.bytes))
        if Digest(of: both.bytes) != record.effects {
            throw Violation("\(here): other effects than the engine alone has")
        }
        if record.clock != engine.clock {
            throw Violation("\(here): clock \(record.clock ?? -1), expected \(engine.clock ?? -1)")
        }
        if record.positions != positions {
            throw Violation("\(here): positions \(record.positions), expected \(positions)")
        }
        if record.version != version { throw Violation("\(here): version \(record.version.short)") }
        last = record
    }

    private mutating func install(_ slice: Slice, next: Slice?, _ record: JournalRecord) throws(Violation) {
        let (new, rules) = try ShardAudit.known(slice.version, versions)
        engine.install(rules, limits: new.limits)
        applier = RecordApplier(engine: engine, version: new)
        encoder = EventEncoder(source: World.source, rules: rules, version: slice.version)
        version = slice.version
        for (index, mapping) in new.mappings.enumerated() where positions[mapping.topic] == nil {
            let follows = next.flatMap { $0.installs ? nil : $0.ranges[index].lowerBound }
            let start = follows ?? record.positions[mapping.topic]
            let log = world.cluster.log(TopicPartition(topic: mapping.topic, partition: record.shard))
            guard let start, log.starts.contains(start) else {
                throw Violation(
                    "shard \(record.shard), batch \(record.batch): \(mapping.topic) is added at \(start ?? -1)")
            }
            positions[mapping.topic] = start
        }
    }

    /// Applies the records of a slice in the order of their Kafka timestamps, ties by topic name.
    private mutating func apply(
        _ slice: Slice, _ record: JournalRecord, _ marks: ByteBuffer, _ expected: inout Expected, _ here: String
    ) throws(Violation) -> RecordCounts {
        var counts = RecordCounts()
        var heads: [ArraySlice<(offset: Int64, entry: LogEntry)>] = []
        let partitions = applier.version.mappings.map { TopicPartition(topic: $0.topic, partition: record.shard) }
        for (partition, range) in zip(partitions, slice.ranges) {
            if range.lowerBound != positions[partition.topic] {
                throw Violation(
                    "\(here): \(partition) goes on at \(range.lowerBound), not \(positions[partition.topic] ?? -1)")
            }
            positions[partition.topic] = range.upperBound
            heads.append(
                world.cluster.log(partition).originallyCommitted(from: range.lowerBound, below: range.upperBound)[...])
            if let endedAt = slice.endedAt { try checkEnd(partition, range.upperBound, endedAt, here) }
        }
        while let next = heads.indices.filter({ !heads[$0].isEmpty }).min(by: {
            heads[$0].first!.entry.timestamp < heads[$1].first!.entry.timestamp
        }) {
            let head = heads[next].removeFirst()
            let disposition = apply(head.offset, head.entry, input: next, slice.reading, record.genesis)
            counts.count(disposition)
            guard case .rejected(let rejection) = disposition else { continue }
            marks.append(UInt8(next))
            marks.append(head.offset)
            marks.append(rejection.reason.rawValue)
            if let limit = record.genesis.rebuiltPositions[partitions[next].topic], head.offset < limit { continue }
            expected.letters[record.shard, default: []]
                .append(
                    .init(
                        partition: partitions[next], offset: head.offset, entry: head.entry,
                        reason: rejection.reason.name))
        }
        return counts
    }

    /// The clock may move on to an instant only if a broker, asked then or later, named no end beyond what was read.
    private func checkEnd(_ partition: TopicPartition, _ position: Int64, _ endedAt: Int64, _ here: String)
        throws(Violation)
    {
        let log = world.cluster.log(partition)
        let holds = (world.answers[partition] ?? []).contains { answer in
            answer.askedAt >= endedAt && (log.next(from: position) ?? .max) >= answer.offset
        }
        if !holds { throw Violation("\(here): nobody said that \(partition) was read to its end at \(endedAt)") }
    }

    private func apply(_ offset: Int64, _ entry: LogEntry, input: Int, _ reading: Int64, _ genesis: Genesis)
        -> Disposition
    {
        var context = RecordContext(input: input, key: entry.key, timestamp: entry.timestamp, reading: reading)
        if let limit = genesis.rebuiltPositions[applier.version.mappings[input].topic] {
            context.wasSentBefore = offset < limit
        }
        context.isBackfill = entry.headers.contains { $0.name == "rfm-backfill" }
        return applier.apply(entry.value, context)
    }

    /// Turns the engine's effects into the events that must have been sent.
    private func take(_ record: JournalRecord, _ position: inout Int, _ expected: inout Expected) throws(Violation) {
        let prefix = Array("\(record.genesis.id)-\(record.shard)-\(record.batch)-".utf8)
        try ShardAudit.eachEvent(engine, encoder, prefix, &position) { topic, key, value in
            expected.events[TopicPartition(topic: topic, partition: record.shard), default: []].append(
                .init(key: key, value: value))
        }
    }

    private static func eachEvent(
        _ engine: Engine, _ encoder: EventEncoder, _ prefix: [UInt8], _ position: inout Int,
        _ body: (String, [UInt8], [UInt8]) -> Void
    ) throws(Violation) {
        let text = ByteBuffer()
        do throws(ByteReader.Damaged) {
            var reader = ByteReader(engine.effects.bytes)
            while reader.remaining > 0 {
                let effect = try reader.readEffect()
                text.removeAll()
                encoder.appendStructured(effect, idPrefix: prefix, position: position, to: text)
                position += 1
                let name = String(decoding: effect.name, as: UTF8.self)
                body(
                    effect.kind == .rungChanged ? World.outputs.topic(ofLadder: name) : World.outputs.warnings,
                    [UInt8](effect.customer), text.array)
            }
        } catch { throw Violation("the engine's effects cannot be read") }
    }

    // MARK: By other ways

    /// The decisions of one run over all records of one input, as texts from behind the id, by topic and customer.
    func uninterrupted(_ log: PartitionLog) -> [String: [[UInt8]: ArraySlice<Substring>]] {
        guard let (version, rules) = try? ShardAudit.known(last.version, versions) else { return [:] }
        let engine = Engine(rules: rules, limits: version.limits, key: 1, emitFrom: last.genesis.emitFrom)
        let applier = RecordApplier(engine: engine, version: version)
        var decisions: [String: [[UInt8]: ArraySlice<Substring>]] = [:]
        var position = 0
        for (_, entry) in log.committed(from: last.genesis.starts[log.partition.topic] ?? 0) {
            var context = RecordContext(input: 0, key: entry.key, timestamp: entry.timestamp, reading: entry.timestamp)
            context.isBackfill = entry.headers.contains { $0.name == "rfm-backfill" }
            _ = applier.apply(entry.value, context)
        }
        engine.finishSlice(advancingTo: nil)
        guard
            (try? ShardAudit.eachEvent(
                engine, EventEncoder(source: World.source, rules: rules, version: last.version), [], &position,
                { topic, key, value in
                    let text = String(decoding: value, as: UTF8.self)
                    decisions[topic, default: [:]][key, default: []].append(text.dropFirst(27).drop { $0 != "\"" })
                })) != nil
        else { return [:] }
        return decisions
    }

    /// The state that a snapshot holds.
    static func restore(
        _ identity: SnapshotIdentity, _ record: JournalRecord, _ versions: [Digest: Version], _ vault: any SnapshotVault
    ) -> Result<Engine, SnapshotFailure> {
        guard let (version, rules) = try? known(record.version, versions) else {
            return .failure(.damaged(file: "", reason: "its version is not known"))
        }
        let engine = Engine(
            rules: rules, limits: version.limits, key: record.genesis.id.low, emitFrom: record.genesis.emitFrom,
            rebuiltUpTo: record.genesis.rebuiltUpTo)
        var hasHeader = false
        do throws(SnapshotFailure) {
            try vault.load(identity) { (chunk: UnsafeRawBufferPointer) throws(SnapshotFailure) in
                do throws(Engine.DamagedState) {
                    if hasHeader { return try engine.restoreCustomers(chunk) }
                    hasHeader = true
                    // Before the engine's own header stands the version before, 16 bytes.
                    var reader = ByteReader(chunk)
                    let before = (try? reader.readDigest()) ?? .zero
                    let old = before == .zero ? nil : (try? known(before, versions))?.1
                    try engine.restoreHeader(UnsafeRawBufferPointer(rebasing: chunk.dropFirst(16)), oldRules: old)
                } catch { throw .damaged(file: "", reason: error.reason) }
            }
            do throws(Engine.DamagedState) { try engine.finishRestore() } catch {
                throw .damaged(file: "", reason: error.reason)
            }
        } catch { return .failure(error) }
        return .success(engine)
    }
}
