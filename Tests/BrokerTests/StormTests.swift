// Members that come and go all the time: the group is dealt out anew again and again, under load.
import Foundation
import TestSupport
import Testing
import Worker

extension BrokerTests {
    @Suite struct Storms {
        @Test func twentyJoinsAndLeavesChangeNothing() throws {
            let scene = try Scene("storm", partitions: 4)
            let load = Load(
                EventGenerator(seed: 44, customers: 1_000, step: 240_000), try scene.producer(), topics: scene.inputs,
                count: 400_000, perSecond: 1_000)
            func options(_ name: String) -> (inout Scene.Options) -> Void {
                {
                    $0.instance = name
                    $0.properties.removeAll { $0.0 == "heartbeat.interval.ms" }
                    $0.properties.append(("heartbeat.interval.ms", "300"))
                }
            }
            let one = try scene.start(options("one")).awaitReady()
            let collector = try JournalCollector(scene)
            let two = try scene.start(options("two")).awaitReady()
            let began = Date()
            for _ in 0..<20 {
                // It takes shards away from the daemons, reads nothing, and leaves.
                let guest = try GroupMember(scene.cluster.bootstrap, group: scene.group, topics: scene.inputs)
                try guest.awaitAssignment()
                guest.leave()
            }
            let seconds = Date().timeIntervalSince(began)
            print("twentyJoinsAndLeavesChangeNothing: \(Int(seconds)) s")
            #expect(seconds < 60)
            for daemon in [one, two] { try daemon.awaitNow("running; 2 shards", seconds: 30) }
            try load.stop()
            try scene.awaitDrained(one)
            for daemon in [one, two] { try daemon.stop() }
            let audit = try Auditor(scene).run(collector)
            #expect(audit.batches > 50)
        }
    }
}
