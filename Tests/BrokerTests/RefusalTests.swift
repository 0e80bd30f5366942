// What rfmd does not start with, said by name, and the way out.
import Codec
import Foundation
import KafkaTransport
import TestSupport
import Testing
import Worker

extension BrokerTests {
    @Suite struct Refusals {
        private func expectRefusal(
            _ daemon: DaemonProcess, naming parts: [String], _ place: SourceLocation = #_sourceLocation
        ) throws {
            #expect(try daemon.waitForEnd(seconds: 60) == 1, sourceLocation: place)
            for part in parts {
                #expect(daemon.log.contains(part), "\(part) in:\n\(daemon.log.suffix(2_000))", sourceLocation: place)
            }
            #expect(!daemon.isReady, sourceLocation: place)
        }

        @Test func inputsMustHaveTheSameNumberOfPartitions() throws {
            let scene = try Scene("uneven", inputs: ["uneven-a-\(UUID())", "uneven-b-\(UUID())"], creates: false)
            try scene.cluster.create([scene.inputs[0]], partitions: 2)
            try expectRefusal(try scene.start(), naming: [scene.inputs[1], "does not exist"])
            try scene.cluster.create([scene.inputs[1]], partitions: 3)
            try expectRefusal(try scene.start(), naming: [scene.inputs[0], scene.inputs[1], "2", "3", "same number"])
        }

        /// A broker hears of a topic a little after it was made: that is no reason to give up.
        @Test func anInputThatIsMadeAMomentLaterIsFound() throws {
            let scene = try Scene("late", creates: false)
            let daemon = try scene.start()
            try daemon.awaitStatus("looking again: the input topic '\(scene.inputs[0])' does not exist")
            try scene.cluster.create(scene.inputs, partitions: scene.partitions)
            try daemon.awaitReady().stop()
        }

        @Test func topicsThatExistMustFit() throws {
            let wrong = try Scene("wrong")
            try wrong.cluster.create([wrong.outputs.warnings], partitions: 3)
            try expectRefusal(try wrong.start(), naming: [wrong.outputs.warnings, "has 3 partitions and must have 2"])

            let journal = try Scene("compacted")
            try journal.cluster.create(
                [journal.outputs.journal], partitions: 2, configuration: [("cleanup.policy", "compact")])
            try expectRefusal(try journal.start(), naming: [journal.outputs.journal, "cleanup.policy=delete"])

            let letters = try Scene("letters")
            try letters.cluster.create(
                [letters.outputs.deadLetters], partitions: 2, configuration: [("cleanup.policy", "compact")])
            try expectRefusal(try letters.start(), naming: [letters.outputs.deadLetters, "cleanup.policy=delete"])

            let input = try Scene("input", creates: false)
            try input.cluster.create(input.inputs, partitions: 2, configuration: [("cleanup.policy", "compact")])
            try expectRefusal(try input.start(), naming: [input.inputs[0], "compacted", "min.compaction.lag.ms"])
        }

        /// What can be seen without a broker is seen before anything is made there.
        @Test func nothingIsMadeForADaemonThatCannotKeepSnapshots() throws {
            let scene = try Scene("folder")
            let file = try scene.folder.write("", to: "file")
            let yaml = scene.yaml().replacing("folder: \(scene.folder.url.path),", with: "folder: \(file)/below,")
            try expectRefusal(try DaemonProcess(yaml), naming: ["\(file)/below", "Not a directory"])
            let admin = try KafkaAdmin(scene.cluster.options)
            defer { admin.close() }
            #expect(try admin.topics().keys.filter { $0.hasPrefix(scene.name) } == scene.inputs)
        }

        /// A daemon that has worked and stopped.
        private func worked(_ label: String, snapshotEvery: String = "1s") throws -> (Scene, JournalCollector) {
            let scene = try Scene(label)
            var generator = EventGenerator(seed: 21, customers: 100, step: 600_000)
            try scene.producer().send((0..<3_000).map { _ in generator.next() }, to: scene.inputs[0])
            let daemon = try scene.start { $0.snapshotEvery = snapshotEvery }.awaitReady()
            let collector = try JournalCollector(scene)
            try scene.awaitDrained(daemon)
            try daemon.stop()
            return (scene, collector)
        }

        @Test func aPositionThatSomebodyMovedIsNamed() throws {
            let (scene, collector) = try worked("moved")
            let last = try #require(try collector.catchUp(scene).entries[0]?.last).record
            let position = try #require(last.positions[scene.inputs[0]])
            let positions = try GroupPositions(scene.cluster.bootstrap, group: scene.group)
            let partition = TopicPartition(topic: scene.inputs[0], partition: 0)
            // A static member leaves the group only when its session has ended.
            try wait(for: "the group to be empty") { positions.set(partition, to: 17) }
            try expectRefusal(
                try scene.start(), naming: ["\(partition)", "17", "\(position)", "--to-offset \(position)"])
            try wait(for: "the group to be empty") { positions.set(partition, to: position) }
            try scene.start().awaitReady().stop()
            try Auditor(scene).run(collector)
        }

        @Test func aJournalThatIsGoneIsNotBegunAnewInSilence() throws {
            let (scene, collector) = try worked("gone")
            try collector.stop()
            let deleted = try Kafka.tool(
                "kafka-topics.sh",
                ["--bootstrap-server", scene.cluster.bootstrap, "--delete", "--topic", scene.outputs.journal])
            #expect(deleted.status == 0, "\(deleted.errorText)")
            try expectRefusal(try scene.start(), naming: ["its journal is empty", "--rebuild"])
        }

        /// The default names make it easy to give two groups one journal.
        @Test func twoGroupsDoNotShareAJournal() throws {
            let (scene, collector) = try worked("shared")
            for arguments in [[], ["--rebuild"]] {
                try expectRefusal(
                    try scene.start({ $0.group = "\(scene.group)-2" }, arguments: arguments),
                    naming: [
                        "\(scene.outputs.journal)[0] is the journal of the group '\(scene.group)'",
                        "this is the group '\(scene.group)-2'", "outputs.topics.journal",
                    ])
            }
            var generator = EventGenerator(seed: 23, customers: 100, step: 600_000)
            try scene.producer().send((0..<500).map { _ in generator.next() }, to: scene.inputs[0])
            let daemon = try scene.start().awaitReady()
            try scene.awaitDrained(daemon)
            try daemon.stop()
            try Auditor(scene).run(collector)
        }

        /// Both may write a genesis; then the log decides.
        @Test func ofTwoGroupsThatBeginAtOnceOnlyOneHasAShard() throws {
            let scene = try Scene("atonce")
            var generator = EventGenerator(seed: 24, customers: 100, step: 600_000)
            try scene.producer().send((0..<2_000).map { _ in generator.next() }, to: scene.inputs[0])
            let groups = [scene.group, "\(scene.group)-2"]
            let daemons = try groups.map { group in try scene.start { $0.group = group } }
            try wait(for: "one to be refused", context: daemons.map(\.log).joined(separator: "\n----\n")) {
                daemons.contains { $0.log.contains(" is the journal of the group '") }
            }
            for daemon in daemons where daemon.isRunning { try daemon.kill9() }
            for partition in 0..<scene.partitions {
                let records = try scene.read(scene.outputs.journal).filter { $0.partition.partition == partition }
                let journal = try records.map {
                    try #require($0.value.flatMap { $0.withUnsafeBytes { JournalRecord($0) } })
                }
                #expect(Set(journal.filter { $0.batch > 0 }.map(\.genesis.group)).count <= 1)
            }
        }

        @Test func withoutSnapshotsAndGenesisOnlyARebuildGoesOn() throws {
            let (scene, collector) = try worked("rebuild")
            // More work, until the journal is trimmed behind the second snapshot.
            let trimmed = try workUntilTrimmed(scene)
            #expect(trimmed > 0)
            try deleteSnapshots(scene)
            try expectRefusal(
                try scene.start(), naming: ["there is no usable snapshot", "--rebuild", "what the inputs still hold"])
            let before = try scene.events().count
            let letters = try scene.read(scene.outputs.deadLetters).count

            let rebuilt = try scene.start(arguments: ["--rebuild"]).awaitReady()
            try rebuilt.awaitLog("state given up and begun anew")
            try scene.awaitDrained(rebuilt)
            try rebuilt.stop()
            #expect(try scene.events().count == before)
            #expect(try scene.read(scene.outputs.deadLetters).count == letters)

            try scene.producer().send(
                [NewRecord("new", purchase("new", "n1", "9.00", "2026-06-01T00:00:00Z"), timestamp: 1_780_272_000_000)],
                to: scene.inputs[0])
            let after = try scene.start().awaitReady()
            try scene.awaitDrained(after)
            try after.stop()
            #expect(try scene.events().count > before)
            try Auditor(scene).run(collector)
        }

        /// Sends little by little until the journals no longer begin with their genesis; returns how many were trimmed.
        private func workUntilTrimmed(_ scene: Scene) throws -> Int {
            let daemon = try scene.start().awaitReady()
            let producer = try scene.producer()
            let reader = try scene.cluster.reader()
            defer { reader.close() }
            var generator = EventGenerator(seed: 22, customers: 100, step: 600_000)
            var trimmed = 0
            try wait(for: "the journal to be trimmed", context: daemon.log) {
                try producer.send((0..<20).map { _ in generator.next() }, to: scene.inputs[0])
                trimmed = try (0..<scene.partitions).filter {
                    try reader.range(of: TopicPartition(topic: scene.outputs.journal, partition: $0)).first > 0
                }.count
                return trimmed == Int(scene.partitions)
            }
            try scene.awaitDrained(daemon)
            try daemon.stop()
            return trimmed
        }
    }
}

/// Removes what a scene's daemons keep on disk.
func deleteSnapshots(_ scene: Scene) throws {
    for file in try FileManager.default.contentsOfDirectory(atPath: scene.folder.url.path)
    where file.hasSuffix(".snapshot") {
        try FileManager.default.removeItem(at: scene.folder.url(file))
    }
}
