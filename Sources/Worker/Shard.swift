// One shard: the state of one partition index across all input topics, and the records that wait for it.
import Codec
import Engine
import Model
import Rules

/// Where a shard stands in its journal: a batch, the chain up to it and its record.
struct JournalPlace {
    var batch: UInt64
    var chain: Digest
    var record: [UInt8]
}

final class Shard {
    let index: Int32
    let genesis: Genesis
    /// Of the version in force.
    var applier: RecordApplier
    let bounds: BatchBounds
    var versionDigest: Digest
    /// The version before: a new one that has not yet reached every customer needs it.
    var versionBefore: Digest?
    /// In the order of the topics' names, as the version's mappings.
    var inputs: [InputBuffer]
    /// Inputs that an earlier version named and the one in force does not: where they would go on, by topic.
    var removed: [String: InputBuffer] = [:]
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
        index: Int32, genesis: Genesis, applier: RecordApplier, bounds: BatchBounds, versionDigest: Digest,
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
}
