// Everything of one run: brokers, disk, processes, and what the auditor is to know of them.
import Codec
import Model
import Worker

/// Sendable because a simulation has one thread.
final class World: @unchecked Sendable {
    static let group = "shop"
    static let source = "/rfmd/simulated/shop"
    static let outputs = OutputTopics(
        ladders: [:], warnings: "rfm.churn-warnings", deadLetters: "rfm.dead-letters", journal: "rfm.journal",
        versions: "rfm.versions")
    static let eventTopics = ["rfm.tier-changes", "rfm.lifecycle-changes", "rfm.value-changes", "rfm.churn-warnings"]
    /// True time begins 20 s before midnight, so that a day ends in most runs.
    private static let begin: Int64 = 1_772_409_580_000

    let options: Options
    let versions: [Version]
    let trace: Trace
    let dice: Dice
    let schedule: Schedule
    let cluster: SimulatedCluster
    private(set) var disk: SimulatedDisk!
    let mutation: Mutation?

    private var sources: [SimulatedSource] = []
    /// All there ever were: what they began may outlive them.
    private var processes: [SimulatedProcess] = []
    private var inputs: [TopicPartition] = []
    /// Answers to the question where an input ends.
    private(set) var answers: [TopicPartition: [EndAnswer]] = [:]
    /// Of a hundred answers; of a hundred commits, whose question or answer is lost for good.
    var lostAnswers = 0
    var doubtfulCommits = 0
    /// How far a clock that is rightly believed may be ahead of true time, ms.
    var mostSkew: Int64 = 50

    // What happened, for the auditor and for people.
    var statistics = Statistics()
    /// True time when a worker last began a new life, or was fenced, ms.
    private(set) var lastTrouble = Int64.min
    private(set) var problems: [String] = []
    var onEnd: (SimulatedProcess, [WorkerEnding]) -> Void = { _, _ in }
    var onDeath: (SimulatedProcess) -> Void = { _ in }

    init(_ options: Options, mutation: Mutation?, show: ((String) -> Void)?) {
        self.options = options
        self.mutation = mutation
        versions = (0...2).map { Rulebook.version($0, options) }
        trace = Trace(show: show)
        dice = Dice(options.seed, 2)
        schedule = Schedule(from: World.begin, dice: Dice(options.seed, 3), trace: trace)
        cluster = SimulatedCluster(schedule, dice: Dice(options.seed, 4))
        disk = SimulatedDisk(self, dice: Dice(options.seed, 5))
        for topic in options.topics + World.eventTopics + [World.outputs.deadLetters, World.outputs.journal] {
            cluster.create(topic, partitions: options.shards)
        }
        cluster.create(World.outputs.versions, partitions: 1)
        cluster.messageBytes = options.messageBytes
        cluster.letters = World.outputs.deadLetters
        cluster.transactionMilliseconds = options.transactionMilliseconds
        cluster.group.sessionMilliseconds = options.sessionMilliseconds
        for topic in options.topics {
            cluster.group.partitions[topic] = options.shards
            for index in 0..<options.shards { inputs.append(TopicPartition(topic: topic, partition: index)) }
        }
        for partition in inputs {
            cluster.log(partition).onStable = { [unowned self] in
                for source in sources { source.noteArrival(partition) }
            }
        }
        keepSessions()
    }

    private func keepSessions() {
        schedule.after(200) { [unowned self] in
            if !cluster.isAway { cluster.group.expireSessions() }
            keepSessions()
        }
    }

    // MARK: Records by number (a RawRecord names its record by an opaque pointer)

    func number(_ partition: TopicPartition, _ offset: Int64) -> OpaquePointer? {
        guard let index = inputs.firstIndex(of: partition) else { return nil }
        return OpaquePointer(bitPattern: (index + 1) << 40 | Int(offset))
    }

    func entry(_ message: OpaquePointer?) -> LogEntry? {
        guard let message else { return nil }
        let number = Int(bitPattern: message)
        return cluster.log(inputs[number >> 40 - 1]).original[number & (1 << 40 - 1)]
    }

    // MARK: Told by the parts

    func add(_ process: SimulatedProcess) { processes.append(process) }

    func add(_ source: SimulatedSource) { sources.append(source) }

    func remove(_ source: SimulatedSource) { sources.removeAll { $0 === source } }

    func noteAnswer(_ partition: TopicPartition, _ answer: EndAnswer) { answers[partition, default: []].append(answer) }

    func noteEvent(_ event: WorkerEvent) {
        if case .reset = event { lastTrouble = schedule.now }
        statistics.note(event)
    }

    func noteFencing() { lastTrouble = schedule.now }

    func processEnded(_ process: SimulatedProcess, _ endings: [WorkerEnding]) {
        trace.note(schedule.now, "\(process.name): ended: \(endings)")
        onEnd(process, endings)
    }

    func processDied(_ process: SimulatedProcess) { onDeath(process) }

    func report(_ problem: String) {
        trace.note(schedule.now, "problem: \(problem)")
        problems.append(problem)
    }

    /// Ends the run: what refers to each other lets go.
    func dispose() {
        for process in processes {
            process.kill()
            schedule.unwind(process)
            process.dispose()
        }
        processes = []
        sources = []
        onEnd = { _, _ in }
        onDeath = { _ in }
        for log in cluster.logs.values { log.onStable = {} }
    }
}

/// How much of what can happen did happen.
public struct Statistics: Sendable {
    public var seeds = 0
    public var steps = 0
    public var milliseconds: Int64 = 0
    public var records = 0
    public var events = 0
    public var letters = 0
    public var batches = 0
    public var kills = 0
    public var resets = 0
    public var fromSnapshot = 0
    public var fromGenesis = 0
    public var fromMemory = 0
    public var replayed = 0
    public var snapshots = 0
    public var unusable = 0
    public var rebuilds = 0
    public var refusals = 0
    public var jumps = 0
    public var versions = 0

    public init() {}

    mutating func note(_ event: WorkerEvent) {
        switch event {
        case .reset: resets += 1
        case .recovered(_, let point, let batches):
            replayed += batches
            switch point {
            case .newGenesis: break
            case .genesis: fromGenesis += 1
            case .snapshot: fromSnapshot += 1
            case .memory: fromMemory += 1
            }
        case .rebuilt: rebuilds += 1
        case .snapshotWritten: snapshots += 1
        case .snapshotUnusable, .snapshotFailed: unusable += 1
        case .clockJumped: jumps += 1
        case .versionInForce: versions += 1
        default: break
        }
    }

    private static var fields: [WritableKeyPath<Statistics, Int>] {
        [
            \.seeds, \.steps, \.records, \.events, \.letters, \.batches, \.kills, \.resets, \.fromSnapshot,
            \.fromGenesis, \.fromMemory, \.replayed, \.snapshots, \.unusable, \.rebuilds, \.refusals, \.jumps,
            \.versions,
        ]
    }

    public mutating func add(_ other: Statistics) {
        for field in Statistics.fields { self[keyPath: field] += other[keyPath: field] }
        milliseconds += other.milliseconds
    }

    /// For another process, which adds it to its own.
    public var numbers: [Int] { Statistics.fields.map { self[keyPath: $0] } + [Int(milliseconds)] }

    /// nil if these are not the numbers of one.
    public init?(numbers: [Int]) {
        guard numbers.count == Statistics.fields.count + 1 else { return nil }
        for (field, number) in zip(Statistics.fields, numbers) { self[keyPath: field] = number }
        milliseconds = Int64(numbers[numbers.count - 1])
    }

    public var text: String {
        "\(milliseconds / 1_000) s of simulated time in \(steps) steps; \(records) records, \(batches) batches, \(events) events, "
            + "\(letters) dead letters; \(kills) kills, \(resets) resets; recovered \(fromSnapshot) times from a snapshot, \(fromGenesis) from the "
            + "genesis, \(fromMemory) from memory, \(replayed) batches applied again; \(snapshots) snapshots written, \(unusable) lost or unusable; "
            + "\(versions) versions, \(jumps) clock jumps, \(refusals) refusals, \(rebuilds) rebuilds"
    }
}
