// Snapshots that are missing or damaged: the same outputs all the same.
import Foundation
import TestSupport
import Testing
import Worker

extension BrokerTests {
    @Suite struct Snapshots {
        private func work(_ scene: Scene, _ generator: inout EventGenerator, _ count: Int, every: String) throws
            -> DaemonProcess
        {
            try scene.producer().send((0..<count).map { _ in generator.next() }, to: scene.inputs[0])
            let daemon = try scene.start { $0.snapshotEvery = every }.awaitReady()
            try scene.awaitDrained(daemon)
            return daemon
        }

        @Test func withoutSnapshotsTheJournalIsApplied() throws {
            let scene = try Scene("nosnap")
            var generator = EventGenerator(seed: 31, customers: 200, step: 600_000)
            try work(scene, &generator, 5_000, every: "1h").stop()
            let collector = try JournalCollector(scene)
            try work(scene, &generator, 500, every: "1h").kill9()
            try deleteSnapshots(scene)
            let again = try work(scene, &generator, 500, every: "1h")
            #expect(again.log.contains("from=genesis"), "\(again.log)")
            try again.stop()
            try Auditor(scene).run(collector)
        }

        @Test func aDamagedSnapshotGivesWayToTheOneBefore() throws {
            let scene = try Scene("flip", partitions: 1)
            var generator = EventGenerator(seed: 32, customers: 500, step: 600_000)
            try work(scene, &generator, 3_000, every: "1h").stop()
            let collector = try JournalCollector(scene)
            try work(scene, &generator, 1_000, every: "1h").stop()
            let files = try FileManager.default.contentsOfDirectory(atPath: scene.folder.url.path).filter {
                $0.hasSuffix(".snapshot")
            }.sorted()
            #expect(files.count == 2)
            let newest = scene.folder.url(try #require(files.last))
            var bytes = try Data(contentsOf: newest)
            bytes[bytes.count / 2] ^= 4
            try bytes.write(to: newest)
            let again = try work(scene, &generator, 1_000, every: "1h")
            try again.stop()
            #expect(again.log.contains("snapshot cannot be used"))
            #expect(again.log.contains("from=\"snapshot of batch"), "\(again.log)")
            try Auditor(scene).run(collector)
        }
    }
}
