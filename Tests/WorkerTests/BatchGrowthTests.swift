// A worker that is behind lets its batch grow, and hands it over as soon as it is not, or when it is old enough.
import Model
import Synchronization
import Testing
import Worker

@testable import Bench

@Suite struct BatchGrowthTests {
    /// Of a whole worker that finds 40,000 records, in full rounds and a last one that is not, on a clock that moves on by so much
    /// whenever it is asked.
    private func batches(clockMovesBy step: Int64) throws -> Int {
        let workload = Workload(customers: 500, mixed: 38_000)
        #expect(workload.count % 4_096 < Limits.recordsOfFullRound)
        let scratch = try ScratchVault()
        defer { withExtendedLifetime(scratch) {} }
        let cluster = MemoryCluster(workload, limit: workload.count)
        let now = Mutex(Int64(0))
        let clock = TrustedClock(
            interval: {
                now.withLock {
                    $0 += step
                    return $0
                }
            })
        let run = WorkerRun(cluster, vault: scratch.vault, clock: clock)
        run.start()
        try run.wait(for: "the records") { run.position == workload.count }
        try run.stop()
        let journal = cluster.records(TopicPartition(topic: MemoryCluster.outputs.journal, partition: 0))
        // The first one is the genesis.
        return journal.count - 1
    }

    @Test func batchesGrowForAWhile() throws {
        #expect(try batches(clockMovesBy: 0) == 1)
        #expect(try batches(clockMovesBy: Limits.batchGrowMilliseconds) > 1)
    }
}
