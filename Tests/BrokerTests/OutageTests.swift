// Brokers that go away: rfmd waits, says so, and goes on.
import Foundation
import Testing
import Worker

extension BrokerTests {
    @Suite struct Outages {
        private static let records = 60_000

        private func run(_ scene: Scene, _ fault: (DaemonProcess) throws -> Void) throws {
            let load = Load(
                EventGenerator(seed: 5, customers: 1_000, step: 120_000), try scene.producer(), topics: scene.inputs,
                count: Outages.records,
                perSecond: 3_000)
            // The default, longer than a killed broker needs to come back. These brokers look for such transactions each second, and hit the hole of
            // docs/decisions/0010 more often than others.
            let daemon = try scene.start {
                $0.properties.removeAll { $0.0 == "transaction.timeout.ms" }
                // The daemon may be back before the collector is, and must not trim what that has not read.
                $0.snapshotsKept = 30
            }.awaitReady()
            let collector = try JournalCollector(scene)
            try fault(daemon)
            try load.finish()
            try scene.awaitDrained(daemon)
            try daemon.awaitNow("running; \(scene.partitions) shards")
            try daemon.stop()
            let audit = try Auditor(scene).run(collector)
            #expect(audit.counts.consumed == UInt64(try scene.inputs.flatMap { try scene.read($0) }.count))
        }

        /// One broker that is stopped and started, and one that dies, and then none at the start.
        @Test func theOnlyBrokerGoesAway() throws {
            let cluster = try TestCluster(brokers: 1)
            try cluster.start()
            let scene = try Scene("outage", cluster: cluster)
            try run(scene) { daemon in
                for signal in [SIGTERM, SIGKILL] {
                    try cluster.stop(0, with: signal)
                    try daemon.awaitNow("waiting for a broker")
                    try cluster.start()
                    try daemon.awaitNow("running; 2 shards")
                }
            }
            try cluster.stop(0, with: SIGTERM)
            let early = try scene.start()
            try early.awaitStatus("waiting for the brokers")
            let asked = Date()
            try early.stop(seconds: 20)
            #expect(Date().timeIntervalSince(asked) < 2)
            #expect(!early.isReady)

            let late = try scene.start()
            try late.awaitStatus("waiting for the brokers")
            try late.awaitLog("no broker can be reached")
            #expect(!late.isReady)
            try cluster.start()
            try late.awaitReady()
            #expect(late.log.contains("'\(scene.outputs.journal)'"), "\(late.log)")
            #expect(late.log.contains("have one replica"))

            // A broker that goes away under a daemon that has nothing in hand does not hold up its stop.
            try cluster.stop(0, with: SIGTERM)
            try late.awaitNow("waiting for a broker")
            let askedAgain = Date()
            try late.stop(seconds: 20)
            #expect(Date().timeIntervalSince(askedAgain) < 15)
        }

        /// The journal ends with an open transaction: the recovery waits for its end, and a stop does not.
        @Test func aStopDuringARecoveryIsOrderly() throws {
            let scene = try Scene("recovering")
            try scene.start().awaitReady().stop()
            let other = try TestProducer(scene.cluster.bootstrap, transactionalID: "\(scene.name)-other")
            try other.begin()
            try other.send([NewRecord("k", "{}")], to: scene.outputs.journal, partition: 0)
            let daemon = try scene.start()
            try daemon.awaitNow("recovering")
            let asked = Date()
            try daemon.stop(seconds: 20)
            #expect(Date().timeIntervalSince(asked) < 15)
            #expect(!daemon.isReady)
            try other.abort()
            try scene.start().awaitReady().stop()
        }

        @Test func oneOfThreeBrokersDies() throws {
            let cluster = try TestCluster(brokers: 3)
            try cluster.start()
            let scene = try Scene("three", cluster: cluster, partitions: 3)
            try run(scene) { daemon in
                #expect(!daemon.log.contains("one replica"))
                for broker in 0..<3 {
                    try cluster.stop(broker, with: broker == 1 ? SIGTERM : SIGKILL)
                    try cluster.start()
                    try cluster.awaitInSync()
                }
            }
        }
    }
}
