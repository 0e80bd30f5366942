// What one seed decides before anything happens: the configuration, the bounds, the speed of things, and which faults there are.
import Model
import Worker

/// Some of the faults are drawn for each seed, so that runs differ in kind and not only in detail.
enum Fault: CaseIterable {
    /// kill -9, between two steps or at a call of a port; started again after a while.
    case kill, killAtPoint
    /// Every process dies, and the disk loses what was not synced.
    case powerLoss
    /// SIGSTOP, and SIGCONT after longer than a session.
    case pause
    /// One process, or every one, reaches no broker for a while.
    case cutOff, brokersAway
    /// Answers are lost, so that questions are asked again; nobody learns what became of a commit.
    case lostAnswers, doubtfulCommits
    case slowMarkers
    /// The broker completes aborts without their markers, as one with single replicas may (docs/decisions/0010).
    case skippedMarkers
    /// A process is stopped in order and started again; one more joins; another takes over the name of one that is stopped as a zombie.
    case restart, scale, takeOver
    case diskFull, diskBroken, diskUnreadable, slowDisk, bitRot
    /// A snapshot lies in the folder under a name that is not its own.
    case misnamedFile
    /// Inputs lose what was read, or more; the group's positions expire.
    case retention, unreadLost, expiredPositions
    /// Somebody deletes the journal's topic, or an input's, and makes it anew.
    case journalRenewed, inputRenewed
    case clockJump
    case newVersion
    /// All snapshots are deleted.
    case wipe
}

struct Options {
    var seed: UInt64
    var processes: Int
    var workers: Int
    var shards: Int32
    var topics: [String]
    var isEventClock: Bool
    var isTransactionalUpstream: Bool
    /// The Kafka timestamps are the producers' and not the broker's.
    var hasCreateTime: Bool
    var emitFrom: Int64?
    var snapshotEvery: Int64
    var snapshotsKept: Int
    var bounds = BatchBounds()
    /// Waits last so many times longer than asked for: a slow machine.
    var slowness: Int64
    /// Most that a question or an answer is on its way, ms.
    var latency: Int64
    var agreement: Int64
    var sessionMilliseconds: Int64
    var transactionMilliseconds: Int64
    var messageBytes: Int
    /// Which sets of rules, in the order in which they come into force.
    var rules: [Int]
    /// Of each set of rules.
    var limits: [StateLimits]
    var customers: Int
    var records: Int
    var faults: [Fault]
    /// Between two faults, ms.
    var faultMilliseconds: Int64
    var chaosMilliseconds: Int64
    /// An operator starts again with --rebuild what refuses.
    var rebuilds: Bool
    /// Rules 0 read one input less than the others: versions add and remove an input.
    var variesInputs: Bool

    /// The inputs that rules of this number read.
    func topics(_ rules: Int) -> [String] { variesInputs && rules == 0 ? topics.dropLast() : topics }

    init(seed: UInt64) {
        let dice = Dice(seed, 1)
        self.seed = seed
        processes = dice.pick([1, 1, 2, 2, 3])
        workers = dice.pick([1, 1, 2])
        shards = Int32(dice.pick([1, 1, 2, 3]))
        topics = Array(["in.a", "in.b", "in.c"].prefix(dice.pick([1, 1, 2, 3])))
        isEventClock = dice.chance(30)
        isTransactionalUpstream = dice.chance(35)
        hasCreateTime = dice.chance(40)
        emitFrom = isEventClock || dice.chance(70) ? .min : nil
        snapshotEvery = dice.pick([100, 400, 1_000, 3_000])
        snapshotsKept = dice.pick([1, 2, 2, 3])
        bounds.recordsPerSlice = dice.pick([1, 3, 10, 20_000])
        bounds.recordsWaiting = bounds.recordsPerSlice * Dice(seed, 9).pick([1, 2])
        bounds.slices = dice.pick([1, 3, 256])
        bounds.records = dice.pick([4, 20, 400_000])
        bounds.effectBytes = dice.pick([200, 32 << 20])
        bounds.milliseconds = dice.pick([50, 1_000])
        bounds.recordsOfFullRound = Dice(seed, 10).pick([1, 10, 4_000])
        bounds.snapshotBufferBytes = dice.pick([512, 4_096, 64 << 20])
        bounds.snapshotPartBytes = dice.pick([64, 512, 256 << 10])
        slowness = dice.pick([1, 3, 6, 10])
        latency = dice.pick([2, 10, 60])
        agreement = dice.pick([1_000, 3_000])
        sessionMilliseconds = dice.pick([1_500, 3_000])
        transactionMilliseconds = dice.pick([1_500, 4_000])
        messageBytes = dice.pick([1_500, 1 << 20, 1 << 20])
        rules = [dice.int(0...2)]
        // From dice of their own, so that all else of a seed is as it was without them.
        let limited = Dice(seed, 7)
        limits = (0...2).map { _ in
            guard limited.chance(25) else { return StateLimits() }
            return StateLimits(
                customers: limited.pick([2, 6, Limits.customersPerShard]), bytes: limited.pick([nil, 600, 2_000]))
        }
        customers = dice.pick([2, 5, 12, 30])
        records = dice.pick([20, 40, 80, 160])
        faults = Fault.allCases.filter { $0 != .skippedMarkers && dice.chance(35) }
        // Of what is left open only the producer that left it is rid: with others the shard may be theirs by then.
        if processes == 1 && workers == 1 && Dice(seed, 8).chance(50) {
            faults.removeAll { $0 == .scale }
            faults.append(.skippedMarkers)
            // A letter that is refused has its transaction aborted in the midst of a life, which does not look for what is left open.
            messageBytes = 1 << 20
        }
        if faults.contains(.newVersion) { rules += [dice.int(0...2), dice.int(0...2)] }
        faultMilliseconds = dice.pick([200, 600, 2_000])
        chaosMilliseconds = dice.int64(4_000...14_000)
        rebuilds = dice.chance(70)
        variesInputs = faults.contains(.newVersion) && topics.count > 1 && dice.chance(50)
        // Two processes of one name whose inputs differ are not told apart by the group (docs/decisions/0007).
        if variesInputs { faults.removeAll { $0 == .takeOver } }
    }
}
