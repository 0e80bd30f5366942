// Snapshots of a worker at full load, and coming back from one.
import CMemory
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
        let stateBytes = SnapshotBench.stateBytes(run)
        try run.stop()
        if restoring { figures += try measureRestore(stateBytes) }
        return figures
    }

    private func measureWriting(_ run: WorkerRun) throws(BenchFailure) -> [Figure] {
        let stateBytes = SnapshotBench.stateBytes(run)
        // The state grows by entries meanwhile.
        let reserve = MemoryReserve(bytes: stateBytes / 2)
        defer { reserve.end() }
        cluster.arrive(upTo: .max)
        let (undisturbed, disturbed, extra, took) = try watch(run, reserve)
        cluster.arrive(upTo: run.position)
        return [
            Figure(
                "snapshot_time", took, "s", over: SnapshotBench.copySeconds(bytes: stateBytes),
                "a copy of the same state in memory"),
            Figure(
                "snapshot_longest_stop", disturbed.any, "ms", over: undisturbed.any,
                "the longest stop while none is written"),
            Figure(
                "snapshot_longest_own_stop", disturbed.own, "ms", over: undisturbed.own,
                "the same while none is written"),
            Figure(
                "snapshot_extra_memory", Double(extra) / 1e6, "MB", over: Double(stateBytes) / 1e6,
                "the state"),
        ]
    }

    private static func stateBytes(_ run: WorkerRun) -> Int { run.worker.status.shards.first?.stateBytes ?? 0 }

    /// Longest stops without and with a snapshot (ms), resident memory at the peak less that before and what the state grew by
    /// meanwhile, and the time of the snapshot (s).
    private func watch(_ run: WorkerRun, _ reserve: MemoryReserve) throws(BenchFailure) -> (
        undisturbed: (any: Double, own: Double), disturbed: (any: Double, own: Double), extra: Int, seconds: Double
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
        let besidesState = { Machine.residentBytes() - SnapshotBench.stateBytes(run) - reserve.held }
        let base = besidesState()
        var peak = base
        let before = run.snapshotCount
        try run.wait(for: "a snapshot under load") {
            peak = max(peak, besidesState())
            return run.snapshotCount >= before + 2
        }
        return (undisturbed, gaps.takeLongest(), peak - base, Double(run.snapshot?.milliseconds ?? 0) / 1e3)
    }

    private func measureRestore(_ stateBytes: Int) throws(BenchFailure) -> [Figure] {
        let reserve = MemoryReserve(bytes: stateBytes)
        let seconds = try restoreSeconds()
        reserve.end()
        let reading = try readSeconds()
        // Once more with memory as it comes, when the host has had time to take it back.
        Machine.pause(milliseconds: SnapshotBench.idleMilliseconds)
        let touching = SnapshotBench.touchSeconds(bytes: stateBytes)
        Machine.pause(milliseconds: SnapshotBench.idleMilliseconds)
        let cold = try restoreSeconds()
        return [
            Figure("restore_time", seconds, "s", over: reading, "reading and decompressing the same file"),
            Figure("restore_idle_machine_time", cold, "s", over: touching, "touching as much memory"),
        ]
    }

    /// After which a host has taken back what nobody uses.
    private static let idleMilliseconds: UInt32 = 5_000

    /// From the start of a worker to its first new record.
    private func restoreSeconds() throws(BenchFailure) -> Double {
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
        return seconds
    }

    private static func touchSeconds(bytes: Int) -> Double {
        let began = Machine.seconds()
        let reserve = MemoryReserve(bytes: bytes)
        defer { reserve.end() }
        return Machine.seconds() - began
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
        return Machine.fastest {
            memcpy(to, from, bytes)
            rfmd_is_read(to)
        }
    }
}

/// The longest time between two records that a worker applies, and how much processor time its thread took in any.
final class Gaps: Sendable {
    private let last = Atomic<Int64>(0)
    private let longest = Atomic<Int64>(0)
    private let longestOwn = Atomic<Int64>(0)
    /// Processor time of the thread, ns, when it was last asked for.
    private let cpu = Atomic<Int64>(0)

    /// Asking costs a call of the system: every so many records, and behind what is a stop, in ns. So what a stop took of it is too much
    /// by up to as many records.
    private static let every: Int64 = 64
    private static let stop: Int64 = 1_000_000

    /// Called by the worker's thread alone.
    var probe: RecordProbe {
        { [self] number in
            let now = Machine.nanoseconds()
            let before = last.exchange(now, ordering: .relaxed)
            let gap = before == 0 ? 0 : now - before
            if gap > longest.load(ordering: .relaxed) { longest.store(gap, ordering: .relaxed) }
            if gap > Gaps.stop || number % Gaps.every == 0 {
                let cpuNow = Int64(Machine.cpuSeconds * 1e9)
                let own = cpuNow - cpu.exchange(cpuNow, ordering: .relaxed)
                if gap > Gaps.stop && own > longestOwn.load(ordering: .relaxed) {
                    longestOwn.store(own, ordering: .relaxed)
                }
            }
        }
    }

    /// ms; begins anew. `own`: of processor time, in stops of 1 ms and more.
    func takeLongest() -> (any: Double, own: Double) {
        (
            Double(longest.exchange(0, ordering: .relaxed)) / 1e6,
            Double(longestOwn.exchange(0, ordering: .relaxed)) / 1e6
        )
    }
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
