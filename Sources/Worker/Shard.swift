// One shard: the state of one partition index across all input topics, and the records that wait for it.
import Codec
import Engine
import Model
import Rules

/// Records of one input that were read and not yet applied.
struct InputBuffer {
    let partition: TopicPartition
    var records: [RawRecord] = []
    /// Records before it are applied.
    var head = 0
    /// The next offset to apply.
    var position: Int64
    /// Where reading has come to, control records included.
    var readUpTo: Int64

    init(_ partition: TopicPartition, from position: Int64) {
        self.partition = partition
        self.position = position
        readUpTo = position
    }

    var waiting: Int { records.count - head }

    /// After more was read: `end` is the end of the partition if that was reached.
    mutating func noteRead(end: Int64?) {
        if waiting > 0, let last = records.last { readUpTo = max(readUpTo, last.offset + 1) }
        if let end { readUpTo = max(readUpTo, end) }
    }

    /// Forgets what was read and not applied: reading is to go on from `position`.
    mutating func forgetRecords(_ release: (ArraySlice<RawRecord>) -> Void) {
        release(records[head...])
        self = InputBuffer(partition, from: position)
    }

    /// Everything that was read is applied, and that is all there was when the broker was last asked. nil: not so.
    func endedAt(_ answer: EndAnswer?) -> Int64? {
        guard let answer, readUpTo >= answer.offset else { return nil }
        return answer.askedAt
    }
}

/// A letter for a record that could not be used, copied before the record is released.
struct DeadLetter {
    var source: TopicPartition
    var offset: Int64
    var timestamp: Int64?
    var key: [UInt8]?
    var value: [UInt8]?
    var headers: [RecordHeader]
    var rejection: Rejection
}

/// What a batch holds of one shard.
struct ShardBatch {
    var slices: [Slice] = []
    /// Effects of the engine, and which version's they are from each place on.
    var effects = ByteBuffer(capacity: 1 << 14)
    var sections: [(from: Int, version: Digest)] = []
    var letters: [DeadLetter] = []
    /// What else the digest of the effects covers: rejections and counts.
    var marks = ByteBuffer(capacity: 256)
    var records = 0

    var isEmpty: Bool { slices.isEmpty }

    /// Bytes that are held for the committer.
    var bytes: Int { effects.count + letterBytes }
    private(set) var letterBytes = 0

    mutating func add(_ letter: DeadLetter) {
        letters.append(letter)
        letterBytes += (letter.value?.count ?? 0) + (letter.key?.count ?? 0) + 512
    }

    var digest: Digest {
        let both = ByteBuffer(capacity: 64)
        both.append(Digest(of: effects.bytes))
        both.append(Digest(of: marks.bytes))
        return Digest(of: both.bytes)
    }
}

/// Where a shard stands in its journal: a batch, the chain up to it and its record.
struct JournalPlace {
    var batch: UInt64
    var chain: Digest
    var record: [UInt8]
}

final class Shard {
    let index: Int32
    let genesis: Genesis
    let applier: SliceApplier
    let bounds: BatchBounds
    private(set) var versionDigest: Digest
    /// The version before: a new one that has not yet reached every customer needs it.
    private(set) var versionBefore: Digest?
    /// In the order of the topics' names, as the version's mappings.
    var inputs: [InputBuffer]
    /// Inputs that an earlier version named and the one in force does not: where they would go on, by topic.
    private(set) var removed: [String: InputBuffer] = [:]
    /// Where inputs begin that a later version adds.
    var starts: [String: Int64] = [:]
    /// The last batch that was sealed; committed unless one is in flight.
    private(set) var sealed: JournalPlace
    /// Batches of the journal that are still to be applied again.
    var replaying: ArraySlice<JournalRecord> = []
    var pending = ShardBatch()
    var counts = RecordCounts()

    var engine: Engine { applier.engine }
    var isReplaying: Bool { !replaying.isEmpty }

    init(
        index: Int32, genesis: Genesis, applier: SliceApplier, bounds: BatchBounds, versionDigest: Digest,
        versionBefore: Digest?,
        positions: [String: Int64], sealed: JournalPlace
    ) {
        self.index = index
        self.genesis = genesis
        self.applier = applier
        self.bounds = bounds
        self.versionDigest = versionDigest
        self.versionBefore = versionBefore
        self.sealed = sealed
        inputs = applier.version.mappings.map { mapping in
            guard let position = positions[mapping.topic] else { preconditionFailure("the journal names every input") }
            return InputBuffer(TopicPartition(topic: mapping.topic, partition: index), from: position)
        }
        for (topic, position) in positions where !inputs.contains(where: { $0.partition.topic == topic }) {
            removed[topic] = InputBuffer(TopicPartition(topic: topic, partition: index), from: position)
        }
    }

    /// The next offset of every input, by topic, as the journal keeps it.
    var positions: [String: Int64] {
        removed.mapValues(\.position).merging(inputs.map { ($0.partition.topic, $0.position) }) { $1 }
    }

    /// Where reading begins of each input that the version in force names or one of `topics`.
    func readPositions(_ topics: Set<String>) -> [TopicPartition: Int64] {
        var positions: [String: Int64] = starts.filter { topics.contains($0.key) }
        for (topic, input) in removed where topics.contains(topic) { positions[topic] = input.readUpTo }
        for input in inputs { positions[input.partition.topic] = input.readUpTo }
        return Dictionary(
            uniqueKeysWithValues: positions.map { (TopicPartition(topic: $0.key, partition: index), $0.value) })
    }

    // MARK: Sealing

    /// The journal record of the pending batch, and its bytes.
    func journalRecord() -> (record: JournalRecord, bytes: [UInt8]) {
        var record = JournalRecord(
            genesis: genesis, shard: index, batch: sealed.batch + 1, slices: pending.slices, positions: positions,
            version: versionDigest, clock: engine.clock, effects: pending.digest)
        let bytes = record.seal(after: sealed.chain)
        return (record, bytes)
    }

    /// Ends the pending batch: what is to be committed of it.
    func seal() -> SealedBatch.Part {
        let (record, bytes) = journalRecord()
        sealed = JournalPlace(batch: record.batch, chain: record.chain, record: bytes)
        defer { pending = ShardBatch() }
        return SealedBatch.Part(
            shard: index, genesis: genesis.id, batch: record.batch, effects: pending.effects,
            sections: pending.sections,
            letters: pending.letters, journal: bytes, positions: inputs.map { ($0.partition, $0.position) })
    }

    /// Ends a batch that was applied again: it is committed already. False if it came out differently.
    func sealAgain() -> Bool {
        guard let expected = replaying.first else { preconditionFailure("no batch is applied again") }
        let (record, bytes) = journalRecord()
        guard record.chain == expected.chain else { return false }
        sealed = JournalPlace(batch: record.batch, chain: record.chain, record: bytes)
        pending = ShardBatch()
        replaying.removeFirst()
        return true
    }

    /// Forgets what was read and not applied; reading goes on from `position`.
    func forgetRecords(release: (ArraySlice<RawRecord>) -> Void) {
        for index in inputs.indices { inputs[index].forgetRecords(release) }
        for topic in removed.keys { removed[topic]?.forgetRecords(release) }
    }

    // MARK: Cutting

    /// Fixes the next slice from what is in hand, or nil if there is nothing to do. `answers` tell per input where it ends.
    func cut(reading: Int64, answers: [EndAnswer?]) -> Slice? {
        let ended = zip(inputs, answers).map { $0.endedAt($1) }
        let taken = available(reading: reading, ended: ended)
        let ranges = inputs.indices.map { index -> Range<Int64> in
            let input = inputs[index]
            return input
                .position..<(taken[index] == 0
                ? input.position : input.records[input.head + taken[index] - 1].offset + 1)
        }
        var endedAt: Int64?
        let isAtEnd = inputs.indices.allSatisfy { inputs[$0].waiting == taken[$0] && ended[$0] != nil }
        // In event mode only records move the clock.
        if isAtEnd && applier.version.clockMode == .wall { endedAt = ended.compactMap { $0 }.min() }
        let slice = Slice(version: versionDigest, reading: reading, endedAt: endedAt, ranges: ranges)
        if taken.contains(where: { $0 > 0 }) { return slice }
        guard let clock = engine.clock else { return nil }
        return engine.hasDue(at: max(clock, endedAt ?? clock)) ? slice : nil
    }

    /// How many records of each input may be applied now: a record waits until every other input has one in hand or is at its end.
    private func available(reading: Int64, ended: [Int64?]) -> [Int] {
        if inputs.count == 1 { return [min(inputs[0].waiting, bounds.recordsPerSlice)] }
        var at = inputs.map(\.head)
        let ends = inputs.map(\.records.count)
        var left = bounds.recordsPerSlice
        while left > 0, inputs.indices.allSatisfy({ at[$0] < ends[$0] || ended[$0] != nil }),
            let next = next(at, ends, reading)
        {
            at[next] += 1
            left -= 1
        }
        return inputs.indices.map { at[$0] - inputs[$0].head }
    }

    /// The input whose head is applied next: by Kafka timestamp, ties by topic name. nil if none has a record.
    private func next(_ at: [Int], _ ends: [Int], _ reading: Int64) -> Int? {
        var first: Int?
        var earliest = Int64.max
        for index in inputs.indices where at[index] < ends[index] {
            let timestamp = inputs[index].records[at[index]].timestamp ?? reading
            if first == nil || timestamp < earliest { (first, earliest) = (index, timestamp) }
        }
        return first
    }

    /// True if everything that the slice names was read.
    func holds(_ slice: Slice) -> Bool {
        zip(inputs, slice.ranges).allSatisfy { input, range in
            range.isEmpty || input.readUpTo >= range.upperBound
        }
    }

    // MARK: Applying

    /// Applies a slice that `cut` made or the journal names, and adds it to the pending batch. `headers` reads a record's headers,
    /// `letter` is called for what could not be used. Applied records are handed to `release`.
    func apply(_ slice: Slice, headers: (RawRecord) -> [RecordHeader], release: (ArraySlice<RawRecord>) -> Void) {
        beginSection()
        var counts = RecordCounts()
        let starts = inputs.map(\.head)
        var at = starts
        var announced = starts
        let ends = zip(inputs, slice.ranges).map { input, range in
            // Records are in offset order; those of the slice come first.
            range.isEmpty
                ? input.head : input.head + input.records[input.head...].prefix { $0.offset < range.upperBound }.count
        }
        while let input = inputs.count == 1 ? (at[0] < ends[0] ? 0 : nil) : next(at, ends, slice.reading) {
            let record = inputs[input].records[at[input]]
            at[input] += 1
            announce(inputs[input].records, &announced[input], upTo: min(ends[input], at[input] + Engine.lookahead))
            let disposition = apply(record, input, slice.reading, headers)
            counts.count(disposition)
            if case .rejected(let rejection) = disposition { reject(record, input, rejection, headers) }
        }
        engine.finishSlice(advancingTo: slice.endedAt)
        for index in inputs.indices {
            release(inputs[index].records[starts[index]..<ends[index]])
            inputs[index].head = ends[index]
            inputs[index].position = slice.ranges[index].upperBound
            if inputs[index].head == inputs[index].records.count {
                inputs[index].records.removeAll(keepingCapacity: true)
                inputs[index].head = 0
            } else if inputs[index].head > bounds.recordsPerSlice {
                inputs[index].records.removeSubrange(..<inputs[index].head)
                inputs[index].head = 0
            }
        }
        finish(slice, counts)
    }

    /// The key of a usable record is its customer's id.
    @inline(__always)
    private func announce(_ records: [RawRecord], _ announced: inout Int, upTo end: Int) {
        while announced < end {
            if let key = records[announced].key { engine.announce(key) }
            announced += 1
        }
    }

    private func apply(_ record: RawRecord, _ input: Int, _ reading: Int64, _ headers: (RawRecord) -> [RecordHeader])
        -> Disposition
    {
        var context = RecordContext(input: input, key: record.key, timestamp: record.timestamp, reading: reading)
        if let limit = genesis.rebuiltPositions[inputs[input].partition.topic], record.offset < limit {
            context.wasSentBefore = true
        }
        for header in headers(record) {
            switch header.name {
            case "rfm-backfill": context.isBackfill = true
            case let name where name.hasPrefix("ce_") && applier.version.mappings[input].readsCloudEventHeaders:
                var attributes = context.attributes ?? CloudEventAttributes()
                attributes.take(name, header.value)
                context.attributes = attributes
            default: break
            }
        }
        return applier.apply(record.value, context)
    }

    private func reject(
        _ record: RawRecord, _ input: Int, _ rejection: Rejection, _ headers: (RawRecord) -> [RecordHeader]
    ) {
        let source = inputs[input].partition
        pending.marks.append(UInt8(input))
        pending.marks.append(record.offset)
        pending.marks.append(rejection.reason.rawValue)
        // Letters are sent for backfill too; what was committed before a rebuild has its letter.
        if let limit = genesis.rebuiltPositions[source.topic], record.offset < limit { return }
        if isReplaying { return }
        pending.add(
            DeadLetter(
                source: source, offset: record.offset, timestamp: record.timestamp, key: record.key.map { [UInt8]($0) },
                value: record.value.map { [UInt8]($0) }, headers: headers(record), rejection: rejection))
    }

    private func beginSection() {
        if pending.sections.last?.version != versionDigest {
            pending.sections.append((pending.effects.count, versionDigest))
        }
    }

    private func finish(_ slice: Slice, _ counts: RecordCounts) {
        pending.slices.append(slice)
        pending.effects.append(contentsOf: engine.effects.bytes)
        engine.effects.removeAll()
        engine.effectCount = 0
        for count in [counts.accepted, counts.duplicates, counts.skipped, counts.rejected] {
            pending.marks.append(count)
        }
        pending.records += Int(counts.consumed)
        self.counts.add(counts)
    }

    /// Puts a version in force, as a slice of its own. Inputs that it adds begin where `removed` or `starts` says.
    func install(_ known: KnownVersion, slice: Slice) {
        engine.install(known.rules)
        applier.install(known.version)
        (versionBefore, versionDigest) = (versionDigest, known.digest)
        for input in inputs { removed[input.partition.topic] = input }
        inputs = known.version.mappings.map { mapping in
            if let input = removed.removeValue(forKey: mapping.topic) { return input }
            guard let start = starts[mapping.topic] else {
                preconditionFailure("an input that is added has a place where it begins")
            }
            return InputBuffer(TopicPartition(topic: mapping.topic, partition: index), from: start)
        }
        beginSection()
        engine.finishSlice(advancingTo: nil)
        finish(slice, RecordCounts())
    }
}
