// Everything at once: faults of daemons, brokers, disk and network, drawn by dice, and nothing lost, doubled or moved (`make chaos`).
import Foundation
import TestSupport
import Testing

extension BrokerTests {
    /// In this target, for it uses the same clients, scenes and auditor as the tests of single faults.
    @Suite struct Chaos {
        /// RFMD_CHAOS_MINUTES of it, or a short one.
        private static let minutes =
            ProcessInfo.processInfo.environment["RFMD_CHAOS_MINUTES"].flatMap { Double($0) } ?? 0.5

        @Test func nothingIsLostOrDoubledInChaos() throws {
            let dice = TestDice("nothingIsLostOrDoubledInChaos")
            let problem = try ChaosRun(seed: dice.seed, minutes: Chaos.minutes).run()
            if let problem { Issue.record(Comment(rawValue: problem)) }
        }
    }
}
