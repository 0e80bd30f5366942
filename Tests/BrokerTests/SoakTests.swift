// A daemon that works for long with a state that does not change in size takes no more memory at the end than after warming up.
import Foundation
import Model
import TestSupport
import Testing
import Worker

extension BrokerTests {
    @Suite struct Soak {
        /// Customers take turns, and kinds of events too: with this number everybody does everything.
        private static let customers = 2_001
        /// ms between two events: 90 days pass in a twelfth of the shortest run, so that orders leave the longest window from there on.
        private static let step: Int64 = 230_000
        private static let blocks = 12

        /// `make soak EVENTS=…`; what `make test` runs is short.
        private static let events =
            ProcessInfo.processInfo.environment["RFMD_SOAK_EVENTS"].flatMap { Int($0) } ?? 420_000

        /// It ends with 2025, for a time that is ahead of its record's is rejected.
        private static let start = 1_767_225_600_000 - Int64(events) * step

        /// What may be more after twice as many events. An allocator's free memory comes and goes by a few MB; a leak of one byte in ten
        /// events is found in a long run, of one small block an event in the short one.
        private static let tolerance = 12 << 20

        /// Purchases, refunds, clicks, duplicates, and some that cannot be used, over all customers in turn.
        private static func record(_ number: Int) -> NewRecord {
            let customer = "c\(number &* 7_919 % customers)"
            let at = start + Int64(number) * step
            let time = CivilTime.text(at)
            switch number % 16 {
            case 0..<3:
                return NewRecord(customer, purchase(customer, "e\(number)", "\(number % 300).50", time))
            case 3: return NewRecord(customer, purchase(customer, "e\(number - customers)", "1", time))
            case 4:
                return NewRecord(
                    customer,
                    "{\"type\":\"refund\",\"event_id\":\"e\(number)\",\"customer_id\":\"\(customer)\",\"order_id\":\"e\(number - 3 * customers)\",\"occurred_at\":\"\(time)\"}"
                )
            case 5 where number % 256 == 5: return NewRecord(customer, "{\"type\":\"purchase\",")
            default: return NewRecord(customer, click(customer, "e\(number)", time))
            }
        }

        @Test func memoryStaysWhatItIsAfterWarmingUp() throws {
            let scene = try Scene("soak")
            let producer = try scene.producer()
            let daemon = try scene.start { $0.snapshotEvery = "2s" }.awaitReady()
            let events = Soak.events
            var resident: [Int] = []
            for block in 0..<Soak.blocks {
                for number in block * events / Soak.blocks..<(block + 1) * events / Soak.blocks {
                    try producer.send(Soak.record(number), to: scene.inputs[0])
                }
                try producer.flush()
                try scene.awaitDrained(daemon, seconds: 600)
                resident.append(try daemon.memory().now)
            }
            let most = try daemon.memory().most
            try daemon.stop()
            let told = resident.map { String($0 >> 10) }.joined(separator: " ")
            print("soak: \(events) events; resident KiB after each twelfth: \(told); most \(most >> 10)")
            // The half that comes after warming up against the half before it, each by its middle.
            let warm = Array(resident[4..<8]).sorted()[2]
            let end = Array(resident[8..<12]).sorted()[2]
            #expect(end - warm < Soak.tolerance, "KiB after each twelfth of \(events) events: \(told)")
            let last = try #require(daemon.log.split(separator: "\n").last { $0.contains("refused_at_limits=") })
            #expect(last.contains("records=\(events) "), "\(daemon.log.suffix(4_000))")
        }
    }
}
