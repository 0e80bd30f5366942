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
            ("before rd_kafka_begin_transaction", 10), ("after rd_kafka_begin_transaction", 10),
            ("before rd_kafka_producev", 1_000), ("after rd_kafka_producev", 1_000), ("deadline", 100),
            ("sent AddPartitionsToTxn", 10), ("sent Produce", 20),
            ("before rd_kafka_send_offsets_to_transaction", 10), ("sent AddOffsetsToTxn", 10),
            ("sent TxnOffsetCommit", 10), ("after rd_kafka_send_offsets_to_transaction", 10),
            ("before rd_kafka_commit_transaction", 10), ("sent EndTxn", 10),
            ("after rd_kafka_commit_transaction", 10),
            ("before write", 3), ("inside write", 3), ("after write", 3), ("before fsync of a file", 3),
            ("after fsync of a file", 3), ("before rename", 3), ("after rename", 3), ("before fsync of a folder", 3),
            ("after fsync of a folder", 3), ("before unlink", 2), ("after unlink", 2),
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
                #expect(code == -SIGKILL && daemon.log.contains(fault.line), "\(fault): \(daemon.log.suffix(1_000))")
                if place.hasSuffix(" write") {
                    let files = try FileManager.default.subpathsOfDirectory(atPath: scene.folder.url.path)
                    #expect(files.contains { $0.hasSuffix(".tmp") }, "\(fault) was not in a snapshot: \(files)")
                }
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

        /// Swift ends a process that gets no memory, wherever that is.
        @Test func anAllocationThatFailsIsACrashLikeAnyOther() throws {
            var dice = TestDice("anAllocationThatFailsIsACrashLikeAnyOther")
            let scene = try Scene("memory", partitions: 2)
            let load = Load(
                EventGenerator(seed: dice.seed, customers: 1_000, step: 240_000), try scene.producer(),
                topics: scene.inputs, count: 400_000, perSecond: 1_000)
            let first = try scene.start().awaitReady()
            let collector = try JournalCollector(scene)
            try first.kill9()
            for _ in 0..<8 {
                let fault = PlannedFault(action: .fail, place: "malloc", every: 1_000 + dice.roll(60_000))
                let daemon = try scene.start(fault: fault)
                try daemon.awaitLog(fault.line)
                // A library may do without; then it goes on.
                try wait(for: "its end, or its work", seconds: 60, context: "\(fault): \(daemon.log)") {
                    !daemon.isRunning || daemon.isReady
                }
                if daemon.isRunning { try daemon.kill9() }
            }
            try load.stop()
            let last = try scene.start().awaitReady()
            try scene.awaitDrained(last)
            try last.stop()
            try Auditor(scene).run(collector)
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
