// Topics that are changed behind the back of a daemon that runs: it stops, and says in one sentence what happened and what to do.
import Foundation
import KafkaTransport
import TestSupport
import Testing
import Worker

extension BrokerTests {
    @Suite struct Edges {
        private func tool(_ scene: Scene, _ arguments: [String]) throws {
            let done = try Kafka.tool("kafka-topics.sh", ["--bootstrap-server", scene.cluster.bootstrap] + arguments)
            #expect(done.status == 0, "\(done.errorText)")
        }

        private func worked(_ scene: Scene) throws -> (DaemonProcess, EventGenerator) {
            var generator = EventGenerator(seed: 51, customers: 100, step: 600_000)
            for input in scene.inputs {
                try scene.producer().send((0..<1_000).map { _ in generator.next() }, to: input)
            }
            // librdkafka looks for new partitions every five minutes, unless it is told to do so sooner.
            let daemon = try scene.start { $0.properties.append(("topic.metadata.refresh.interval.ms", "1000")) }
            try daemon.awaitReady()
            try scene.awaitDrained(daemon)
            return (daemon, generator)
        }

        private func expectEnd(
            _ daemon: DaemonProcess, naming parts: [String], _ place: SourceLocation = #_sourceLocation
        )
            throws
        {
            #expect(try daemon.waitForEnd(seconds: 60) == 1, sourceLocation: place)
            let last = daemon.log.split(separator: "\n").last { $0.contains("rfmd cannot go on") } ?? ""
            for part in parts {
                #expect(last.contains(part), "\(part) in:\n\(daemon.log.suffix(3_000))", sourceLocation: place)
            }
        }

        @Test(arguments: [["only"], ["one", "two"]])
        func aDaemonWhoseInputGetsMorePartitionsStops(inputs: [String]) throws {
            let scene = try Scene("more", inputs: inputs.map { "more-\(UUID().uuidString.prefix(6)).\($0)" })
            let (daemon, _) = try worked(scene)
            try tool(scene, ["--alter", "--topic", scene.inputs[0], "--partitions", "3"])
            try expectEnd(daemon, naming: [scene.inputs[0], "more than 2 partitions", "another kafka.group"])
            try expectEnd(
                try scene.start(),
                naming: inputs.count == 1
                    ? [scene.outputs.journal, "3 partitions", "had 2", "another kafka.group"]
                    : scene.inputs + ["same number"])
        }

        /// A daemon that is behind, and an input whose records do not wait for it.
        @Test func recordsThatAreDeletedBeforeTheyAreReadEndIt() throws {
            let scene = try Scene("lost", partitions: 1)
            var (daemon, generator) = try worked(scene)
            let collector = try JournalCollector(scene)
            daemon.signal(SIGSTOP)
            // A request that was under way is answered with the first of them, and with no more.
            let producer = try scene.producer()
            try producer.send([generator.next()], to: scene.inputs[0])
            try producer.send((1..<1_000).map { _ in generator.next() }, to: scene.inputs[0])
            let admin = try KafkaAdmin(scene.cluster.options)
            defer { admin.close() }
            try admin.deleteRecords(before: [(TopicPartition(topic: scene.inputs[0], partition: 0), 1_500)])
            daemon.signal(SIGCONT)
            let told = [
                "to 1499 of \(scene.inputs[0])[0] were deleted before they were read", "--rebuild",
            ]
            try expectEnd(daemon, naming: told)
            try expectEnd(try scene.start(), naming: told)
            let before = try scene.events().count
            daemon = try scene.start(arguments: ["--rebuild"]).awaitReady()
            try scene.awaitDrained(daemon)
            try daemon.stop()
            #expect(try scene.events().count > before)
            try collector.stop()
        }

        @Test func aJournalThatIsDeletedEndsADaemonThatRuns() throws {
            let scene = try Scene("nojournal")
            var (daemon, generator) = try worked(scene)
            let before = try scene.events().count
            try tool(scene, ["--delete", "--topic", scene.outputs.journal])
            try scene.producer().send((0..<100).map { _ in generator.next() }, to: scene.inputs[0])
            try expectEnd(daemon, naming: [scene.outputs.journal, "does not exist", "--rebuild"])
            #expect(try scene.events().count == before)
        }

        /// Files of another group, and of another input, under the name of the newest snapshot.
        @Test func aSnapshotOfAnotherGroupIsNotUsed() throws {
            let scene = try Scene("own", partitions: 1)
            let other = try Scene("other", partitions: 1)
            var daemons: [DaemonProcess] = []
            for one in [scene, other] { daemons.append(try worked(one).0) }
            let collector = try JournalCollector(scene)
            for daemon in daemons { try daemon.stop() }
            let newest = try #require(try snapshots(scene).last)
            let foreign = try #require(try snapshots(other).last)
            try deleteSnapshots(scene)
            for name in [newest, foreign] {
                try FileManager.default.copyItem(at: other.folder.url(foreign), to: scene.folder.url(name))
            }
            let again = try scene.start().awaitReady()
            #expect(again.log.contains("snapshot cannot be used"), "\(again.log)")
            #expect(again.log.contains("from=genesis"), "\(again.log)")
            try again.stop()
            try Auditor(scene).run(collector)
            #expect(try snapshots(scene).contains(foreign))
        }

        private func snapshots(_ scene: Scene) throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: scene.folder.url.path)
                .filter { $0.hasSuffix(".snapshot") }.sorted()
        }
    }
}
