// Real shops through real Kafka: the same decisions as `rfmd replay` makes of the same events.
import Foundation
import TestSupport
import Testing
import Worker

private let dataFolder = ProcessInfo.processInfo.environment["RFMD_TEST_DATA"].flatMap { $0.isEmpty ? nil : $0 }

extension BrokerTests {
    @Suite(.enabled(if: dataFolder != nil, "no data: set RFMD_TEST_DATA to a folder with cdnow/CDNOW_master.txt.xz"))
    struct RealData {
        /// CDNOW by date: customer id, date, CDs, dollars.
        private func cdnow() throws -> [(customer: String, json: String, time: Int64)] {
            let text = try Command.run("xz", ["-dc", "\(dataFolder ?? "")/cdnow/CDNOW_master.txt.xz"]).outputText
            var rows: [(customer: String, date: String, amount: String)] = []
            for line in text.split(whereSeparator: \.isNewline) {
                let fields = line.split(separator: " ", omittingEmptySubsequences: true).map(String.init)
                if fields.count == 4, Int(fields[1]) != nil { rows.append((fields[0], fields[1], fields[3])) }
            }
            let formatter = ISO8601DateFormatter()
            return try rows.enumerated().sorted { ($0.element.date, $0.offset) < ($1.element.date, $1.offset) }.map {
                number, row in
                let date = row.date
                let at = "\(date.prefix(4))-\(date.dropFirst(4).prefix(2))-\(date.suffix(2))T00:00:00Z"
                guard let instant = formatter.date(from: at) else { throw Missing("a date in '\(row)'") }
                return (
                    row.customer, purchase(row.customer, "\(number)", row.amount, at),
                    Int64(instant.timeIntervalSince1970) * 1_000
                )
            }
        }

        @Test func cdnowThroughKafkaEqualsReplay() throws {
            let rows = try cdnow()
            #expect(rows.count > 60_000)
            let scene = try Scene("cdnow", partitions: 1)
            try scene.producer().send(
                rows.map { NewRecord($0.customer, $0.json, timestamp: $0.time) }, to: scene.inputs[0])
            let file = try scene.folder.write(rows.map(\.json).joined(separator: "\n") + "\n", to: "cdnow.ndjson")
            let config = try scene.folder.write(scene.yaml(), to: "replay.yaml")
            let replay = try Command.run(try Repository.binary(), ["replay", "--config", config, file])
            #expect(replay.status == 0, "\(replay.errorText)")
            var expected: [StoredRecord] = []
            for line in replay.outputText.split(separator: "\n") {
                let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
                let type = try #require(object["type"] as? String)
                let topic =
                    type.contains("warning") ? scene.outputs.warnings : "\(scene.name).\(type.split(separator: ".")[1])"
                expected.append(
                    StoredRecord(
                        partition: TopicPartition(topic: topic, partition: 0), offset: 0, timestamp: nil,
                        key: (object["subject"] as? String).map { Array($0.utf8) }, value: Array(line.utf8), headers: []
                    ))
            }

            let daemon = try scene.start().awaitReady()
            let collector = try JournalCollector(scene)
            try scene.awaitDrained(daemon)
            // Deadlines of the last records may still be due then: they fire some at a time.
            try scene.awaitEvents("as many events as the replay has", daemon) { $0.count >= expected.count }
            try daemon.stop()
            let actual = try scene.events()
            print("cdnowThroughKafkaEqualsReplay: \(rows.count) records, \(actual.count) events")
            #expect(actual.count > 100_000)
            #expect(difference(decisions(actual) { $0 }, decisions(expected) { $0 }) == nil)
            try Auditor(scene).run(collector)
        }
    }
}
