// Knows the right answer by a way of its own: the committed journal's slices applied again by the engine alone, from the brokers' own
// logs, compared with everything that a reader of committed records sees.
import Codec
import Engine
import Model
import SnapshotStore
import Worker

/// What must be there.
struct Expected {
    struct Message: Equatable {
        var key: [UInt8]?
        var value: [UInt8]?
    }

    struct Letter {
        var partition: TopicPartition
        var offset: Int64
        var entry: LogEntry
        var reason: String
    }

    var events: [TopicPartition: [Message]] = [:]
    var letters: [Int32: [Letter]] = [:]
    /// Digests of the state after batches that have a snapshot, and those batches' records.
    var states: [Digest: Digest] = [:]
    var positions: [TopicPartition: Int64] = [:]
}

struct Auditor {
    /// What a clock may be off by without anybody noticing, ms.
    private static let drift: Int64 = 550
    private let world: World
    /// Everything was read and stopped in order.
    private let isWhole: Bool
    /// What is read at the end.
    private let inputs: [String]
    /// True time when the last silence ended, ms.
    private let silent: Int64

    init(_ world: World, isWhole: Bool, inputs: [String], silent: Int64) {
        self.world = world
        self.isWhole = isWhole
        self.inputs = inputs
        self.silent = silent
    }

    func run() {
        do throws(Violation) {
            try audit()
        } catch { world.report(error.text) }
    }

    private func audit() throws(Violation) {
        let versions = try readVersions()
        let snapshots = snapshots()
        var expected = Expected()
        var shards: [ShardAudit] = []
        for index in 0..<world.options.shards {
            let journal = world.cluster.log(TopicPartition(topic: World.outputs.journal, partition: index))
            var one: ShardAudit?
            for (offset, entry) in journal.everCommitted() {
                guard let value = entry.value, let record = JournalRecord(value), record.shard == index else {
                    throw Violation("\(journal.partition), offset \(offset): no journal record")
                }
                if record.batch == 0 {
                    // Without journal, positions and snapshots a shard cannot know that it was ever at work.
                    if one != nil && world.statistics.rebuilds == 0 && !hasNewJournal(index) {
                        throw Violation("shard \(index) has a second genesis")
                    }
                    one = try ShardAudit(record, versions, world)
                } else {
                    guard one != nil else {
                        throw Violation("shard \(index): its journal does not begin with a genesis")
                    }
                    try checkReadings(record, writtenAt: entry.timestamp)
                    try one?.apply(record, &expected)
                    world.statistics.batches += 1
                }
                if let one, snapshots.contains(record.chain) {
                    expected.states[record.chain] = one.engine.stateDigest()
                }
            }
            guard let one else {
                if isWhole { throw Violation("shard \(index) has no journal") }
                continue
            }
            for (topic, position) in one.last.positions {
                expected.positions[TopicPartition(topic: topic, partition: index)] = position
            }
            shards.append(one)
        }
        try compareEvents(expected)
        try compareLetters(expected)
        try comparePositions(expected)
        try checkSnapshots(expected)
        if isWhole {
            try checkEnd(expected, shards)
            if world.options.isEventClock && world.options.topics.count == 1 && world.statistics.versions == 0
                && world.statistics.rebuilds == 0 && !shards.contains(where: { hasNewJournal($0.last.shard) })
                // At a budget of bytes, slices decide whose entries have left when another's record comes (docs/decisions/0017).
                && !shards.contains(where: { $0.engine.limits.bytes != nil })
            {
                for shard in shards { try compareUninterrupted(shard) }
            }
        }
    }

    private func hasNewJournal(_ shard: Int32) -> Bool {
        !world.cluster.log(TopicPartition(topic: World.outputs.journal, partition: shard)).past.isEmpty
    }

    /// A clock that jumped ahead was not believed before it had stayed so for long enough.
    private func checkReadings(_ record: JournalRecord, writtenAt: Int64) throws(Violation) {
        let most = writtenAt + world.mostSkew + Auditor.drift
        for latest in record.slices.map({ max($0.reading, $0.endedAt ?? .min) }) where latest > most {
            throw Violation(
                "shard \(record.shard), batch \(record.batch): a reading of \(latest) was written at \(writtenAt): the clock ran ahead"
            )
        }
    }

    private func readVersions() throws(Violation) -> [Digest: Version] {
        var versions: [Digest: Version] = [:]
        let log = world.cluster.log(TopicPartition(topic: World.outputs.versions, partition: 0))
        for (offset, entry) in log.committed() {
            guard let key = entry.key, let value = entry.value,
                let digest = Digest(hex: String(decoding: key, as: UTF8.self).split(separator: ":").last ?? ""),
                digest == Digest(of: value), let version = Version(encoded: value)
            else {
                throw Violation("\(log.partition), offset \(offset): no version, or not the one that its key names")
            }
            versions[digest] = version
        }
        return versions
    }

    // MARK: What readers see

    private func compareEvents(_ expected: Expected) throws(Violation) {
        var ids: Set<Substring> = []
        for topic in World.eventTopics {
            for index in 0..<world.options.shards {
                let partition = TopicPartition(topic: topic, partition: index)
                let wanted = expected.events[partition] ?? []
                let seen = world.cluster.log(partition).committed()
                world.statistics.events += seen.count
                for (place, (offset, entry)) in seen.enumerated() {
                    let message = Expected.Message(
                        key: entry.key.map { [UInt8]($0) }, value: entry.value.map { [UInt8]($0) })
                    let text = String(
                        decoding: entry.value ?? UnsafeRawBufferPointer(start: nil, count: 0), as: UTF8.self)
                    guard place < wanted.count else {
                        throw Violation("\(partition), offset \(offset): one too many: \(text)")
                    }
                    if wanted[place] != message {
                        throw Violation(
                            "\(partition), offset \(offset):\n  is       \(text)\n  expected \(String(decoding: wanted[place].value ?? [], as: UTF8.self))"
                        )
                    }
                    let id = text.dropFirst(27).prefix { $0 != "\"" }
                    if !ids.insert(id).inserted {
                        throw Violation("\(partition), offset \(offset): the id \(id) was used twice")
                    }
                }
                if seen.count < wanted.count {
                    throw Violation(
                        "\(partition): \(wanted.count - seen.count) events are missing, the first is \(String(decoding: wanted[seen.count].value ?? [], as: UTF8.self))"
                    )
                }
            }
        }
    }

    private func compareLetters(_ expected: Expected) throws(Violation) {
        for index in 0..<world.options.shards {
            let partition = TopicPartition(topic: World.outputs.deadLetters, partition: index)
            let (wanted, seen) = (expected.letters[index] ?? [], world.cluster.log(partition).committed())
            world.statistics.letters += seen.count
            if wanted.count != seen.count {
                throw Violation("\(partition): \(seen.count) letters, expected \(wanted.count)")
            }
            for (letter, (offset, entry)) in zip(wanted, seen) {
                let header = { (name: String) in
                    entry.headers.first { $0.name == "__rfmd.errors.\(name)" }?.value.map {
                        String(decoding: $0, as: UTF8.self)
                    }
                }
                let isTruncated = header("truncated") == "true"
                let isOriginal =
                    Auditor.equal(entry.key, letter.entry.key) && Auditor.equal(entry.value, letter.entry.value)
                    && entry.headers.starts(with: letter.entry.headers)
                let mayBeCut = letter.entry.value.map { $0.count > 500 } == true && world.options.messageBytes < 10_000
                let names =
                    header("reason") == letter.reason && header("topic") == letter.partition.topic
                    && header("partition") == String(letter.partition.partition)
                    && header("offset") == String(letter.offset)
                    && header("timestamp") == String(letter.entry.timestamp)
                if names && (isTruncated ? mayBeCut : isOriginal) { continue }
                throw Violation(
                    "\(partition), offset \(offset): not the letter of \(letter.partition) offset \(letter.offset), \(letter.reason): \(entry.headers)"
                )
            }
        }
    }

    private static func equal(_ one: UnsafeRawBufferPointer?, _ other: UnsafeRawBufferPointer?) -> Bool {
        guard let one, let other else { return one == nil && other == nil }
        return one.elementsEqual(other)
    }

    /// The group's positions are those of the last journal records, as far as they did not expire.
    private func comparePositions(_ expected: Expected) throws(Violation) {
        for (partition, position) in world.cluster.group.committed.sorted(by: {
            $0.key.description < $1.key.description
        })
        where expected.positions[partition] != position {
            // A rebuild begins without the inputs that the present rules do not name.
            if world.statistics.rebuilds > 0 && expected.positions[partition] == nil { continue }
            throw Violation(
                "\(partition): committed \(position), the journal says \(expected.positions[partition] ?? -1)")
        }
    }

    // MARK: Snapshots

    private var vault: FileSnapshotVault {
        let process = SimulatedProcess(
            world, name: "auditor", instance: "auditor", version: 0, rebuilds: false, skew: 0)
        do throws(SnapshotFailure) {
            return try FileSnapshotVault(
                folder: SimulatedDisk.folder, instance: "auditor", writer: "auditor", calls: world.disk.calls(process),
                lanes: TimelessLanes())
        } catch { preconditionFailure("the simulated folder cannot be used: \(error.text)") }
    }

    /// Chains of all snapshots that can be read.
    private func snapshots() -> Set<Digest> {
        let vault = vault
        return Set((0..<world.options.shards).flatMap { vault.list(group: World.group, shard: $0).usable.map(\.chain) })
    }

    /// A snapshot with its final name is of a committed batch, and holds the state after it.
    private func checkSnapshots(_ expected: Expected) throws(Violation) {
        let vault = vault
        let versions = try readVersions()
        for index in 0..<world.options.shards {
            let (usable, damaged) = vault.list(group: World.group, shard: index)
            if !damaged.isEmpty && world.disk.rotten == 0 && world.disk.misnamed == 0 {
                throw Violation("shard \(index): a snapshot is damaged, and no disk failed: \(damaged[0].text)")
            }
            try checkTrimming(index, usable)
            for identity in usable {
                let here = "shard \(index): the snapshot of batch \(identity.batch)"
                guard let state = expected.states[identity.chain] else {
                    throw Violation("\(here) is of no committed batch")
                }
                guard let record = identity.journalRecord.withUnsafeBytes({ JournalRecord($0) }),
                    record.chain == identity.chain
                else {
                    throw Violation("\(here) names another journal record")
                }
                switch ShardAudit.restore(identity, record, versions, vault) {
                case .success(let engine):
                    if engine.stateDigest() != state { throw Violation("\(here) holds another state") }
                case .failure(let failure): if world.disk.rotten == 0 { throw Violation("\(here): \(failure.text)") }
                }
            }
        }
    }

    /// The journal still holds the records of as many snapshots as are kept.
    private func checkTrimming(_ index: Int32, _ usable: [SnapshotIdentity]) throws(Violation) {
        let journal = world.cluster.log(TopicPartition(topic: World.outputs.journal, partition: index))
        if journal.start == 0 || world.disk.rotten > 0 || world.disk.wipes > 0 { return }
        let kept = journal.committed(from: journal.start).filter { _, entry in
            usable.contains { $0.journalRecord == entry.value.map { [UInt8]($0) } }
        }
        if kept.count < world.options.snapshotsKept {
            throw Violation(
                "\(journal.partition) was trimmed before \(journal.start), and \(kept.count) snapshots are left of \(world.options.snapshotsKept)"
            )
        }
    }

    // MARK: The end

    /// Every record was applied, and every deadline that came due in the silence has fired.
    private func checkEnd(_ expected: Expected, _ shards: [ShardAudit]) throws(Violation) {
        for topic in inputs {
            for index in 0..<world.options.shards {
                let partition = TopicPartition(topic: topic, partition: index)
                let log = world.cluster.log(partition)
                world.statistics.records += log.committed().count
                guard let position = expected.positions[partition] else {
                    throw Violation("\(partition) is named by no journal record")
                }
                if let left = log.next(from: position) {
                    throw Violation("\(partition): the record at \(left) was never applied")
                }
            }
        }
        if world.options.isEventClock { return }
        for shard in shards where shard.engine.hasDue(at: silent - 2_500) {
            throw Violation(
                "shard \(shard.last.shard): a deadline was due 2.5 s before the end of a silence and did not fire")
        }
    }

    /// With the event clock and one input, the decisions are those of one run over all records.
    private func compareUninterrupted(_ shard: ShardAudit) throws(Violation) {
        let partition = TopicPartition(topic: world.options.topics[0], partition: shard.last.shard)
        let decisions = shard.uninterrupted(world.cluster.log(partition))
        for topic in World.eventTopics {
            let seen = world.cluster.log(TopicPartition(topic: topic, partition: shard.last.shard)).committed()
            // Over customers the order is free; of each customer it is not.
            var wanted = decisions[topic] ?? [:]
            for (offset, entry) in seen {
                // `id` names the genesis and the batch.
                let text = String(decoding: entry.value ?? UnsafeRawBufferPointer(start: nil, count: 0), as: UTF8.self)
                let rest = text.dropFirst(27).drop { $0 != "\"" }
                let next = wanted[entry.key.map { [UInt8]($0) } ?? []]?.popFirst()
                if next == rest { continue }
                throw Violation(
                    "\(topic)[\(shard.last.shard)], offset \(offset): a run without interruption decides otherwise:\n  is       \(rest)\n  expected \(next ?? "nothing")"
                )
            }
            if wanted.values.contains(where: { !$0.isEmpty }) {
                throw Violation("\(topic)[\(shard.last.shard)]: a run without interruption decides more")
            }
        }
    }
}

/// A promise that was not kept.
struct Violation: Error {
    var text: String

    init(_ text: String) { self.text = text }
}
