// What the consumer group decides: shards come by recovery and go with everything in hand committed.
import Codec
import Model

extension WorkerLoop {
    func serveGroup(timeout: Int32) throws(WorkerFailure) {
        var timeout = timeout
        while let event = source.poll(timeout: timeout) {
            timeout = 0
            switch event {
            case .assigned(let partitions, let membership): waitingAssignment = (partitions, membership)
            case .revoked(let lost): try revoke(lost: lost)
            case .connection(let problem): noteConnection(problem)
            case .failed(let failure): throw .transport(noted(failure))
            }
        }
    }

    private func noted(_ failure: TransportFailure) -> TransportFailure {
        if case .fenced = failure { instanceWasFenced = true }
        return failure
    }

    private func noteConnection(_ problem: String?) {
        guard control.board.status.connectionProblem != problem else { return }
        control.board.update { $0.connectionProblem = problem }
        observe(.connection(problem: problem))
    }

    private func revoke(lost: Bool) throws(WorkerFailure) {
        waitingAssignment = nil
        guard membership != nil else {
            source.unassign()
            return
        }
        observe(.revoked(lost: lost))
        if lost { throw .transport(.abort("the group went on without this member")) }
        try settle(limit: Limits.settleMilliseconds)
        kept = [:]
        for active in shards {
            active.snapshot?.drop(active.shard.engine)
            active.shard.forgetRecords(release: source.release)
            if !active.shard.isReplaying { kept[active.shard.index] = active.shard }
        }
        shards = []
        membership = nil
        source.unassign()
    }

    /// Recovers the shards of an assignment and begins to read.
    func take(_ assignment: (partitions: [TopicPartition], membership: any Membership)) throws(WorkerFailure) {
        waitingAssignment = nil
        control.board.update { $0.phase = .recovering }
        try checkCounts(assignment.partitions)
        let indexes = Set(assignment.partitions.map(\.partition)).sorted()
        let topics = options.version.mappings.map(\.topic)
        if let missing = missing(indexes, topics, assignment.partitions) {
            control.board.update { $0.phase = .joining }
            observe(.assignmentUnusable(missing: missing))
            source.unassign()
            return
        }
        // The group's coordinator has answered; what could not be reached before is told no more.
        noteConnection(nil)
        let recovered = try recover(indexes, topics, assignment.membership)
        kept = [:]
        membership = assignment.membership
        shards = recovered.map { ActiveShard($0, snapshotEvery: options.snapshotEvery, clock: ports.clock) }
        try commitGeneses(zip(recovered, shards).filter { $0.0.point == .newGenesis }.map(\.1), assignment.membership)
        try read(recovered)
        observe(.assigned(shards: indexes))
        control.board.update { $0.phase = .running }
    }

    /// Kafka sends a key to another partition when there are more of them: the state of customers would be split.
    private func checkCounts(_ partitions: [TopicPartition]) throws(WorkerFailure) {
        guard let added = partitions.filter({ $0.partition >= options.partitions }).map(\.topic).min() else { return }
        throw .refused(
            "the input topic '\(added)' has more than \(options.partitions) partitions now: since some were added, customers go to other "
                + "partitions than those that hold their state. Kafka takes none back: give all inputs the same number, and begin anew from "
                + "them with another kafka.group and other outputs.topics")
    }

    /// A shard is one partition index of every input: an assignment without one of them cannot be used. The group deals out anew when the
    /// member with the old inputs is gone.
    private func missing(_ indexes: [Int32], _ topics: [String], _ partitions: [TopicPartition]) -> TopicPartition? {
        for index in indexes {
            for topic in topics {
                let wanted = TopicPartition(topic: topic, partition: index)
                if !partitions.contains(wanted) { return wanted }
            }
        }
        return nil
    }

    private func recover(_ indexes: [Int32], _ topics: [String], _ membership: any Membership) throws(WorkerFailure)
        -> [ShardRecovery.Recovered]
    {
        // Closures of this object that end with this call.
        let progress = { () throws(TransportFailure) in try self.serveWhileRecovering() }
        let pause = { () throws(TransportFailure) in
            try self.serveWhileRecovering()
            self.source.wait(timeout: 100)
        }
        let recovery = ShardRecovery(
            options: options, ports: ports, reader: reader, progress: progress, pause: pause,
            tick: { self.control.board.tick() })
        let inputs = indexes.flatMap { index in topics.map { TopicPartition(topic: $0, partition: index) } }
        var versions: [Digest: [UInt8]] = [:]
        var histories: [JournalHistory] = []
        let committed = try settledPositions(of: inputs, shards: indexes, membership, pause)
        for index in indexes {
            histories.append(try history(of: index, progress, pause))
        }
        do throws(TransportFailure) { versions = try readVersions(progress) } catch { throw .transport(error) }
        var recovered: [ShardRecovery.Recovered] = []
        for (index, history) in zip(indexes, histories) {
            let one: ShardRecovery.Recovered
            do throws(WorkerFailure) {
                one = try recovery.recover(
                    index, committed: committed, history: history, versions: versions, kept: kept[index], book: &book)
            } catch {
                if case .refused = error { try checkStillTrue(index, history, committed, inputs, pause) }
                throw error
            }
            if let lost = one.lost { observe(.rebuilt(shard: index, lost: lost)) }
            observe(.recovered(shard: index, from: one.point, batches: one.shard.replaying.count))
            recovered.append(one)
        }
        return recovered
    }

    /// A broker that has just started does not know every topic at once; a journal that stays away was deleted.
    private func history(
        of index: Int32, _ progress: () throws(TransportFailure) -> Void, _ pause: () throws(TransportFailure) -> Void
    ) throws(WorkerFailure) -> JournalHistory {
        let journal = TopicPartition(topic: options.topics.journal, partition: index)
        let until = ports.clock.elapsed() + WorkerLoop.missingMilliseconds
        while true {
            do throws(WorkerFailure) {
                return try JournalHistory.read(journal, of: options.group, reader, progress: progress)
            } catch {
                guard case .transport(.missing) = error else { throw error }
                if ports.clock.elapsed() > until {
                    throw .refused(
                        "the journal '\(journal.topic)' does not exist any more, and without it no shard can be recovered. "
                            + Worker.howToAcceptALoss)
                }
            }
            do throws(TransportFailure) { try pause() } catch { throw .transport(error) }
        }
    }

    private static let missingMilliseconds: Int64 = 10_000

    /// A refusal is final, so it must not come of what was read at different times: if this member stood still for long enough, another
    /// has the shard by now, and goes on.
    private func checkStillTrue(
        _ index: Int32, _ history: JournalHistory, _ committed: [TopicPartition: Int64], _ inputs: [TopicPartition],
        _ pause: () throws(TransportFailure) -> Void
    ) throws(WorkerFailure) {
        do throws(TransportFailure) {
            let journal = TopicPartition(topic: options.topics.journal, partition: index)
            let end = try retrying(pause) { () throws(TransportFailure) in try reader.range(of: journal).end }
            let positions = try retrying(pause) { () throws(TransportFailure) in try source.committed(inputs) }
            guard end == history.end, positions == committed else {
                throw .abort("another member works on shard \(index)")
            }
        } catch { throw .transport(error) }
    }

    /// Everything in rfm.versions, by digest.
    private func readVersions(_ progress: () throws(TransportFailure) -> Void) throws(TransportFailure) -> [Digest:
        [UInt8]]
    {
        let partition = TopicPartition(topic: options.topics.versions, partition: 0)
        let (first, end) = try reader.range(of: partition)
        var versions: [Digest: [UInt8]] = [:]
        let prefix = "\(Version.kind):"
        try reader.read(partition, from: first, end: end, progress: progress) {
            (raw: RawRecord) throws(TransportFailure) in
            guard let key = raw.key, let value = raw.value else { return }
            let name = String(decoding: key, as: UTF8.self)
            guard name.hasPrefix(prefix), let digest = Digest(hex: name.dropFirst(prefix.count)) else { return }
            versions[digest] = [UInt8](value)
        }
        return versions
    }

    /// Between steps of a recovery.
    private func serveWhileRecovering() throws(TransportFailure) {
        control.board.tick()
        if control.stopRequested { throw .abort("stopping") }
        guard let event = source.poll(timeout: 0) else { return }
        switch event {
        case .assigned, .revoked: throw .abort("the group changed while shards were recovered")
        case .connection(let problem): noteConnection(problem)
        case .failed(let failure): throw noted(failure)
        }
    }

    /// Batch 0 of each new shard, committed by itself before anything is read.
    private func commitGeneses(_ new: [ActiveShard], _ membership: any Membership) throws(WorkerFailure) {
        if new.isEmpty { return }
        commit(new, membership) { active in
            let shard = active.shard
            return SealedBatch.Part(
                shard: shard.index, genesis: shard.genesis.id, batch: 0, effects: ByteBuffer(capacity: 16),
                sections: [], letters: [],
                journal: shard.sealed.record, positions: shard.inputs.map { ($0.partition, $0.position) })
        }
        try settle(limit: Limits.settleMilliseconds)
        // Another group may have begun in the same journal at the same time: it is refused to whoever came second.
        for active in new {
            let journal = TopicPartition(topic: options.topics.journal, partition: active.shard.index)
            _ = try JournalHistory.read(journal, of: options.group, reader) { () throws(TransportFailure) in
                try self.serveWhileRecovering()
            }
        }
    }

    private func read(_ recovered: [ShardRecovery.Recovered]) throws(WorkerFailure) {
        var positions: [TopicPartition: Int64] = [:]
        for one in recovered {
            let today = Set(options.version.mappings.map(\.topic))
            var topics = today
            // Of an input that the rules of today do not name, what is applied again, and nothing else: its other records may be gone.
            var needed = today
            for slice in one.shard.replaying.flatMap(\.slices) {
                let mappings = book[slice.version]?.version.mappings ?? []
                if slice.installs { topics.formUnion(mappings.map(\.topic)) }
                for (range, mapping) in zip(slice.ranges, mappings) where !range.isEmpty {
                    needed.insert(mapping.topic)
                }
            }
            positions.merge(one.shard.readPositions(topics).filter { needed.contains($0.key.topic) }) { $1 }
        }
        do throws(TransportFailure) { try source.assign(positions) } catch { throw .transport(error) }
    }

    /// A producer is fenced by another of its name, but also by a broker that gave up its transaction. Only if the group says that the
    /// instance was replaced is there a second process of this name.
    func verdict(onFencing text: String, within limit: Int64) -> TransportFailure {
        let until = ports.clock.elapsed() + limit
        while ports.clock.elapsed() < until && !control.stopRequested {
            control.board.tick()
            guard let event = source.poll(timeout: 100) else { continue }
            switch event {
            case .failed(.fenced(let text)): return .fenced(text)
            case .failed(let other): return other
            case .revoked: source.unassign()
            case .assigned, .connection: break
            }
        }
        return .abort(text)
    }
}
