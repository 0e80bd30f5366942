// kill -9 at named places: between every two calls of a batch's transaction, with requests of Kafka's protocol under way, and in every
// step of a snapshot.
import Foundation
import Model
import TestSupport
import Testing
import Worker

extension BrokerTests {
    @Suite struct CrashPoints {
        /// How often a place is passed before the crash, at most: so the crash comes when there is something to lose.
        private static let points: [(place: String, comings: Int)] = [
            ("before rd_kafka_init_transactions", 1), ("after rd_kafka_init_transactions", 1),
            ("sent InitProducerId", 1), ("sent JoinGroup", 1), ("sent SyncGroup", 1), ("sent OffsetFetch", 1),
            ("before rd_kafka_begin_transaction", 20), ("after rd_kafka_begin_transaction", 20),
            ("before rd_kafka_producev", 2_000), ("after rd_kafka_producev", 2_000), ("deadline", 300),
            ("sent AddPartitionsToTxn", 20), ("sent Produce", 40),
            ("before rd_kafka_send_offsets_to_transaction", 20), ("sent AddOffsetsToTxn", 20),
            ("sent TxnOffsetCommit", 20), ("after rd_kafka_send_offsets_to_transaction", 20),
            ("before rd_kafka_commit_transaction", 20), ("sent EndTxn", 20),
            ("after rd_kafka_commit_transaction", 20),
            ("before write", 6), ("inside write", 6), ("after write", 6), ("before fsync of a file", 4),
            ("after fsync of a file", 4), ("before rename", 4), ("after rename", 4), ("before fsync of a folder", 4),
            ("after fsync of a folder", 4), ("before unlink", 2), ("after unlink", 2),
            ("before rd_kafka_DeleteRecords", 2), ("sent DeleteRecords", 2), ("after rd_kafka_DeleteRecords", 2),
        ]

        @Test func aCrashAtAnyNamedPointChangesNothing() throws {
            var dice = TestDice("aCrashAtAnyNamedPointChangesNothing")
            let scene = try Scene("points", partitions: 4)
            let load = Load(
                EventGenerator(seed: dice.seed, customers: 3_000, step: 240_000), try scene.producer(),
                topics: scene.inputs, count: 400_000, perSecond: 1_000)
            let first = try scene.start().awaitReady()
            let collector = try JournalCollector(scene)
            try first.kill9()
            for (place, comings) in CrashPoints.points {
                let fault = PlannedFault(action: .kill, place: place, every: 1 + dice.roll(comings))
                let daemon = try scene.start(fault: fault)
                let code = try daemon.waitForEnd(seconds: 60)
                #expect(code == -SIGKILL && daemon.log.contains(fault.line), "\(fault): \(daemon.log.suffix(2_000))")
            }
            try load.stop()
            let last = try scene.start().awaitReady()
            try scene.awaitDrained(last)
            try last.stop()
            let audit = try Auditor(scene).run(collector)
            #expect(audit.causes[.deadline, default: 0] > 0 && audit.counts.rejected > 0, "seed \(dice.seed)")

            let calm = try Scene("calmpoints", inputs: scene.inputs, partitions: 4, creates: false)
            let uninterrupted = try calm.start().awaitReady()
            try calm.awaitDrained(uninterrupted)
            try uninterrupted.stop()
            let with = decisions(try scene.events()) { $0.replacingOccurrences(of: scene.name, with: "") }
            let without = decisions(try calm.events()) { $0.replacingOccurrences(of: calm.name, with: "") }
            #expect(!with.isEmpty)
            #expect(difference(with, without) == nil, "seed \(dice.seed)")
        }

        /// Killed, or stopped for longer than its session, when its positions are with the broker and its commit is not; its shards go
        /// to another, and then it comes back.
        @Test func aWorkerBetweenItsOffsetsAndItsCommitLosesItsShards() throws {
            let scene = try Scene("between", partitions: 4)
            let load = Load(
                EventGenerator(seed: 17, customers: 1_000, step: 240_000), try scene.producer(), topics: scene.inputs,
                count: 400_000, perSecond: 1_000)
            func options(_ name: String) -> (inout Scene.Options) -> Void {
                {
                    $0.instance = name
                    $0.properties = [
                        ("session.timeout.ms", "3000"), ("heartbeat.interval.ms", "500"),
                        ("transaction.timeout.ms", "5000"),
                    ]
                }
            }
            let other = try scene.start(options("other")).awaitReady()
            let collector = try JournalCollector(scene)
            for place in ["after rd_kafka_send_offsets_to_transaction", "sent EndTxn"] {
                let kill = PlannedFault(action: .kill, place: place, every: 15)
                let killed = try scene.start(options("one"), fault: kill)
                #expect(try killed.waitForEnd() == -SIGKILL)
                #expect(killed.log.contains(kill.line))
                try other.awaitNow("running; 4 shards")

                let stop = PlannedFault(action: .stop, place: place, every: 15)
                let stopped = try scene.start(options("one"), fault: stop)
                try stopped.awaitLog(stop.line)
                try other.awaitNow("running; 4 shards")
                stopped.signal(SIGCONT)
                try other.awaitNow("running; 2 shards")
                try stopped.awaitNow("running; 2 shards")
                try stopped.stop()
            }
            try other.awaitNow("running; 4 shards")
            try load.stop()
            try scene.awaitDrained(other)
            try other.stop()
            try Auditor(scene).run(collector)
        }
    }
}
