// Whole workers, from records to sealed batches, with no broker: one, and two on cores of their own.
import Model
import Worker

struct WorkersBench {
    private let customers: Int
    private let events: Int

    init(customers: Int, events: Int) {
        self.customers = customers
        self.events = events
    }

    func measure() throws(BenchFailure) -> [Figure] {
        let one = try rate(workers: 1)
        let two = try rate(workers: 2)
        return [
            Figure("workers_1_rate", one, "events/s"),
            Figure("workers_2_rate", two, "events/s", over: one, "one worker"),
        ]
    }

    /// Mixed events a second, all workers together. Each has customers of its own.
    private func rate(workers: Int) throws(BenchFailure) -> Double {
        let scratch = try ScratchVault()
        defer { withExtendedLifetime(scratch) {} }
        let workload = Workload(customers: customers, mixed: events)
        let cluster = MemoryCluster(workload, limit: workload.mixedFrom)
        let runs = (0..<workers).map { WorkerRun(cluster, number: $0, vault: scratch.vault) }
        for run in runs { run.start() }
        for run in runs { try run.wait(for: "the customers") { run.position >= workload.mixedFrom } }
        let began = Machine.seconds()
        cluster.arrive(upTo: workload.count)
        for run in runs { try run.wait(for: "the events") { run.position >= workload.count } }
        let seconds = Machine.seconds() - began
        for run in runs { try run.stop() }
        return Double(workers * events) / seconds
    }
}
