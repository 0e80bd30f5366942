// Transactions of which nobody knows whether they were committed, that take too long, or whose owner stands still.
import Foundation
import TestSupport
import Testing
import Worker

extension BrokerTests {
    @Suite struct Doubts {
        private func load(_ scene: Scene, seed: UInt64) throws -> Load {
            Load(
                EventGenerator(seed: seed, customers: 1_000, step: 240_000), try scene.producer(), topics: scene.inputs,
                count: 400_000, perSecond: 1_000)
        }

        /// The last request of a transaction, or its answer, is lost: it was committed, or it was not, and the daemon does not learn which.
        @Test func aCommitWhoseOutcomeIsUnknownIsCountedOnce() throws {
            let scene = try Scene("doubt", partitions: 2)
            let load = try load(scene, seed: 41)
            let first = try scene.start().awaitReady()
            let collector = try JournalCollector(scene)
            try first.stop()
            for action in [PlannedFault.Action.deaf, .lose] {
                for request in ["EndTxn", "TxnOffsetCommit"] {
                    let fault = PlannedFault(action: action, place: "sent \(request)", every: 10, times: 2)
                    let daemon = try scene.start(
                        { $0.properties.append(("socket.timeout.ms", "2000")) }, fault: fault)
                    try daemon.awaitLog(fault.line, count: 2)
                    try daemon.awaitNow("running; 2 shards")
                    try daemon.stop()
                }
            }
            try load.stop()
            let last = try scene.start().awaitReady()
            try scene.awaitDrained(last)
            try last.stop()
            try Auditor(scene).run(collector)
        }

        /// The broker aborts it; the daemon, which goes on polling meanwhile, hears so and recovers without being fenced by anybody.
        @Test func aTransactionThatTakesTooLongIsAbortedAndMadeAgain() throws {
            let scene = try Scene("overtime", partitions: 2)
            let load = try load(scene, seed: 42)
            let fault = PlannedFault(
                action: .sleep, place: "before rd_kafka_commit_transaction", every: 20, milliseconds: 7_000)
            let daemon = try scene.start(
                {
                    $0.properties.removeAll { $0.0 == "transaction.timeout.ms" }
                    $0.properties.append(("transaction.timeout.ms", "3000"))
                }, fault: fault
            ).awaitReady()
            let collector = try JournalCollector(scene)
            try daemon.awaitLog(fault.line)
            try daemon.awaitLog("the worker recovers from the last commit")
            try load.stop()
            try scene.awaitDrained(daemon)
            try daemon.awaitNow("running; 2 shards")
            try daemon.stop()
            try Auditor(scene).run(collector)
        }

        /// Its heartbeats go on, but it does not poll: the group goes on without it, and takes it back.
        @Test func aWorkerThatDoesNotPollLosesItsShardsAndComesBack() throws {
            let scene = try Scene("standstill", partitions: 4)
            let load = try load(scene, seed: 43)
            let other = try scene.start { $0.instance = "other" }.awaitReady()
            let collector = try JournalCollector(scene)
            // Longer than the poll interval and the session together, 12 s: only then does the broker give its shards away.
            let fault = PlannedFault(
                action: .sleep, place: "before rd_kafka_consume_batch_queue", every: 2_000, milliseconds: 20_000)
            let idle = try scene.start(
                {
                    $0.instance = "idle"
                    $0.properties.append(("max.poll.interval.ms", "6000"))
                }, fault: fault)
            try idle.awaitLog(fault.line)
            try other.awaitNow("running; 4 shards")
            try other.awaitNow("running; 2 shards")
            try idle.awaitNow("running; 2 shards")
            try load.stop()
            try scene.awaitDrained(idle)
            try idle.stop()
            try other.stop()
            try Auditor(scene).run(collector)
        }
    }
}
