// Two processes in one group: shards move, a zombie is fenced, and a name that is used twice is told.
import Foundation
import TestSupport
import Testing
import Worker

extension BrokerTests {
    @Suite struct Group {
        private func load(_ scene: Scene, seed: UInt64) throws -> Load {
            Load(
                EventGenerator(seed: seed, customers: 1_000, step: 120_000), try scene.producer(), topics: scene.inputs,
                count: 300_000,
                perSecond: 1_500)
        }

        /// Waits until a daemon has been given as many shards, as its status tells.
        private func awaitShards(_ count: Int, _ daemon: DaemonProcess) throws {
            try wait(for: "\(count) shards", seconds: 60, context: "\(daemon.status)\n\(daemon.log.suffix(3_000))") {
                daemon.status.hasPrefix("running; \(count) shards, ")
            }
        }

        @Test func shardsMoveBetweenTwoProcesses() throws {
            var dice = TestDice("shardsMoveBetweenTwoProcesses")
            let scene = try Scene("two", partitions: 4)
            let load = try load(scene, seed: dice.seed)
            let first = try scene.start { $0.instance = "first" }.awaitReady()
            let collector = try JournalCollector(scene)
            var second = try scene.start { $0.instance = "second" }
            try awaitShards(2, second)
            for round in 0..<4 {
                usleep(UInt32(dice.roll(1_000)) * 1_000)
                try second.kill9()
                // Every other time it stays away until the group has gone on without it.
                if round % 2 == 1 { try awaitShards(4, first) }
                second = try scene.start { $0.instance = "second" }
                try awaitShards(2, second)
            }
            try first.stop()
            try awaitShards(4, second)
            let again = try scene.start { $0.instance = "first" }
            try awaitShards(2, again)
            try load.stop()
            try scene.awaitDrained(again)
            try again.stop()
            try second.stop()
            let audit = try Auditor(scene).run(collector)
            #expect(audit.batches > 50, "seed \(dice.seed)")
        }

        @Test func aZombieIsFencedAndComesBack() throws {
            let scene = try Scene("zombie", partitions: 4)
            let load = try load(scene, seed: 11)
            let zombie = try scene.start { $0.instance = "zombie" }.awaitReady()
            let collector = try JournalCollector(scene)
            let other = try scene.start { $0.instance = "other" }
            try awaitShards(2, other)
            try awaitShards(2, zombie)
            zombie.signal(SIGSTOP)
            try awaitShards(4, other)
            zombie.signal(SIGCONT)
            try awaitShards(2, other)
            try awaitShards(2, zombie)
            #expect(zombie.isRunning)
            try load.stop()
            try scene.awaitDrained(other)
            try zombie.stop()
            try other.stop()
            try Auditor(scene).run(collector)
        }

        @Test func aNameThatIsUsedTwiceIsTold() throws {
            let scene = try Scene("twice")
            let producer = try scene.producer()
            let first = try scene.start { $0.instance = "same" }.awaitReady()
            let collector = try JournalCollector(scene)
            let second = try scene.start { $0.instance = "same" }
            #expect(try first.waitForEnd(seconds: 60) == 1)
            #expect(first.log.contains("another process of the name 'same'"))
            try second.awaitReady()
            try producer.send(
                [NewRecord("c1", purchase("c1", "e1", "1.00", "2025-01-01T00:00:00Z"), timestamp: 1_735_689_600_000)],
                to: scene.inputs[0])
            try scene.awaitDrained(second)
            try second.stop()
            try Auditor(scene).run(collector)
        }
    }
}
