// `rfmd bench end-to-end` with a broker that is there: the daemon beside a raw reader.
import Foundation
import TestSupport
import Testing

extension BrokerTests {
    @Suite struct EndToEndBench {
        @Test func theDaemonIsMeasuredBesideARawReader() throws {
            let bootstrap = try Kafka.shared.get().bootstrap
            let result = try Command.run(
                try Repository.binary(),
                [
                    "bench", "end-to-end", "--bootstrap", bootstrap, "--customers", "1000", "--events", "300000",
                    "--json",
                ])
            #expect(result.status == 0, "\(result.errorText)")
            let figures = try #require(
                try JSONSerialization.jsonObject(with: result.output) as? [String: [String: Any]])
            for name in ["end_to_end_rate", "end_to_end_cpu", "end_to_end_lz4_rate", "end_to_end_lz4_cpu"] {
                #expect((figures[name]?["ratio"] as? Double ?? 0) > 0, "\(name): \(figures)")
            }
        }
    }
}
