// How a shard comes (back) to life: from its snapshot and its journal, or from a new genesis. There is no second way.
//
// The order matters. The producer was initialized before (it ends what an older producer of this name had open). Then: committed
// positions, until they are stable; the journal up to a high watermark taken after that; then the versions. Whoever owned the shard
// before can commit nothing any more that this does not see: the broker refuses positions of an older generation.
import Codec
import Engine
import Model
import Rules

struct ShardRecovery {
    let options: WorkerOptions
    let ports: WorkerPorts
    let reader: any LogReader
    /// Called between steps: serves the group, and throws if the assignment is gone.
    let progress: () throws(TransportFailure) -> Void
    /// The same, after a little wait: between two tries.
    let pause: () throws(TransportFailure) -> Void
    /// Tells that the worker is alive, where nothing may be thrown.
    let tick: () -> Void

    /// How long an end may lie before what was read, ms.
    private static let endMilliseconds: Int64 = 10_000

    struct Recovered {
        var shard: Shard
        var point: RecoveryPoint
        /// Offsets of the journal's records, by batch.
        var journalOffsets: [UInt64: Int64]
        /// Why state was given up, if it was.
        var lost: String?
    }

    /// What stands between a shard and its state.
    private enum Obstacle: Error {
        /// The state is lost; `--rebuild` accepts that.
        case lost(String)
        case failure(WorkerFailure)
    }

    /// Recovers one shard. `committed` are the group's positions, `kept` the shard if it is still here since an earlier assignment.
    func recover(
        _ index: Int32, committed: [TopicPartition: Int64], history: JournalHistory, versions: [Digest: [UInt8]],
        kept: Shard?,
        book: inout VersionBook
    ) throws(WorkerFailure) -> Recovered {
        let committed = committed.filter { $0.key.partition == index }
        let (usable, damaged) = ports.vault.list(group: options.group, shard: index)
        for failure in damaged { unusable(index, failure) }
        do throws(Obstacle) {
            if history.wasNeverCommitted && usable.isEmpty && committed.isEmpty {
                return Recovered(
                    shard: try newShard(index, after: nil, committed, book), point: .newGenesis, journalOffsets: [:])
            }
            let (shard, point) = try restore(index, committed, history, usable, versions, kept, &book)
            return Recovered(
                shard: shard, point: point,
                journalOffsets: Dictionary(history.entries.map { ($0.record.batch, $0.offset) }) { $1 })
        } catch {
            let before =
                history.last?.record ?? usable.first.flatMap { $0.journalRecord.withUnsafeBytes { JournalRecord($0) } }
            return try rebuild(index, error, before, committed, book)
        }
    }

    private func rebuild(
        _ index: Int32, _ obstacle: Obstacle, _ before: JournalRecord?, _ committed: [TopicPartition: Int64],
        _ book: VersionBook
    ) throws(WorkerFailure) -> Recovered {
        switch obstacle {
        case .failure(let failure): throw failure
        case .lost(let reason):
            guard options.rebuilds else {
                throw .refused("shard \(index) cannot be recovered: \(reason). \(Worker.howToAcceptALoss)")
            }
            do throws(Obstacle) {
                let shard = try newShard(index, after: before, committed, book)
                return Recovered(shard: shard, point: .newGenesis, journalOffsets: [:], lost: reason)
            } catch {
                guard case .failure(let failure) = error else {
                    preconditionFailure("a new genesis loses nothing more")
                }
                throw failure
            }
        }
    }

    private func observe(_ event: WorkerEvent) { ports.observer.observe(event, worker: options.number) }

    private func unusable(_ shard: Int32, _ failure: SnapshotFailure) {
        observe(.snapshotUnusable(shard: shard, reason: failure.text))
    }

    private func range(of partition: TopicPartition) throws(Obstacle) -> (first: Int64, end: Int64) {
        do throws(TransportFailure) {
            return try retrying(pause) { () throws(TransportFailure) in try reader.range(of: partition) }
        } catch { throw .failure(.transport(error)) }
    }

    // MARK: From what was committed

    private func restore(
        _ index: Int32, _ committed: [TopicPartition: Int64], _ history: JournalHistory, _ usable: [SnapshotIdentity],
        _ versions: [Digest: [UInt8]], _ kept: Shard?, _ book: inout VersionBook
    ) throws(Obstacle) -> (Shard, RecoveryPoint) {
        guard let last = history.last?.record else {
            throw .lost(
                history.wasNeverCommitted
                    ? "its journal is empty, and yet it was at work before (there are committed positions or snapshots)"
                    : "its journal holds no record any more")
        }
        try comparePositions(last, committed)
        try checkUnread(last)
        if let kept, kept.genesis == last.genesis, kept.sealed.chain == last.chain {
            try plan(kept, [], last, versions, &book)
            return (kept, .memory(batch: kept.sealed.batch))
        }
        for identity in usable {
            guard let place = history.index(of: identity) else {
                observe(
                    .snapshotUnusable(
                        shard: index, reason: "batch \(identity.batch): the committed journal does not hold this batch")
                )
                continue
            }
            let record = history.entries[place].record
            guard let shard = try load(identity, record, versions, &book) else { continue }
            try checkRetained(from: record, to: last)
            try plan(shard, history.entries[(place + 1)...], last, versions, &book)
            return (shard, .snapshot(batch: identity.batch))
        }
        guard let first = history.entries.first, first.record.batch == 0 else {
            throw .lost("there is no usable snapshot, and its journal does not begin with its genesis any more")
        }
        try checkRetained(from: first.record, to: last)
        let version = try known(first.record.version, versions, &book)
        let shard = shard(
            first.record, version, sealed: JournalPlace(batch: 0, chain: first.record.chain, record: first.bytes),
            versionBefore: nil)
        try plan(shard, history.entries.dropFirst(), last, versions, &book)
        return (shard, .genesis)
    }

    /// The last journal record is the truth. A position that differs was set by somebody else.
    private func comparePositions(_ last: JournalRecord, _ committed: [TopicPartition: Int64]) throws(Obstacle) {
        for (topic, position) in last.positions.sorted(by: { $0.key < $1.key }) {
            let partition = TopicPartition(topic: topic, partition: last.shard)
            guard let other = committed[partition], other != position else { continue }
            throw .failure(
                .refused(
                    "\(partition): the group's committed position is \(other), but the journal's is \(position) (batch \(last.batch)): somebody "
                        + "moved it. Set it back: kafka-consumer-groups --group \(options.group) --topic \(topic):\(last.shard) "
                        + "--reset-offsets --to-offset \(position) --execute"))
        }
    }

    /// Every input is still the topic that was read, and the records that were not read yet are there.
    private func checkUnread(_ last: JournalRecord) throws(Obstacle) {
        var lost: String?
        for topic in options.version.mappings.map(\.topic) {
            guard let position = last.positions[topic] else { continue }
            let partition = TopicPartition(topic: topic, partition: last.shard)
            let first = try range(of: partition, readUpTo: position).first
            if first > position && lost == nil {
                lost = "records \(position) to \(first - 1) of \(partition) were deleted before they were read"
            }
        }
        if let lost { throw .lost(lost) }
    }

    /// A new leader of a partition does not know at once how far its followers have come, and names an earlier end for a while.
    private func range(of partition: TopicPartition, readUpTo position: Int64) throws(Obstacle) -> (
        first: Int64, end: Int64
    ) {
        let until = ports.clock.elapsed() + ShardRecovery.endMilliseconds
        while true {
            let range = try range(of: partition)
            if range.end >= position { return range }
            if ports.clock.elapsed() > until {
                throw .failure(
                    .refused(
                        "\(partition) ends at \(range.end), but was read up to \(position): it was deleted and made anew, or lost records, and "
                            + "what it holds now would be mixed with what it held. Begin anew from the inputs: \(Worker.howToBeginAnew)"
                    ))
            }
            do throws(TransportFailure) { try pause() } catch { throw .failure(.transport(error)) }
        }
    }

    /// Records that must be read again are there.
    private func checkRetained(from start: JournalRecord, to last: JournalRecord) throws(Obstacle) {
        try checkRetained(start.positions, of: start.shard, after: start.batch, to: last)
    }

    private func checkRetained(
        _ positions: [String: Int64], of shard: Int32, after batch: UInt64, to last: JournalRecord
    ) throws(Obstacle) {
        for (topic, position) in positions.sorted(by: { $0.key < $1.key }) where last.positions[topic] != position {
            let partition = TopicPartition(topic: topic, partition: shard)
            // Also of an input that the rules of today do not name.
            let first = try range(of: partition, readUpTo: last.positions[topic] ?? position).first
            if first > position {
                throw .lost(
                    "records \(position) to \(first - 1) of \(partition) were deleted, and the batches after \(batch) need them"
                )
            }
        }
    }

    private func known(_ digest: Digest, _ versions: [Digest: [UInt8]], _ book: inout VersionBook) throws(Obstacle)
        -> KnownVersion
    {
        if let known = book[digest] { return known }
        guard let bytes = versions[digest] else {
            throw .lost(
                "the topic \(options.topics.versions) does not hold the version \(digest.short), which its journal names"
            )
        }
        guard Digest(of: bytes) == digest, let version = bytes.withUnsafeBytes({ Version(encoded: $0) }) else {
            throw .failure(
                .refused(
                    "the version \(digest.short) in \(options.topics.versions) was written by another rfmd: start that one, and stop it"
                ))
        }
        do throws(RulesetProblem) { return try book.add(version, bytes: bytes) } catch {
            throw .failure(
                .refused(
                    "the rules of version \(digest.short) are not accepted by this rfmd: start the one that wrote it, and stop it"
                ))
        }
    }

    /// What is to be applied again, with which versions, and where inputs begin that a version adds.
    private func plan(
        _ shard: Shard, _ after: ArraySlice<JournalHistory.Entry>, _ last: JournalRecord, _ versions: [Digest: [UInt8]],
        _ book: inout VersionBook
    ) throws(Obstacle) {
        shard.replaying = ArraySlice(after.map(\.record))
        // Inputs of versions that come into force on the way: what is to be read again of them.
        var added: [String: Int64] = [:]
        for record in shard.replaying {
            for (number, slice) in record.slices.enumerated() {
                let version = try known(slice.version, versions, &book)
                guard version.version.engineNumber == Engine.number else {
                    throw .failure(
                        .refused(
                            "shard \(shard.index): batch \(record.batch) was made by an rfmd with engine \(version.version.engineNumber), and this "
                                + "one has engine \(Engine.number): start that one once more and stop it in order, so that it leaves a snapshot"
                        ))
                }
                if slice.installs {
                    for topic in version.version.mappings.map(\.topic) {
                        shard.starts[topic] =
                            shard.starts[topic] ?? record.start(of: topic, after: number, version.version)
                        added[topic] = shard.starts[topic]
                    }
                }
            }
        }
        try checkSettled(shard, book)
        try checkRetained(added, of: shard.index, after: shard.sealed.batch, to: last)
        for topic in options.version.mappings.map(\.topic)
        where last.positions[topic] == nil && shard.starts[topic] == nil {
            shard.starts[topic] = try range(of: TopicPartition(topic: topic, partition: shard.index)).first
        }
    }

    /// What another engine left undone comes before any new version, and would be done by this one in the name of the other's.
    private func checkSettled(_ shard: Shard, _ book: VersionBook) throws(Obstacle) {
        guard let other = book[shard.versionDigest]?.version.engineNumber, other != Engine.number,
            !shard.engine.isSettled
        else { return }
        throw .failure(
            .refused(
                "shard \(shard.index): an rfmd with engine \(other) was stopped while deadlines were due, and this one has engine \(Engine.number): "
                    + "start that one once more, let it work them off, and stop it in order, so that it leaves a snapshot"
            ))
    }

    /// nil if the file turns out to be of no use.
    private func load(
        _ identity: SnapshotIdentity, _ record: JournalRecord, _ versions: [Digest: [UInt8]], _ book: inout VersionBook
    ) throws(Obstacle) -> Shard? {
        let version = try known(record.version, versions, &book)
        var shard: Shard?
        var obstacle: Obstacle?
        let place = JournalPlace(batch: identity.batch, chain: identity.chain, record: identity.journalRecord)
        let memory = MemoryToucher(ports.lanes, .normal)
        let index = IndexLane(ports.lanes)
        do throws(SnapshotFailure) {
            try ports.vault.load(identity) { (chunk: UnsafeRawBufferPointer) throws(SnapshotFailure) in
                tick()
                do throws(Engine.DamagedState) {
                    if let shard {
                        try shard.engine.restoreCustomers(chunk)
                        index.index(shard.engine)
                        return memory.touch(aheadOf: shard.engine)
                    }
                    let (digest, header) = try SnapshotProgress.split(header: chunk)
                    var before: KnownVersion?
                    if let digest {
                        do throws(Obstacle) { before = try known(digest, versions, &book) } catch {
                            obstacle = error
                            throw Engine.DamagedState(reason: "the version before is not known")
                        }
                    }
                    let new = self.shard(record, version, sealed: place, versionBefore: before?.digest)
                    try new.engine.restoreHeader(header, oldRules: before?.rules)
                    shard = new
                } catch { throw .damaged(file: "batch \(identity.batch)", reason: error.reason) }
            }
            guard let shard else { throw .damaged(file: "batch \(identity.batch)", reason: "there is no state in it") }
            guard index.wait() else { throw .io(file: "batch \(identity.batch)", reason: "the load was given up") }
            do throws(Engine.DamagedState) { try shard.engine.finishRestore() } catch {
                throw .damaged(file: "batch \(identity.batch)", reason: error.reason)
            }
        } catch {
            // What the lane still has holds the memory of this state, and another may come next.
            _ = index.wait()
            if let obstacle { throw obstacle }
            unusable(identity.shard, error)
            return nil
        }
        return shard
    }

    // MARK: A new genesis

    /// `before` is the last that is known of a state that was given up.
    private func newShard(
        _ index: Int32, after before: JournalRecord?, _ committed: [TopicPartition: Int64], _ book: VersionBook
    ) throws(Obstacle) -> Shard {
        guard let version = book[options.version.digest] else {
            preconditionFailure("the configured version is known from the start")
        }
        var starts: [String: Int64] = [:]
        for mapping in version.version.mappings {
            starts[mapping.topic] = try range(of: TopicPartition(topic: mapping.topic, partition: index)).first
        }
        let now = ports.clock.now()
        var genesis = Genesis(
            id: ports.randomID(), group: options.group, at: now,
            emitFrom: before?.genesis.emitFrom ?? options.emitFrom ?? now, starts: starts)
        for (partition, position) in committed { genesis.rebuiltPositions[partition.topic] = position }
        if let before {
            genesis.rebuiltPositions.merge(before.positions) { max($0, $1) }
            genesis.rebuiltPositions.merge(before.genesis.rebuiltPositions) { max($0, $1) }
            genesis.rebuiltUpTo = max(before.clock ?? .min, before.genesis.rebuiltUpTo)
        }
        // Records of a topic that was made anew were never sent, whatever their offsets say.
        for (topic, position) in genesis.rebuiltPositions.sorted(by: { $0.key < $1.key }) where starts[topic] != nil {
            _ = try range(of: TopicPartition(topic: topic, partition: index), readUpTo: position)
        }
        var record = JournalRecord(
            genesis: genesis, shard: index, batch: 0, slices: [], positions: starts, version: version.digest,
            clock: nil,
            effects: ShardBatch().digest)
        let bytes = record.seal(after: .zero)
        return shard(
            record, version, sealed: JournalPlace(batch: 0, chain: record.chain, record: bytes), versionBefore: nil)
    }

    private func shard(_ record: JournalRecord, _ version: KnownVersion, sealed: JournalPlace, versionBefore: Digest?)
        -> Shard
    {
        let genesis = record.genesis
        let engine = Engine(
            rules: version.rules, limits: version.version.limits, key: genesis.id.low, emitFrom: genesis.emitFrom,
            rebuiltUpTo: genesis.rebuiltUpTo)
        return Shard(
            index: record.shard, genesis: genesis, applier: RecordApplier(engine: engine, version: version.version),
            bounds: options.bounds, versionDigest: version.digest, versionBefore: versionBefore,
            positions: record.positions, sealed: sealed)
    }
}

extension JournalRecord {
    /// Where an input begins that slice `number` adds: where the next slice reads it, or where the batch leaves it.
    fileprivate func start(of topic: String, after number: Int, _ version: Version) -> Int64? {
        guard let input = version.mappings.firstIndex(where: { $0.topic == topic }) else { return nil }
        let next = slices[(number + 1)...].first
        if let next, !next.installs, input < next.ranges.count { return next.ranges[input].lowerBound }
        return positions[topic]
    }
}
