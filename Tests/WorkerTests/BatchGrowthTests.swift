// A worker that is behind lets its batch grow, and hands it over as soon as it is not, or when it is old enough.
import Model
import Testing
import Worker

@testable import Bench

@Suite struct BatchGrowthTests {
    /// Of a whole worker that finds 40,000 records, in full rounds and a last one that is not, while time stands still.
    private func batches(_ change: (inout BatchBounds) -> Void = { _ in }) throws -> Int {
        let workload = Workload(customers: 500, mixed: 38_000)
        #expect(workload.count % 4_096 < Limits.recordsOfFullRound)
        let scratch = try ScratchVault()
        defer { withExtendedLifetime(scratch) {} }
        var bounds = BatchBounds()
        change(&bounds)
        let cluster = MemoryCluster(workload, limit: workload.count)
        let run = WorkerRun(
            cluster, vault: scratch.vault, bounds: bounds, clock: TrustedClock(interval: { 0 }))
        run.start()
        try run.wait(for: "the records") { run.position == workload.count }
        try run.stop()
        let journal = cluster.records(TopicPartition(topic: MemoryCluster.outputs.journal, partition: 0))
        // The first one is the genesis.
        return journal.count - 1
    }

    @Test func batchesGrowWhileRoundsAreFull() throws {
        // The first one is handed over at once. What is applied while it commits grows on with all that comes.
        #expect(try batches() == 2)
        #expect(try batches { $0.recordsOfFullRound = 5_000 } > 2, "no round is full")
        #expect(try batches { $0.growMilliseconds = 0 } > 2, "every batch is old enough")
    }
}
