// A backlog larger than what a daemon may hold, behind a slow disk and slow commits: it waits in Kafka, not in memory.
import Foundation
import Model
import TestSupport
import Testing
import Worker

extension BrokerTests {
    @Suite struct BackPressure {
        private static let records = 400_000
        /// Of one record.
        private static let bytes = 2_000
        private static let start: Int64 = 1_735_689_600_000

        private static func record(_ number: Int) -> NewRecord {
            let customer = "c\(number % 20_000)"
            let at = start + Int64(number) * 60_000
            let text =
                "{\"type\":\"click\",\"event_id\":\"e\(number)\",\"customer_id\":\"\(customer)\",\"occurred_at\":\"\(CivilTime.text(at))\",\"note\":\""
            let padding = String(repeating: "x", count: bytes - text.utf8.count - 2)
            return NewRecord(customer, "\(text)\(padding)\"}", timestamp: at)
        }

        /// What docs/limits.md lets wait in a client and in batches, the two of them that there are at a time, and a process around it.
        private static let bound =
            Limits.waitingKilobytes << 10 + Limits.snapshotBufferBytes + 2 * Limits.effectBytesPerBatch + 200 << 20

        @Test func aBacklogBehindWhatIsSlowGrowsNoMemory() throws {
            let first = try Scene("commits")
            let producer = try first.producer()
            for number in 0..<BackPressure.records {
                try producer.send(BackPressure.record(number), to: first.inputs[0])
            }
            try producer.flush()
            #expect(BackPressure.bound < BackPressure.records * BackPressure.bytes)
            let second = try Scene("syncs", inputs: first.inputs, creates: false)
            for (scene, place) in [(first, "before rd_kafka_commit_transaction"), (second, "before fsync of a file")] {
                let slow = PlannedFault(action: .sleep, place: place, times: 1_000_000, milliseconds: 700)
                let daemon = try scene.start(fault: slow)
                try scene.awaitDrained(daemon, seconds: 240)
                let most = try daemon.memory().most
                print("back-pressure: \(place): \(most >> 20) MiB at the most, of \(BackPressure.bound >> 20)")
                #expect(most < BackPressure.bound, "\(place): \(most >> 20) MiB")
                try daemon.stop()
                #expect(daemon.log.contains(slow.line))
            }
        }
    }
}
