// The limits of a shard's state, met by a real daemon: what is refused is kept whole, the rest goes on, a restart changes nothing.
import Codec
import Foundation
import Model
import TestSupport
import Testing
import Worker

extension BrokerTests {
    @Suite struct StateLimit {
        /// 2025-01-01.
        private static let start: Int64 = 1_735_689_600_000
        private static let limits = "limits: { customers_per_shard: 6000, bytes_per_shard: 1MiB }"

        /// Every customer buys once: the last hundred are too many. 6000 of them fill the budget but for some two thousand places.
        private static func round(_ number: Int) -> [NewRecord] {
            (0..<6_100).map { customer in
                let at = start + Int64(number * 6_100 + customer) * 1_000
                return NewRecord(
                    "c\(customer)", purchase("c\(customer)", "e\(number)-\(customer)", "20.00", CivilTime.text(at)),
                    timestamp: at)
            }
        }

        @Test func atItsLimitsItRefusesAndGoesOn() throws {
            let scene = try Scene("limits", partitions: 1)
            let producer = try scene.producer()
            try producer.send(StateLimit.round(0) + StateLimit.round(1), to: scene.inputs[0])
            let first = try scene.start { $0.more = StateLimit.limits }
            let collector = try JournalCollector(scene)
            try first.awaitStatus("limit_bytes")
            try first.kill9()
            #expect(first.log.contains("the state is bounded"), "\(first.log)")
            #expect(first.log.contains("together=1MiB"), "\(first.log)")

            let second = try scene.start { $0.more = StateLimit.limits }.awaitReady()
            let end = StateLimit.start + 90_000_000
            // They know him, and take nothing: a click, and a refund of what was bought.
            let harmless = (0..<200).flatMap { customer in
                let at = CivilTime.text(end + Int64(customer))
                let refund =
                    "{\"type\":\"refund\",\"event_id\":\"r\(customer)\",\"customer_id\":\"c\(customer)\",\"order_id\":\"e0-\(customer)\",\"occurred_at\":\"\(at)\"}"
                return [click("c\(customer)", "k\(customer)", at), refund].map {
                    NewRecord("c\(customer)", $0, timestamp: end + Int64(customer))
                }
            }
            try producer.send(StateLimit.round(2) + harmless, to: scene.inputs[0])
            try scene.awaitDrained(second)
            try second.awaitStatus("limit_customers")
            try second.stop()
            for reason in ["limit_bytes", "limit_customers"] {
                let told = second.log.split(separator: "\n").filter {
                    $0.contains("a limit is reached") && $0.contains("limit=\(reason)")
                }
                #expect(told.count == 1, "\(reason): \(second.log)")
            }

            let audit = try Auditor(scene).run(collector)
            #expect(audit.counts[.limitCustomers] == 300 && audit.counts[.limitBytes] > 4_000)
            #expect(audit.counts.rejected == audit.counts[.limitCustomers] + audit.counts[.limitBytes])
            #expect(audit.counts.consumed == UInt64(3 * 6_100 + harmless.count))
            let letters = try scene.read(scene.outputs.deadLetters)
            #expect(letters.count == Int(audit.counts.rejected))
            #expect(!letters.contains { $0.valueText.contains("\"click\"") || $0.valueText.contains("\"refund\"") })
        }
    }
}
