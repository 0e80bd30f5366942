// Brokers that go away: rfmd waits, says so, and goes on.
import Foundation
import Testing
import Worker

extension BrokerTests {
    @Suite struct Outages {
        private static let records = 60_000

        private func run(_ scene: Scene, _ fault: (DaemonProcess) throws -> Void) throws {
            let load = Load(
                EventGenerator(seed: 5, customers: 1_000, step: 120_000), try scene.producer(), topics: scene.inputs, count: Outages.records,
                perSecond: 3_000)
            let daemon = try scene.start().awaitReady()
            let collector = try JournalCollector(scene)
            try fault(daemon)
            try load.finish()
            try scene.awaitDrained(daemon)
            #expect(daemon.isRunning)
            try daemon.stop()
            let audit = try Auditor(scene).run(collector)
            #expect(audit.counts.consumed == UInt64(Outages.records))
        }

        /// One broker that is stopped and started, and one that dies, and then none at the start.
        @Test func theOnlyBrokerGoesAway() throws {
            let cluster = try TestCluster(brokers: 1)
            try cluster.start()
            let scene = try Scene("outage", cluster: cluster)
            try run(scene) { daemon in
                for signal in [SIGTERM, SIGKILL] {
                    try cluster.stop(0, with: signal)
                    try daemon.awaitStatus("waiting for a broker")
                    try cluster.start()
                }
            }
            try cluster.stop(0, with: SIGTERM)
            let early = try scene.start()
            try early.awaitStatus("waiting for the brokers")
            let asked = Date()
            try early.stop(seconds: 20)
            #expect(Date().timeIntervalSince(asked) < 15)
            #expect(!early.isReady)

            let late = try scene.start()
            try late.awaitStatus("waiting for the brokers")
            try late.awaitLog("no broker can be reached")
            #expect(!late.isReady)
            try cluster.start()
            try late.awaitReady()
            try late.stop()
        }

        @Test func oneOfThreeBrokersDies() throws {
            let cluster = try TestCluster(brokers: 3)
            try cluster.start()
            let scene = try Scene("three", cluster: cluster, partitions: 3)
            try run(scene) { _ in
                for broker in 0..<3 {
                    try cluster.stop(broker, with: broker == 1 ? SIGTERM : SIGKILL)
                    try cluster.start()
                }
            }
        }
    }
}
