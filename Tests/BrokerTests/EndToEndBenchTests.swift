// `rfmd bench end-to-end` and `latency` with a broker that is there: the daemon beside a raw reader and a plain copy.
import Foundation
import TestSupport
import Testing

extension BrokerTests {
    @Suite struct EndToEndBench {
        @Test func theDaemonIsMeasuredBesideARawReader() throws {
            let figures = try bench(["end-to-end", "--customers", "1000", "--events", "300000"])
            for name in ["end_to_end_rate", "end_to_end_cpu", "end_to_end_lz4_rate", "end_to_end_lz4_cpu"] {
                #expect((figures[name]?["ratio"] as? Double ?? 0) > 0, "\(name): \(figures)")
            }
        }

        @Test func itsLatencyIsMeasuredBesideAPlainCopy() throws {
            let figures = try bench(["latency", "--rate", "2000", "--events", "2000"])
            for name in ["latency_p50", "latency_p99"] {
                #expect((figures[name]?["ratio"] as? Double ?? 0) > 0, "\(name): \(figures)")
            }
            // Whoever timed the start too found seconds.
            #expect((figures["latency_p50"]?["value"] as? Double ?? .infinity) < 1_000, "\(figures)")
        }

        private func bench(_ arguments: [String]) throws -> [String: [String: Any]] {
            let bootstrap = try Kafka.shared.get().bootstrap
            let result = try Command.run(
                try Repository.binary(), ["bench", "--bootstrap", bootstrap, "--json"] + arguments)
            #expect(result.status == 0, "\(result.errorText)")
            return try #require(try JSONSerialization.jsonObject(with: result.output) as? [String: [String: Any]])
        }
    }
}
