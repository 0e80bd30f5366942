// A real worker on a cluster in memory: started, watched and stopped by a measurement.
import Codec
import Engine
import Model
import Rules
import SnapshotStore
import Synchronization
import Worker

/// What a measurement does not go on without.
struct BenchFailure: Error {
    var message: String
}

final class WorkerRun {
    let worker: Worker
    private let watch: Watch
    private let cluster: MemoryCluster
    private let partition: TopicPartition

    /// Told by other threads.
    private final class Watch: WorkerObserver {
        let snapshots = Mutex<[(customers: Int, milliseconds: Int64)]>([])
        let problem = Mutex<String?>(nil)

        func observe(_ event: WorkerEvent, worker: Int) {
            switch event {
            case .snapshotWritten(_, _, let customers, let milliseconds):
                snapshots.withLock { $0.append((customers, milliseconds)) }
            case .snapshotFailed(_, let reason), .reset(let reason, _), .snapshotUnusable(_, let reason):
                problem.withLock { $0 = reason }
            case .rejected(let reasons): problem.withLock { $0 = "records were rejected: \(reasons)" }
            default: break
            }
        }
    }

    /// How long one step may take, in seconds.
    private static let patience = 900.0

    /// A housekeeper that leaves everything: a measurement's folder is removed whole.
    private final class Untidy: Housekeeper {
        func tidy(
            group: String, shard: Int32, genesis: Digest, keep: Int, journal: TopicPartition, offsets: [UInt64: Int64]
        ) {}
    }

    static let version = Version(
        engineNumber: Engine.number, ladders: Presets.fourTierLadders, warnings: Presets.fourTierWarnings,
        halfLives: [7 * CivilTime.millisecondsPerDay, 28 * CivilTime.millisecondsPerDay], zone: .utc, clockMode: .event,
        maxFuture: 600_000, money: MoneyRules(currency: "CNY", exponent: 2),
        mappings: [.native(topic: MemoryCluster.input)])

    /// `number` of the worker is the partition that it reads. A snapshot is written every `snapshotEvery` ms.
    init(
        _ cluster: MemoryCluster, number: Int = 0, vault: any SnapshotVault, snapshotEvery: Int64 = 3_600_000,
        bounds: BatchBounds = BatchBounds(), clock: TrustedClock = TrustedClock(),
        probe: @escaping RecordProbe = { _ in }
    ) {
        let watch = Watch()
        self.watch = watch
        self.cluster = cluster
        partition = TopicPartition(topic: MemoryCluster.input, partition: Int32(number))
        var options = WorkerOptions(
            number: number, group: "bench", partitions: 2, topics: MemoryCluster.outputs, format: .structured,
            source: "/rfmd/bench/bench", version: WorkerRun.version, emitFrom: .min, snapshotEvery: snapshotEvery,
            snapshotsKept: 1, rebuilds: false)
        options.bounds = bounds
        worker = Worker(
            options,
            WorkerPorts(
                source: { MemorySource(cluster, worker: number, probe: probe) }, sink: { MemorySink(cluster) },
                reader: { MemoryReader(cluster) }, lanes: ThreadLanes(), vault: vault, housekeeper: Untidy(),
                clock: clock, randomID: { Digest(high: 0xBE7C, low: UInt64(number)) }, observer: watch))
    }

    func start() { worker.start() }

    /// The next record that is not yet committed.
    var position: Int { Int(cluster.positions([partition])[partition] ?? 0) }

    /// The last snapshot that was written, if there is one.
    var snapshot: (customers: Int, milliseconds: Int64)? { watch.snapshots.withLock { $0.last } }

    var snapshotCount: Int { watch.snapshots.withLock { $0.count } }

    func wait(for what: String, until isDone: () -> Bool) throws(BenchFailure) {
        let until = Machine.seconds() + WorkerRun.patience
        while !isDone() {
            if Machine.seconds() > until {
                throw BenchFailure(message: "waited \(Int(WorkerRun.patience)) s for \(what)")
            }
            if let problem = watch.problem.withLock({ $0 }) { throw BenchFailure(message: problem) }
            if let ending = worker.ending {
                throw BenchFailure(message: "waiting for \(what): the worker ended: \(ending)")
            }
            Machine.pause(milliseconds: 1)
        }
    }

    func stop() throws(BenchFailure) {
        worker.requestStop()
        while worker.ending == nil { Machine.pause(milliseconds: 1) }
        guard case .stopped? = worker.ending else {
            throw BenchFailure(message: "the worker did not stop in order")
        }
    }
}
