// A machine whose clock is wrong: a week that passes while nobody runs, and a jump while somebody does.
import Foundation
import TestSupport
import Testing
import Worker

extension BrokerTests {
    @Suite struct Clocks {
        private static let day: Int64 = 86_400_000
        private static let days = """
            ladders:
              - name: pulse
                rungs:
                  - { name: warm, when: "idle < 1d" }
                  - { name: cool, when: "idle < 3d" }
                  - { name: cold, when: "idle < 6d" }
                  - { name: gone }
            """

        private func sendClicks(_ scene: Scene, _ names: String, count: Int) throws {
            let now = ISO8601DateFormatter().string(from: Date())
            try scene.producer().send(
                (0..<count).map { NewRecord("\(names)\($0)", click("\(names)\($0)", "e", now)) }, to: scene.inputs[0])
        }

        private func rungs(_ events: [StoredRecord]) throws -> [String: [(rung: String, due: Date)]] {
            let formatter = ISO8601DateFormatter()
            formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
            var rungs: [String: [(rung: String, due: Date)]] = [:]
            for event in events where event.valueText.contains("\"kind\":\"deadline\"") {
                let object = try #require(
                    try JSONSerialization.jsonObject(with: Data(event.value ?? [])) as? [String: Any])
                let data = try #require(object["data"] as? [String: Any])
                let due = try #require((object["time"] as? String).flatMap(formatter.date))
                rungs[object["subject"] as? String ?? "", default: []].append((data["to"] as? String ?? "", due))
            }
            return rungs
        }

        @Test func deadlinesOfAWeekFireOnceInTheirOrder() throws {
            let scene = try Scene("week", ladders: ["pulse"])
            let options: (inout Scene.Options) -> Void = {
                $0.clock = "wall"
                $0.more = Clocks.days
            }
            try sendClicks(scene, "c", count: 300)
            let before = try scene.start(options).awaitReady()
            let collector = try JournalCollector(scene)
            try scene.awaitDrained(before)
            try before.stop()

            let later = PlannedFault(action: .shift, place: "clock", milliseconds: 7 * Clocks.day)
            let after = try scene.start(options, fault: later)
            try scene.awaitEvents("a week of deadlines", after) { events in
                events.filter { $0.valueText.contains("\"to\":\"gone\"") }.count == 300
            }
            // It is killed in the middle of nothing, and a clock that is right again moves nobody back.
            try after.kill9()
            let last = try scene.start(options).awaitReady()
            try sendClicks(scene, "d", count: 10)
            try scene.awaitDrained(last)
            try last.stop()
            try Auditor(scene).run(collector)

            let fired = try rungs(try scene.read("\(scene.name).pulse"))
            #expect(fired.count == 300)
            for (customer, steps) in fired {
                #expect(steps.map(\.rung) == ["cool", "cold", "gone"], "\(customer)")
                let spans = zip(steps, steps.dropFirst()).map { Int64($1.due.timeIntervalSince($0.due) * 1_000 + 0.5) }
                #expect(spans == [2 * Clocks.day, 3 * Clocks.day], "\(customer): \(steps)")
            }
        }

        @Test func aClockThatJumpsAYearFiresNothing() throws {
            let scene = try Scene("jump", partitions: 1, ladders: ["pulse"])
            let options: (inout Scene.Options) -> Void = {
                $0.clock = "wall"
                $0.more = BrokerTests.pulse
            }
            try sendClicks(scene, "early", count: 20)
            let jump = PlannedFault(action: .shift, place: "clock", every: 300, milliseconds: 366 * Clocks.day)
            let daemon = try scene.start(options, fault: jump).awaitReady()
            let collector = try JournalCollector(scene)
            try daemon.awaitLog("clock jumped and is not believed")
            // Seconds go on as seconds: who is silent for three of them is cold, and nobody is a year older.
            try sendClicks(scene, "late", count: 20)
            try scene.awaitEvents("the silence of three seconds", daemon, seconds: 20) { events in
                events.filter {
                    $0.valueText.contains("\"subject\":\"late") && $0.valueText.contains("\"to\":\"cold\"")
                }.count == 20
            }
            try daemon.kill9()
            let fired = try rungs(try scene.events())
            #expect(fired.count == 40)
            for step in fired.values.joined() { #expect(abs(step.due.timeIntervalSinceNow) < 120, "\(step)") }
            try scene.start(options).awaitReady().stop()
            try Auditor(scene).run(collector)
        }
    }
}
