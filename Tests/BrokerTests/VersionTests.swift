// A change of the configuration between two runs, and what it may not ask for.
import Codec
import Foundation
import Testing
import Worker

extension BrokerTests {
    @Suite struct Versions {
        private static let first = """
            warnings:
              - { name: big, severity: low, when: "spend_total >= 10" }
            """
        private static let second = """
            ladders:
              - name: tier
                rungs:
                  - { name: gold, when: "spend_total >= 10" }
                  - { name: ordinary }
            """

        @Test func newRulesComeIntoForceWithASliceOfTheirOwn() throws {
            let added = "added-\(UUID().uuidString.lowercased())"
            let scene = try Scene("rules")
            let producer = try scene.producer()
            try producer.send(
                (0..<50).map {
                    NewRecord(
                        "c\($0)", purchase("c\($0)", "e\($0)", "20.00", "2025-01-01T00:00:00Z"),
                        timestamp: 1_735_689_600_000)
                },
                to: scene.inputs[0])
            let one = try scene.start { $0.more = Versions.first }.awaitReady()
            let collector = try JournalCollector(scene)
            try scene.awaitDrained(one)
            try one.stop()
            #expect(try scene.read(scene.outputs.warnings).count == 50)

            let two = try scene.start { $0.more = Versions.second }.awaitReady()
            try scene.awaitEvents("resolves of the removed warning", two) { events in
                events.filter { $0.valueText.contains("rfm.churn.warning.resolved.v1") }.count == 50
            }
            try two.stop()
            let events = try scene.events()
            let changes = events.filter { $0.valueText.contains("\"to\":\"gold\"") }
            #expect(changes.count == 50)
            #expect(changes.allSatisfy { $0.valueText.contains("\"cause\":{\"kind\":\"version\"") })
            let installs = try collector.catchUp(scene).entries.values.joined().flatMap(\.record.slices).filter(
                \.installs)
            #expect(installs.count == 2)
            #expect(installs.allSatisfy { $0.ranges.allSatisfy(\.isEmpty) })

            // An input that is added begins at its log start.
            try scene.cluster.create([added], partitions: scene.partitions, configuration: [("retention.ms", "-1")])
            try producer.send(
                (0..<50).map {
                    NewRecord(
                        "d\($0)", purchase("d\($0)", "f\($0)", "20.00", "2025-02-01T00:00:00Z"),
                        timestamp: 1_738_368_000_000)
                }, to: added)
            let both = (scene.inputs + [added]).map { "  - { topic: \($0) }" }.joined(separator: "\n")
            let three = try scene.start {
                $0.more = Versions.second
                $0.inputYAML = both
            }.awaitReady()
            try scene.awaitDrained(three, inputs: scene.inputs + [added])
            try three.stop()
            let audit = try Auditor(scene, inputs: scene.inputs + [added]).run(collector)
            #expect(audit.counts.accepted == 100)

            let four = try scene.start {
                $0.more = Versions.second + "\nwarnings:\n  - { name: rare, when: \"orders(200d) < 2\" }"
                $0.inputYAML = both
            }
            #expect(try four.waitForEnd() == 1)
            #expect(four.log.contains("rare") && four.log.contains("90 days of history"), "\(four.log)")

            let five = try scene.start {
                $0.more = Versions.second + "\nmoney: { currency: JPY }"
                $0.inputYAML = both
            }
            #expect(try five.waitForEnd() == 1)
            #expect(five.log.contains("money.currency cannot change from USD to JPY"), "\(five.log)")
        }
    }
}
