// The invented shoppers: the same every time, and worth watching.
import Demo
import Foundation
import TestSupport
import Testing

@Suite struct ShopperGeneratorTests {
    /// 2026-01-01.
    private static let start: Int64 = 1_767_225_600_000

    private func days(_ count: Int, seed: UInt64 = 1, shoppers: Int = 400) -> [DemoRecord] {
        var generator = ShopperGenerator(seed: seed, shoppers: shoppers, start: ShopperGeneratorTests.start)
        return (0..<count).flatMap { _ in generator.nextDay() }
    }

    @Test func theSameSeedGivesTheSameRecords() {
        #expect(days(40) == days(40))
        #expect(days(40) != days(40, seed: 2))
    }

    @Test func recordsAreInTheOrderOfTimeAndOfTheirDay() {
        let records = days(40)
        #expect(zip(records, records.dropFirst()).allSatisfy { $0.occurredAt <= $1.occurredAt })
        #expect(records.allSatisfy { (0..<40 * 86_400_000).contains($0.occurredAt - ShopperGeneratorTests.start) })
    }

    @Test func everyKindTurnsUpAndEveryPartitionIsUsed() {
        let records = days(40)
        #expect(Set(records.map(\.kind)).count == 5)
        #expect(Set(records.map { $0.partition(of: 4) }) == [0, 1, 2, 3])
        var partitions: [[UInt8]: Int32] = [:]
        for record in records {
            #expect(
                partitions.updateValue(record.partition(of: 4), forKey: record.key) ?? record.partition(of: 4)
                    == record.partition(of: 4))
        }
    }

    /// Through the real decoder and engine: what a demo of 6 s (60 days) shows.
    @Test func tiersChangeAndBothWarningsComeWithinSeconds() throws {
        let records = days(60)
        let folder = try TemporaryFolder()
        var lines = Data()
        for record in records { lines.append(contentsOf: record.value + [0x0A]) }
        try lines.write(to: folder.url("events.ndjson"))
        let configuration = try folder.write(
            "kafka: { bootstrap: \"localhost:9092\" }\ninputs: [ { topic: shop.events } ]\n", to: "rfmd.yaml")
        let result = try Command.run(
            try Repository.binary(), ["replay", "--config", configuration, folder.url("events.ndjson").path])
        try #require(result.status == 0, "\(result.errorText)")
        let events = result.outputText.split(separator: "\n")
        func count(_ texts: String...) -> Int { events.count { event in texts.allSatisfy { event.contains($0) } } }
        for rung in ["high_value", "potential", "ordinary"] {
            #expect(count("\"type\":\"rfm.tier.changed.v1\"", "\"to\":\"\(rung)\"") > 10, "\(rung)")
        }
        for warning in ["overdue", "slipping"] {
            #expect(count("raised.v1", "\"warning\":\"\(warning)\"") > 5, "\(warning)")
            #expect(count("resolved.v1", "\"warning\":\"\(warning)\"") > 0, "\(warning)")
        }
        #expect(count("\"kind\":\"deadline\"") > 50)
        let last = try #require(result.errorText.split(separator: "\n").last)
        let counts = try #require(try JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: Any])
        #expect(counts["rejected"] as? Int == records.count { $0.kind == .bad })
        #expect(counts["duplicates"] as? Int == records.count { $0.kind == .duplicate })
        #expect(counts["consumed"] as? Int == records.count)
        #expect(counts["refund_unmatched"] as? Int == 0)
    }
}
