// A flood of deadlines at one instant, with input going on.
import Model
import Worker

/// Every customer orders once on the first day; at midnight 30 days later all of them change a rung, while they click and buy.
struct DeadlineBench {
    private let cluster: MemoryCluster
    private let gaps = Gaps()

    /// More than is applied while the flood is worked off.
    private static let plenty = 2_000_000_000

    init(customers: Int) {
        var workload = Workload(customers: customers, mixed: DeadlineBench.plenty)
        workload.ordersEach = 1
        workload.orderDays = 1
        workload.mixedDay = 30
        cluster = MemoryCluster(workload, limit: workload.mixedFrom)
    }

    func measure() throws(BenchFailure) -> [Figure] {
        let scratch = try ScratchVault()
        defer { withExtendedLifetime(scratch) {} }
        let run = WorkerRun(cluster, vault: scratch.vault, probe: gaps.probe)
        run.start()
        let customers = cluster.workload.mixedFrom
        let loading = try seconds(run, "the customers") { run.position >= customers }
        // Each fires one deadline, which changes both ladders.
        let before = run.worker.status.totals.events
        let due = before + 2 * UInt64(customers)
        _ = gaps.takeLongest()
        cluster.arrive(upTo: .max)
        let fired = try seconds(run, "the deadlines") { run.worker.status.totals.events >= due }
        let longest = gaps.takeLongest().any
        let applied = run.position - customers
        cluster.arrive(upTo: run.position)
        try run.stop()
        return [
            Figure("deadlines_due", Double(customers), "deadlines"),
            Figure(
                "deadlines_time", fired, "s", over: loading, "the time in which as many first orders were applied"),
            Figure("deadlines_longest_gap", longest, "ms"),
            Figure("deadlines_input_rate", Double(applied) / fired, "events/s"),
        ]
    }

    private func seconds(_ run: WorkerRun, _ what: String, until isDone: () -> Bool) throws(BenchFailure) -> Double {
        let began = Machine.seconds()
        try run.wait(for: what, until: isDone)
        return Machine.seconds() - began
    }
}
