// An input topic that somebody deletes and makes anew: its offsets begin with 0 again, and what it holds must not be mixed with what it held.
import Foundation
import TestSupport
import Testing
import Worker

extension BrokerTests {
    @Suite struct RenewedTopics {
        private func delete(_ scene: Scene, topic: String? = nil) throws {
            let deleted = try Kafka.tool(
                "kafka-topics.sh",
                ["--bootstrap-server", scene.cluster.bootstrap, "--delete", "--topic", topic ?? scene.inputs[0]])
            #expect(deleted.status == 0, "\(deleted.errorText)")
        }

        /// Deletes the only input and makes it anew, with a few records.
        private func renew(_ scene: Scene) throws {
            try delete(scene)
            // A broker takes a name again when the topic before is gone.
            try wait(for: "the topic to be made anew", seconds: 30) {
                do {
                    try scene.cluster.create(scene.inputs, partitions: scene.partitions)
                    return true
                } catch is TransportFailure { return false }
            }
            var generator = EventGenerator(seed: 8, customers: 10, step: 1_000)
            try scene.producer().send((0..<20).map { _ in generator.next() }, to: scene.inputs[0])
        }

        private func worked(_ label: String) throws -> (Scene, DaemonProcess, [StoredRecord]) {
            let scene = try Scene(label)
            var generator = EventGenerator(seed: 7, customers: 50, step: 600_000)
            try scene.producer().send((0..<2_000).map { _ in generator.next() }, to: scene.inputs[0])
            let daemon = try scene.start().awaitReady()
            try scene.awaitDrained(daemon)
            try wait(for: "events") { try !scene.events().isEmpty }
            return (scene, daemon, try scene.events())
        }

        private func expectRefusal(_ daemon: DaemonProcess, _ scene: Scene, _ before: [StoredRecord]) throws {
            #expect(try daemon.waitForEnd(seconds: 90) == 1)
            for part in [scene.inputs[0], "deleted and made anew", "another kafka.group"] {
                #expect(daemon.log.contains(part), "\(part) in:\n\(daemon.log.suffix(2_000))")
            }
            #expect(try scene.events().count == before.count)
        }

        @Test func itIsRefusedAtTheStartAndNotRebuilt() throws {
            let (scene, daemon, before) = try worked("renewed")
            try daemon.stop()
            try renew(scene)
            try expectRefusal(try scene.start(), scene, before)
            try expectRefusal(try scene.start(arguments: ["--rebuild"]), scene, before)
        }

        /// A client whose topic is gone may never end (librdkafka 2.0.2); the daemon does.
        @Test func aDaemonWithoutItsInputStops() throws {
            let (scene, daemon, _) = try worked("deleted")
            try delete(scene)
            try daemon.awaitLog("cannot be read")
            daemon.signal(SIGTERM)
            #expect(try daemon.waitForEnd(seconds: 20) == 0)
        }

        /// What it held is gone; what comes after waits for the topic, which is named, and made anew by a start.
        @Test func anOutputTopicThatIsDeletedIsNamed() throws {
            let (scene, daemon, _) = try worked("output")
            let topic = try #require(scene.outputs.ladders["tier"])
            try delete(scene, topic: topic)
            var generator = EventGenerator(seed: 9, customers: 50, step: 600_000)
            try scene.producer().send((0..<500).map { _ in generator.next() }, to: scene.inputs[0])
            try daemon.awaitLog("there is no topic '\(topic)' any more: start rfmd again, which makes it")
            daemon.signal(SIGTERM)
            #expect(try daemon.waitForEnd(seconds: 30) == 0)
            let after = try scene.start().awaitReady()
            try scene.awaitDrained(after)
            try after.stop()
            #expect(try !scene.read(topic).isEmpty)
        }

        @Test func itEndsADaemonThatRuns() throws {
            let (scene, daemon, before) = try worked("renewed-alive")
            try renew(scene)
            try expectRefusal(daemon, scene, before)
        }
    }
}
