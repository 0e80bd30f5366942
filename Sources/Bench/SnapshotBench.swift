// Snapshots of a worker at full load, and coming back from one.
import Glibc
import Model
import SnapshotStore
import Synchronization
import Worker

/// A worker loads its customers, and goes on with mixed events while it writes snapshots; then a new one comes back from the last.
struct SnapshotBench {
    private let customers: Int
    private let cluster: MemoryCluster
    private let scratch: ScratchVault
    private let gaps = Gaps()

    /// Mixed events that are never used up.
    private static let plenty = 2_000_000_000
    private static let baselineSeconds = 3.0

    init(customers: Int) throws(BenchFailure) {
        self.customers = customers
        scratch = try ScratchVault()
        let workload = Workload(customers: customers, mixed: SnapshotBench.plenty)
        cluster = MemoryCluster(workload, limit: workload.mixedFrom)
    }

    func measure(writing: Bool, restoring: Bool) throws(BenchFailure) -> [Figure] {
        let run = WorkerRun(cluster, vault: scratch.vault, snapshotEvery: 5_000, probe: gaps.probe)
        run.start()
        let workload = cluster.workload
        try run.wait(for: "the customers to be there") { run.position >= workload.mixedFrom }
        var figures = [Figure("snapshot_customers", Double(customers), "customers")]
        if writing { figures += try measureWriting(run) }
        try run.stop()
        if restoring { figures += try measureRestore() }
        return figures
    }

    private func measureWriting(_ run: WorkerRun) throws(BenchFailure) -> [Figure] {
        let stateBytes = SnapshotBench.stateBytes(run)
        cluster.arrive(upTo: .max)
        let (undisturbed, disturbed, extra, took) = try watch(run)
        cluster.arrive(upTo: run.position)
        return [
            Figure(
                "snapshot_time", took, "s", over: SnapshotBench.copySeconds(bytes: stateBytes),
                "a copy of the same state in memory"),
            Figure(
                "snapshot_longest_stop", disturbed, "ms", over: undisturbed, "the longest stop while none is written"),
            Figure(
                "snapshot_extra_memory", Double(extra) / 1e6, "MB", over: Double(stateBytes) / 1e6,
                "the state"),
        ]
    }

    private static func stateBytes(_ run: WorkerRun) -> Int { run.worker.status.shards.first?.stateBytes ?? 0 }

    /// Longest stops without and with a snapshot (ms), resident memory at the peak less that before and what the state grew by
    /// meanwhile, and the time of the snapshot (s).
    private func watch(_ run: WorkerRun) throws(BenchFailure) -> (
        undisturbed: Double, disturbed: Double, extra: Int, seconds: Double
    ) {
        // Snapshots are written one after the other, with pauses in between that are longer than the time without any. What the
        // allocator kept of earlier ones does not count as there.
        let earlier = run.snapshotCount
        try run.wait(for: "a pause between snapshots") { run.snapshotCount > earlier }
        Machine.giveBackMemory()
        let until = Machine.seconds() + SnapshotBench.baselineSeconds
        _ = gaps.takeLongest()
        try run.wait(for: "mixed events") { Machine.seconds() > until }
        let undisturbed = gaps.takeLongest()
        let besidesState = { Machine.residentBytes() - SnapshotBench.stateBytes(run) }
        let base = besidesState()
        var peak = base
        let before = run.snapshotCount
        try run.wait(for: "a snapshot under load") {
            peak = max(peak, besidesState())
            return run.snapshotCount >= before + 2
        }
        return (undisturbed, gaps.takeLongest(), peak - base, Double(run.snapshot?.milliseconds ?? 0) / 1e3)
    }

    private func measureRestore() throws(BenchFailure) -> [Figure] {
        let first = Int64(cluster.limit)
        let began = Machine.nanoseconds()
        cluster.arrive(upTo: .max)
        let moment = Moment(after: first)
        let run = WorkerRun(cluster, vault: scratch.vault, probe: moment.probe)
        run.start()
        try run.wait(for: "the first event after the restore") { moment.at != nil }
        let seconds = Double((moment.at ?? began) - began) / 1e9
        cluster.arrive(upTo: run.position)
        try run.stop()
        let reading = try readSeconds()
        return [
            Figure(
                "restore_time", seconds, "s", over: reading, "reading and decompressing the same file")
        ]
    }

    private func readSeconds() throws(BenchFailure) -> Double {
        guard let identity = scratch.vault.list(group: "bench", shard: 0).usable.first else {
            throw BenchFailure(message: "there is no snapshot to read")
        }
        let began = Machine.seconds()
        do throws(SnapshotFailure) { try scratch.vault.load(identity) { _ in } } catch {
            throw BenchFailure(message: error.text)
        }
        return Machine.seconds() - began
    }

    private static func copySeconds(bytes: Int) -> Double {
        let from = UnsafeMutableRawPointer.allocate(byteCount: max(1, bytes), alignment: 64)
        let to = UnsafeMutableRawPointer.allocate(byteCount: max(1, bytes), alignment: 64)
        defer {
            from.deallocate()
            to.deallocate()
        }
        memset(from, 1, bytes)
        memset(to, 2, bytes)
        return Machine.fastest { memcpy(to, from, bytes) }
    }
}

/// The longest time between two records that a worker applies.
final class Gaps: Sendable {
    private let last = Atomic<Int64>(0)
    private let longest = Atomic<Int64>(0)

    /// Called by the worker's thread alone.
    var probe: RecordProbe {
        { [self] _ in
            let now = Machine.nanoseconds()
            let before = last.exchange(now, ordering: .relaxed)
            if before != 0 && now - before > longest.load(ordering: .relaxed) {
                longest.store(now - before, ordering: .relaxed)
            }
        }
    }

    /// ms; begins anew.
    func takeLongest() -> Double { Double(longest.exchange(0, ordering: .relaxed)) / 1e6 }
}

/// When the first record from some number on was applied.
private final class Moment: Sendable {
    private let first: Int64
    private let seen = Atomic<Int64>(0)

    init(after first: Int64) { self.first = first }

    var probe: RecordProbe {
        { [self] number in
            if number >= first && seen.load(ordering: .relaxed) == 0 {
                seen.store(Machine.nanoseconds(), ordering: .releasing)
            }
        }
    }

    /// ns; nil if there was none yet.
    var at: Int64? {
        let at = seen.load(ordering: .acquiring)
        return at == 0 ? nil : at
    }
}
