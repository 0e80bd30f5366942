// Deliberate defects, to see that the auditor finds them: each stands in one port, between the real code and the simulation.
import SnapshotStore
import Worker

/// What is wrong, as if the daemon had it. None of it is in the shipped code.
public enum Mutation: String, CaseIterable, Sendable {
    /// A commit does not wait until every message is flushed: now and then an event is lost.
    case commitBeforeFlush
    /// The same of a dead letter.
    case letterLost
    /// A position that is sent is one too small, or one too large.
    case offsetTooSmall, offsetTooLarge
    /// A snapshot gets its name before its bytes are on disk.
    case fileNotSynced
    /// Nobody waits until a snapshot's name is on disk.
    case folderNotSynced
    /// A snapshot is used although the digest in it is not that of the committed journal.
    case digestNotCompared
    /// A snapshot gets its name before its batch is committed, and the digest is not compared.
    case abortedSnapshot
    /// A batch whose commit is in doubt is committed again.
    case committedAgain
    /// What is restored is older than what it says: deadlines since then fire again.
    case firedAgain
    /// The instant to which the clock moved is not in the journal.
    case clockNotJournaled
    /// A batch goes with the group metadata of the present generation and not of its own.
    case laterGeneration
    /// The journal is read to its last stable offset and not to its high watermark, and nobody waits until both are the same.
    case journalReadTooShort
    /// What a broker left open of an earlier life is not looked for.
    case leftOpenIgnored
    /// A batch of deadlines alone sends no positions.
    case positionsLeftOut
    /// The journal is trimmed behind the newest batch that has or may get a snapshot, and not behind the oldest snapshot.
    case trimmedTooFar
    /// A question where an input ends counts from its answer and not from when it was asked.
    case endTooLate
    /// A record is lost between broker and shard.
    case recordLost
    /// Positions are not waited for until they are stable.
    case unstablePositions
    /// A worker that lost its shard trims the shard's journal, by what it knows itself.
    case trimmedByLoser
    /// Records of transactions that are open or aborted are read.
    case uncommittedRead
    /// A record is given to the shard twice.
    case recordTwice
    /// A clock that jumps is believed at once.
    case jumpBelieved
    /// A version is not written with the first batch that names it.
    case versionNotWritten
    /// A commit in doubt is taken for done.
    case doubtTakenForDone
    /// Two events of a batch change places; one goes to another partition.
    case eventsSwapped, wrongPartition

    /// Within so many seeds, counted from 1, it is found.
    public var seeds: Int {
        switch self {
        case .commitBeforeFlush, .letterLost, .offsetTooSmall, .offsetTooLarge, .committedAgain, .clockNotJournaled,
            .trimmedTooFar, .endTooLate, .recordLost, .uncommittedRead, .recordTwice, .jumpBelieved,
            .versionNotWritten, .doubtTakenForDone, .eventsSwapped, .wrongPartition:
            10
        case .fileNotSynced, .folderNotSynced, .firedAgain: 25
        case .abortedSnapshot, .laterGeneration, .journalReadTooShort, .leftOpenIgnored, .positionsLeftOut: 60
        case .digestNotCompared: 100
        case .unstablePositions, .trimmedByLoser: 200
        }
    }

    /// Sees to it that what would hide the defect is rare, and what shows it is not: so that few seeds are enough.
    func focus(_ options: inout Options) {
        let faults: [Fault]
        switch self {
        case .fileNotSynced, .folderNotSynced: faults = [.powerLoss, .kill]
        case .digestNotCompared:
            faults = [.unreadLost, .kill, .restart, .restart]
            (options.rebuilds, options.snapshotEvery, options.snapshotsKept) = (true, 100, 2)
        case .trimmedByLoser:
            faults = [.pause, .scale, .slowDisk, .scale]
            (options.snapshotEvery, options.snapshotsKept) = (400, 3)
            (options.processes, options.shards) = (2, max(2, options.shards))
        case .uncommittedRead:
            options.isTransactionalUpstream = true
            return
        case .jumpBelieved: faults = [.clockJump]
        case .abortedSnapshot:
            faults = [.doubtfulCommits, .kill]
            options.snapshotEvery = 100
        case .committedAgain, .doubtTakenForDone: faults = [.doubtfulCommits]
        case .laterGeneration: faults = [.pause, .scale, .cutOff]
        case .journalReadTooShort, .unstablePositions:
            faults = [.slowMarkers, .slowMarkers, .killAtPoint, .scale, .scale]
            (options.processes, options.faultMilliseconds, options.sessionMilliseconds) = (2, 600, 1_500)
            options.records = 160
        case .leftOpenIgnored:
            faults = [.skippedMarkers, .kill, .takeOver]
            (options.processes, options.workers, options.messageBytes) = (1, 1, 1 << 20)
            (options.faultMilliseconds, options.variesInputs) = (200, false)
        case .positionsLeftOut: faults = [.pause, .scale]
        default: return
        }
        options.faults = faults
    }

    func source(_ source: SimulatedSource, _ world: World, _ process: SimulatedProcess) -> any RecordSource {
        switch self {
        case .endTooLate, .recordLost, .recordTwice, .unstablePositions: MutantSource(source, self, world, process)
        default: source
        }
    }

    func sink(_ sink: SimulatedSink, _ world: World) -> any TransactionSink {
        switch self {
        case .commitBeforeFlush, .letterLost, .offsetTooSmall, .offsetTooLarge, .committedAgain, .clockNotJournaled,
            .laterGeneration, .positionsLeftOut, .versionNotWritten, .doubtTakenForDone, .eventsSwapped,
            .wrongPartition:
            MutantSink(sink, self, world)
        default: sink
        }
    }

    func reader(_ reader: SimulatedReader, _ world: World) -> any LogReader {
        switch self {
        case .journalReadTooShort, .leftOpenIgnored: MutantReader(reader, self, world)
        default: reader
        }
    }

    func vault(_ vault: any SnapshotVault, _ world: World) -> any SnapshotVault {
        switch self {
        case .digestNotCompared, .abortedSnapshot, .firedAgain: MutantVault(vault, self, world)
        default: vault
        }
    }

    func housekeeper(_ housekeeper: SimulatedHousekeeper, _ world: World, _ process: SimulatedProcess)
        -> any Housekeeper
    {
        switch self {
        case .trimmedTooFar: MutantHousekeeper(housekeeper, world)
        case .trimmedByLoser: LosingHousekeeper(housekeeper, world, process)
        default: housekeeper
        }
    }

    func calls(_ calls: FileCalls, _ disk: SimulatedDisk) -> FileCalls {
        var calls = calls
        let real = calls.sync
        switch self {
        case .fileNotSynced: calls.sync = { disk.isFolder($0) ? real($0) : 0 }
        case .folderNotSynced: calls.sync = { disk.isFolder($0) ? 0 : real($0) }
        default: break
        }
        return calls
    }
}
