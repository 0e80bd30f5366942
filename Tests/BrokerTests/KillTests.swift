// kill -9 at random moments: what a reader sees is what an uninterrupted run would have sent.
import Foundation
import Model
import Testing
import Worker

extension BrokerTests {
    @Suite struct Kills {
        /// Kills a daemon `times` while `load` goes on: before it is ready, just after, and in the middle of its work.
        private func killAgainAndAgain(
            _ scene: Scene, times: Int, _ dice: inout TestDice, _ change: (inout Scene.Options) -> Void
        ) throws -> (collector: JournalCollector, log: String) {
            var collector: JournalCollector?
            var log = ""
            for round in 0..<times {
                let daemon = try scene.start(change)
                if round == 0 || dice.roll(4) > 0 {
                    try daemon.awaitReady()
                    if collector == nil { collector = try JournalCollector(scene) }
                }
                // The moment of the crash, not a wait for anything.
                usleep(UInt32(dice.roll(1_500)) * 1_000)
                try daemon.kill9()
                log += daemon.log
            }
            return (try #require(collector), log)
        }

        @Test func twentyKillsUnderLoadChangeNothing() throws {
            var dice = TestDice("twentyKillsUnderLoadChangeNothing")
            let scene = try Scene("kills", partitions: 4)
            let generator = EventGenerator(seed: dice.seed, customers: 3_000, step: 120_000)
            let load = Load(generator, try scene.producer(), topics: scene.inputs, count: 150_000, perSecond: 2_500)
            let (collector, log) = try killAgainAndAgain(scene, times: 20, &dice) { _ in }
            try load.stop()
            #expect(log.contains("from=\"snapshot of batch"), "no recovery began with a snapshot")
            let last = try scene.start().awaitReady()
            try scene.awaitDrained(last)
            try last.stop()
            let audit = try Auditor(scene).run(collector)
            #expect(audit.causes[.deadline, default: 0] > 0)
            #expect(audit.counts.rejected > 0 && audit.counts.duplicates > 0 && audit.counts.skipped > 0)

            let calm = try Scene("calm", inputs: scene.inputs, partitions: 4, creates: false)
            let uninterrupted = try calm.start().awaitReady()
            try calm.awaitDrained(uninterrupted)
            try uninterrupted.stop()
            let with = decisions(try scene.events()) { $0.replacingOccurrences(of: scene.name, with: "") }
            let without = decisions(try calm.events()) { $0.replacingOccurrences(of: calm.name, with: "") }
            #expect(!with.isEmpty)
            #expect(difference(with, without) == nil, "seed \(dice.seed)")
        }

        /// Wall clock, two inputs, and deadlines that fall due all the time.
        @Test func killsWithTwoInputsByTheWallClock() throws {
            var dice = TestDice("killsWithTwoInputsByTheWallClock")
            let scene = try Scene(
                "wall", inputs: ["wall-\(dice.seed).clicks", "wall-\(dice.seed).sales"], partitions: 3,
                ladders: ["pulse"])
            let generator = EventGenerator(seed: dice.seed, customers: 400, step: nil)
            let load = Load(generator, try scene.producer(), topics: scene.inputs, count: 200_000, perSecond: 1_000)
            let change: (inout Scene.Options) -> Void = {
                $0.clock = "wall"
                $0.more = BrokerTests.pulse
            }
            let (collector, _) = try killAgainAndAgain(scene, times: 8, &dice, change)
            try load.stop()
            let last = try scene.start(change).awaitReady()
            try scene.awaitDrained(last)
            try last.stop()
            let audit = try Auditor(scene).run(collector)
            #expect(audit.causes[.deadline, default: 0] > 100, "seed \(dice.seed)")
        }
    }

    /// A ladder and a warning that silence of seconds moves.
    static let pulse = """
        ladders:
          - name: pulse
            rungs:
              - { name: warm, when: "idle < 1s" }
              - { name: cool, when: "idle < 3s" }
              - { name: cold }
        warnings:
          - { name: quiet, severity: low, when: "idle >= 2s", cooldown: 4s }
        """
}
