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
        var (one, two) = (try run(workers: 1), try run(workers: 2))
        // What disturbs a run makes it slower, never faster; the first run of a process has memory that was never touched.
        let (again, twoAgain) = (try run(workers: 1), try run(workers: 2))
        if again.rate > one.rate { one = again }
        if twoAgain.rate > two.rate { two = twoAgain }
        return [
            Figure("workers_1_rate", one.rate, "events/s"),
            Figure("workers_1_cores", one.cpu * one.rate / 1e9, "cores"),
            Figure("workers_1_cpu", one.cpu, "ns/event"),
            Figure("workers_2_rate", two.rate, "events/s", over: one.rate, "one worker"),
            Figure("workers_2_cpu", two.cpu, "ns/event", over: one.cpu, "one worker"),
        ]
    }

    /// Mixed events a second, all workers together, and the processor time of one, ns, committers included. Each worker has customers
    /// of its own. Before the clock runs as many mixed events go through as after it, so that memory is there, and the records of
    /// those that count are made.
    private func run(workers: Int) throws(BenchFailure) -> (rate: Double, cpu: Double) {
        let scratch = try ScratchVault()
        defer { withExtendedLifetime(scratch) {} }
        let workload = Workload(customers: customers, mixed: 2 * events)
        let from = workload.mixedFrom + events
        let cluster = MemoryCluster(workload, limit: from, prepared: from..<workload.count)
        let runs = (0..<workers).map { WorkerRun(cluster, number: $0, vault: scratch.vault) }
        for run in runs { run.start() }
        for run in runs { try run.wait(for: "the customers") { run.position >= from } }
        let (began, cpuBegan) = (Machine.seconds(), Machine.processCPUSeconds)
        cluster.arrive(upTo: workload.count)
        for run in runs { try run.wait(for: "the events") { run.position >= workload.count } }
        let (seconds, cpu) = (Machine.seconds() - began, Machine.processCPUSeconds - cpuBegan)
        for run in runs { try run.stop() }
        let count = Double(workers * events)
        return (count / seconds, cpu / count * 1e9)
    }
}
