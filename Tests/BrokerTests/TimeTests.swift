// What the wall clock does: history that calls nobody, silence that is an event, and an input that cannot be read to its end.
import Foundation
import Testing
import Worker

extension BrokerTests {
    @Suite struct Time {
        private func now() -> String { ISO8601DateFormatter().string(from: Date()) }

        @Test func historyChangesStateAndEmitsNothing() throws {
            let scene = try Scene("backfill", partitions: 1)
            let producer = try scene.producer()
            try producer.send(
                (0..<20).map { NewRecord("old\($0)", purchase("old\($0)", "a\($0)", "1.00", now())) },
                to: scene.inputs[0])
            let wall: (inout Scene.Options) -> Void = {
                $0.clock = "wall"
                $0.emitFrom = nil
            }
            let daemon = try scene.start(wall).awaitReady()
            let collector = try JournalCollector(scene)
            try scene.awaitDrained(daemon)
            #expect(try scene.events().isEmpty)
            let header = [RecordHeader(name: "rfm-backfill", value: Array("1".utf8))]
            try producer.send(
                [
                    NewRecord(
                        "late", purchase("late", "b1", "1.00", "2025-01-01T00:00:00Z"), timestamp: 1_735_689_600_000),
                    NewRecord("marked", purchase("marked", "b2", "1.00", now()), headers: header),
                    NewRecord("old1", purchase("old1", "b3", "1.00", now())),
                    NewRecord("live", purchase("live", "b4", "1.00", now())),
                ], to: scene.inputs[0])
            try scene.awaitDrained(daemon)
            try daemon.stop()
            let events = try scene.events()
            // The second order of "old1" makes him active; he was counted before.
            #expect(Set(events.map { String(decoding: $0.key ?? [], as: UTF8.self) }) == ["old1", "live"])
            try Auditor(scene).run(collector)
        }

        @Test func deadlinesFireWithinASecondWithoutInput() throws {
            let scene = try Scene("silence", partitions: 2, ladders: ["pulse"])
            let daemon = try scene.start {
                $0.clock = "wall"
                $0.more = BrokerTests.pulse
            }.awaitReady()
            let collector = try JournalCollector(scene)
            let producer = try scene.producer()
            try producer.send(
                (0..<200).map { NewRecord("c\($0)", click("c\($0)", "e\($0)", now())) }, to: scene.inputs[0])
            try scene.awaitEvents("all customers to be cold", daemon) { events in
                events.filter { $0.valueText.contains("\"to\":\"cold\"") }.count == 200
            }
            try daemon.stop()
            var worst: Int64 = 0
            for event in try scene.events() where event.valueText.contains("\"kind\":\"deadline\"") {
                let object = try #require(
                    try JSONSerialization.jsonObject(with: Data(event.value ?? [])) as? [String: Any])
                let formatter = ISO8601DateFormatter()
                formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
                let due = try #require((object["time"] as? String).flatMap(formatter.date))
                // The topic's timestamps are those of the broker.
                worst = max(worst, try #require(event.timestamp) - Int64(due.timeIntervalSince1970 * 1_000))
            }
            try Auditor(scene).run(collector)
            let plain = try slowestPlainTransaction(scene)
            print(
                "deadlinesFireWithinASecondWithoutInput: the latest came \(worst) ms after its instant, a plain transaction took up to \(plain) ms"
            )
            // An event may come just behind a transaction, and is seen with the next, and both write to more partitions than a plain one: a
            // broker that takes so long for that is overloaded itself.
            #expect(worst > 0 && worst <= max(1_000, 8 * plain))
        }

        /// ms, of twenty behind the first, in which a client learns whom to ask.
        private func slowestPlainTransaction(_ scene: Scene) throws -> Int64 {
            let producer = try TestProducer(scene.cluster.bootstrap, transactionalID: "\(scene.name)-plain")
            var slowest: Int64 = 0
            for number in 0...20 {
                let began = Date()
                try producer.begin()
                try producer.send([NewRecord("c\(number)", "{}")], to: scene.inputs[0])
                try producer.commit()
                if number > 0 { slowest = max(slowest, Int64(Date().timeIntervalSince(began) * 1_000)) }
            }
            return slowest
        }

        @Test(arguments: [true, false])
        func anOpenTransactionHidesWhatIsBehindItAndHoldsNoOtherShard(commits: Bool) throws {
            let scene = try Scene("open", partitions: 2, ladders: ["pulse"])
            let producer = try scene.producer()
            let daemon = try scene.start {
                $0.clock = "wall"
                $0.more = BrokerTests.pulse
            }.awaitReady()
            let collector = try JournalCollector(scene)
            for partition in 0..<2 as Range<Int32> {
                try producer.send(
                    [NewRecord("first\(partition)", click("first\(partition)", "e", now()))], to: scene.inputs[0],
                    partition: partition)
            }
            try scene.awaitDrained(daemon)
            let open = try TestProducer(scene.cluster.bootstrap, transactionalID: scene.name)
            try open.begin()
            try open.send([NewRecord("inside", click("inside", "e", now()))], to: scene.inputs[0], partition: 0)
            try producer.send([NewRecord("behind", click("behind", "e", now()))], to: scene.inputs[0], partition: 0)
            try producer.send([NewRecord("second", click("second", "e", now()))], to: scene.inputs[0], partition: 1)
            // The other shard's customer goes cold: three seconds have passed, on its clock.
            try scene.awaitEvents("the other shard to go on", daemon) { events in
                events.contains {
                    $0.valueText.contains("\"subject\":\"second\"") && $0.valueText.contains("\"to\":\"cold\"")
                }
            }
            let meanwhile = try scene.events().filter { $0.partition.partition == 0 }
            #expect(
                !meanwhile.contains {
                    $0.valueText.contains("\"subject\":\"behind\"") || $0.valueText.contains("\"subject\":\"inside\"")
                })
            if commits { try open.commit() } else { try open.abort() }
            try scene.awaitEvents("the shard to go on", daemon) { events in
                events.contains {
                    $0.valueText.contains("\"subject\":\"behind\"") && $0.valueText.contains("\"to\":\"cold\"")
                }
            }
            try daemon.stop()
            let events = try scene.events()
            #expect(events.contains { $0.valueText.contains("\"subject\":\"inside\"") } == commits)
            #expect(
                events.contains {
                    $0.valueText.contains("\"subject\":\"first0\"") && $0.valueText.contains("\"to\":\"cold\"")
                })
            try Auditor(scene).run(collector)
        }
    }
}
