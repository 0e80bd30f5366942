// One life of a worker: from new clients to the failure or the stop that ends it. Everything here runs on the worker's thread.
//
// Every round of the loop (`goRound`): serve the group; take the committer's result; of each shard read what has arrived and apply at most
// one slice; hand the pending batch to the committer if it is free and the worker is not behind; let snapshots go on. When shards are
// taken away and when the worker stops, `settle` and `finish` do the same steps until everything in hand is committed.
import Codec
import Engine
import Model

final class WorkerLoop {
    let options: WorkerOptions
    let ports: WorkerPorts
    let control: WorkerControl
    let source: any RecordSource
    let reader: any LogReader
    let committer: Committer
    var book: VersionBook
    let current: KnownVersion

    /// What the group decided and the worker has not yet acted on.
    var waitingAssignment: (partitions: [TopicPartition], membership: any Membership)?
    var membership: (any Membership)?
    /// The group said that this instance was replaced.
    var instanceWasFenced = false
    /// In the order of their indexes.
    var shards: [ActiveShard] = []
    /// Shards of the assignment before, in case they come back.
    var kept: [Int32: Shard] = [:]
    /// Versions that this life has written to rfm.versions, and those that are on their way.
    private var writtenVersions: Set<Digest> = []
    private var versionsInFlight: Set<Digest> = []
    /// A batch was handed over, and is not known to be committed.
    private var isCommitting = false
    private var batchStartedAt: Int64?
    /// In this round, to batches that are to be committed.
    private var recordsApplied = 0
    /// The first batch of a life is handed over at once, so that it shows early whether all is well.
    private var hasSealed = false
    private let memory: MemoryToucher
    var telling = WorkerTelling()

    init(
        _ options: WorkerOptions, _ ports: WorkerPorts, _ control: WorkerControl, _ current: KnownVersion,
        _ book: VersionBook
    )
        throws(TransportFailure)
    {
        self.options = options
        self.ports = ports
        self.control = control
        self.current = current
        self.book = book
        memory = MemoryToucher(ports.lanes, .background)
        let source = try ports.source()
        self.source = source
        do throws(TransportFailure) {
            reader = try ports.reader()
            committer = Committer(
                sink: try ports.sink(), lane: ports.lanes.lane("committer-\(options.number)", .normal),
                topics: options.topics, format: options.format,
                wake: source.wake)
        } catch {
            source.close()
            throw error
        }
    }

    func observe(_ event: WorkerEvent) { ports.observer.observe(event, worker: options.number) }

    // MARK: The loop

    /// Returns when a stop was asked for and everything in hand is committed.
    func run() throws(WorkerFailure) {
        guard try initialize() else { return }
        while !control.stopRequested { try goRound() }
        control.board.update { $0.phase = .stopping }
        try finish()
    }

    /// False if a stop was asked for before the producer was ready: there is nothing to finish.
    private func initialize() throws(WorkerFailure) -> Bool {
        control.board.update { $0.phase = .joining }
        committer.initialize()
        while !control.stopRequested {
            if try takeResult() != nil { return true }
            try serveGroup(timeout: 100)
            control.board.tick()
        }
        return false
    }

    /// Something was applied that is not known to be committed.
    var holdsWork: Bool { isCommitting || shards.contains { !$0.shard.isReplaying && !$0.shard.pending.isEmpty } }

    private func goRound() throws(WorkerFailure) {
        control.board.tick()
        try serveGroup(timeout: 0)
        if let assignment = waitingAssignment { try take(assignment) }
        try takeCommit()
        var didWork = false
        recordsApplied = 0
        for shard in shards where try advance(shard) { didWork = true }
        if !letsBatchGrow { sealPending() }
        for shard in shards {
            continueSnapshot(shard)
            memory.touch(aheadOf: shard.shard.engine)
        }
        telling.tell(self)
        if !didWork { source.wait(timeout: shards.contains { $0.snapshot != nil } ? 5 : 50) }
    }

    /// Reads and applies a little of one shard; false if there was nothing to do.
    private func advance(_ active: ActiveShard) throws(WorkerFailure) -> Bool {
        let shard = active.shard
        if shard.isReplaying {
            let didRead = try fill(shard)
            return try replay(active) || didRead
        }
        // What cannot be applied now stays in the client, which bounds its bytes.
        guard hasRoom(shard) else { return false }
        if let snapshot = active.snapshot, snapshot.isFull(shard.engine) {
            control.board.update { $0.totals.snapshotWaits += 1 }
            return false
        }
        let didRead = try fill(shard)
        guard let slice = try nextSlice(shard) else { return didRead }
        if batchStartedAt == nil { batchStartedAt = ports.clock.elapsed() }
        if slice.installs {
            shard.install(current, slice: slice)
        } else {
            let before = shard.pending.records
            shard.apply(slice, headers: source.headers, release: source.release)
            recordsApplied += shard.pending.records - before
        }
        return true
    }

    /// While rounds are full, more waits than can be worked off at once, and a transaction costs the broker and librdkafka as much whether it
    /// is large or small: so it is made larger, within bounds.
    private var letsBatchGrow: Bool {
        guard hasSealed, recordsApplied >= options.bounds.recordsOfFullRound, let batchStartedAt else {
            return false
        }
        return ports.clock.elapsed() - batchStartedAt < options.bounds.growMilliseconds
    }

    /// Takes what has arrived, as far as there is room.
    private func fill(_ shard: Shard) throws(WorkerFailure) -> Bool {
        var didRead = false
        for index in shard.inputs.indices {
            let room = options.bounds.recordsWaiting - shard.inputs[index].waiting
            if room <= 0 { continue }
            let before = shard.inputs[index].readUpTo
            do throws(TransportFailure) {
                let end = try source.take(
                    shard.inputs[index].partition, limit: room, into: &shard.inputs[index].records)
                shard.inputs[index].noteRead(end: end)
            } catch { throw .transport(error) }
            if shard.inputs[index].readUpTo != before { didRead = true }
        }
        return didRead
    }

    /// The bounds of a batch. They matter while the one before commits, or the worker is behind: otherwise a batch is sealed after every round.
    private func hasRoom(_ shard: Shard) -> Bool {
        if shard.pending.slices.count >= options.bounds.slices { return false }
        if let batchStartedAt, ports.clock.elapsed() - batchStartedAt >= options.bounds.milliseconds { return false }
        var records = 0
        var bytes = 0
        for other in shards where !other.shard.isReplaying {
            records += other.shard.pending.records
            bytes += other.shard.pending.bytes
        }
        return records < options.bounds.records && bytes < options.bounds.effectBytes
    }

    private func nextSlice(_ shard: Shard) throws(WorkerFailure) -> Slice? {
        let reading = ports.clock.now()
        if shard.versionDigest != current.digest && shard.engine.isSettled {
            try checkVersion(shard)
            var slice = Slice(version: current.digest, reading: reading, endedAt: nil, ranges: [])
            slice.installs = true
            observe(.versionInForce(shard: shard.index, version: current.digest.short))
            return slice
        }
        return shard.cut(reading: reading, answers: shard.inputs.map { source.end(of: $0.partition) })
    }

    private func checkVersion(_ shard: Shard) throws(WorkerFailure) {
        if let before = book[shard.versionDigest]?.version.money, before.currency != current.version.money.currency,
            shard.engine.customerCount > 0
        {
            throw .refused(
                "shard \(shard.index): money.currency cannot change from \(before.currency) to \(current.version.money.currency) while sums are kept "
                    + "in \(before.currency). Put it back, or begin anew from the inputs: \(Worker.howToBeginAnew)")
        }
        do throws(Engine.VersionRefusal) { try shard.engine.check(current.rules) } catch {
            switch error {
            case .longerWindow(let days, let rules):
                throw .refused(
                    "shard \(shard.index): \(rules.joined(separator: ", ")) want a window longer than the \(days) days of history that are kept. "
                        + "Keep to \(days) days, or begin anew from the inputs: \(Worker.howToBeginAnew)"
                )
            case .otherHalfLives:
                throw .refused(
                    "shard \(shard.index): activity.half_lives cannot change while clicks are counted by the old ones. Put them back, or begin "
                        + "anew from the inputs: \(Worker.howToBeginAnew)")
            }
        }
    }

    // MARK: Applying the journal again

    /// Applies the next slices of the journal if everything that they name is in hand.
    private func replay(_ active: ActiveShard) throws(WorkerFailure) -> Bool {
        let shard = active.shard
        guard let record = shard.replaying.first else { return false }
        let slice = record.slices[shard.pending.slices.count]
        if slice.installs {
            guard let version = book[slice.version] else {
                preconditionFailure("recovery knows every version that it names")
            }
            shard.install(version, slice: slice)
        } else {
            guard shard.holds(slice) else { return false }
            shard.apply(slice, headers: source.headers, release: source.release)
        }
        if shard.pending.slices.count == record.slices.count { try finishReplayed(record, active) }
        return true
    }

    private func finishReplayed(_ record: JournalRecord, _ active: ActiveShard) throws(WorkerFailure) {
        let shard = active.shard
        let made = shard.journalRecord().record
        guard shard.sealAgain() else {
            throw .defect(Evidence.keep(expected: record, made: made, shard, ports.vault, group: options.group))
        }
        if !shard.isReplaying { observe(.live(shard: shard.index, batch: shard.sealed.batch)) }
    }

    // MARK: Committing

    /// Hands the pending batch over if the committer is free.
    func sealPending() {
        let ready = shards.filter { !$0.shard.isReplaying && !$0.shard.pending.isEmpty }
        guard !ready.isEmpty, let membership, committer.isIdle else { return }
        commit(ready, membership) { $0.shard.seal() }
        (hasSealed, batchStartedAt) = (true, nil)
        for active in ready where active.isSnapshotDue { beginSnapshot(active) }
    }

    /// `part` makes what is to be committed of each shard.
    func commit(_ ready: [ActiveShard], _ membership: any Membership, _ part: (ActiveShard) -> SealedBatch.Part) {
        var digests: Set<Digest> = []
        for active in ready {
            digests.insert(active.shard.versionDigest)
            digests.formUnion(active.shard.pending.slices.map(\.version))
        }
        var encoders: [Digest: EventEncoder] = [:]
        for digest in digests { encoders[digest] = book[digest]?.encoder }
        versionsInFlight = digests
        let unwritten = digests.subtracting(writtenVersions).sorted { ($0.high, $0.low) < ($1.high, $1.low) }
        let new = unwritten.compactMap { book[$0] }.map { (digest: $0.digest, bytes: $0.bytes) }
        isCommitting = true
        committer.commit(SealedBatch(parts: ready.map(part), membership: membership, versions: new, encoders: encoders))
    }

    /// The result of what the committer was given, if it is there.
    func takeResult() throws(WorkerFailure) -> CommitReport? {
        switch committer.takeResult() {
        case nil: return nil
        case .committed(let report): return report
        case .failed(let failure): throw .transport(failure)
        }
    }

    /// Learns that the batch in flight is committed, if it is.
    private func takeCommit() throws(WorkerFailure) {
        guard let report = try takeResult() else { return }
        isCommitting = false
        writtenVersions.formUnion(versionsInFlight)
        control.board.update {
            $0.totals.batches += 1
            $0.totals.events += UInt64(report.events)
            $0.totals.letters += UInt64(report.letters)
        }
        if report.truncated > 0 { observe(.truncated(letters: report.truncated)) }
        for active in shards {
            guard let offset = report.journalOffsets[active.shard.index] else { continue }
            active.noteCommitted(offset: offset)
            if active.takeTidying() {
                ports.housekeeper.tidy(
                    group: options.group, shard: active.shard.index, genesis: active.shard.genesis.id,
                    keep: options.snapshotsKept,
                    journal: TopicPartition(topic: options.topics.journal, partition: active.shard.index),
                    offsets: active.journalOffsets)
            }
        }
    }

    /// Commits everything in hand. Gives up after `limit` ms.
    func settle(limit: Int64) throws(WorkerFailure) {
        let until = ports.clock.elapsed() + limit
        while true {
            control.board.tick()
            try takeCommit()
            sealPending()
            if committer.isIdle && shards.allSatisfy({ $0.shard.isReplaying || $0.shard.pending.isEmpty }) { return }
            if ports.clock.elapsed() > until {
                throw .transport(.abort("what is in hand could not be committed in \(limit / 1_000) s"))
            }
            source.wait(timeout: 20)
        }
    }
}
