// `rfmd bench`: every part measures something, and says what it compares with.
import Foundation
import TestSupport
import Testing

@Suite struct BenchTests {
    /// Without a broker: what needs one is measured by the BrokerTests.
    private func bench(_ arguments: [String]) throws -> Command {
        try Command.run("env", ["-u", "KAFKA_HOME", try Repository.binary(), "bench"] + arguments)
    }

    @Test func everyPartMeasures() throws {
        let result = try bench(["--customers", "2000", "--events", "100000", "--json"])
        #expect(result.status == 0, "\(result.errorText)")
        let object = try #require(try JSONSerialization.jsonObject(with: result.output) as? [String: [String: Any]])
        for part in ["engine", "decode", "workers", "snapshot", "restore", "deadlines"] {
            let figures = object.filter { $0.key.hasPrefix(part) }
            #expect(!figures.isEmpty, "\(part)")
            #expect(figures.values.contains { $0["ratio"] != nil && $0["divided_by"] != nil }, "\(part)")
            for (name, figure) in figures { #expect((figure["value"] as? Double ?? -1) >= 0, "\(name)") }
        }
        #expect(object["engine_customers"]?["value"] as? Int == 2_000)
        #expect(object["deadlines_due"]?["value"] as? Int == 2_000)
        // A copy that nobody reads was left out by the optimizer once, and took 40 ns.
        let snapshot = try #require(object["snapshot_time"])
        let took = try #require(snapshot["value"] as? Double)
        let ratio = try #require(snapshot["ratio"] as? Double)
        #expect(ratio > 0 && took / ratio > 200e-9)
    }

    /// A state that is large enough for every lane that a load may have.
    @Test func manyComeBack() throws {
        let result = try bench(["restore", "--customers", "60000", "--events", "1000", "--json"])
        #expect(result.status == 0, "\(result.errorText)")
        let object = try #require(try JSONSerialization.jsonObject(with: result.output) as? [String: [String: Any]])
        #expect(object["snapshot_customers"]?["value"] as? Int == 60_000)
        #expect(object["restore_time"]?["value"] as? Double ?? 0 > 0)
    }

    @Test func aTableHasTheSameNames() throws {
        let result = try bench(["engine", "decode", "--customers", "100", "--events", "1000"])
        #expect(result.status == 0, "\(result.errorText)")
        let names = result.outputText.split(separator: "\n").compactMap { $0.split(separator: " ").first }
        #expect(names.first == "engine_customers" && names.contains("decode_rate"), "\(names)")
    }

    @Test func whatCannotBeMeasuredIsSaid() throws {
        let result = try bench(["engines"])
        #expect(
            result.status == 64 && result.errorText.contains("'engines' cannot be measured; there are engine, decode"))
    }
}
