// Records that cannot be used: each in the dead-letter topic, whole, with its reason, and the stream goes on.
import Codec
import Foundation
import TestSupport
import Testing
import Worker

extension BrokerTests {
    @Suite struct BadInput {
        private static let noon = 1_735_732_800_000 as Int64
        private static let at = "2025-01-01T12:00:00Z"

        /// One record per reason. The customer id tells them apart.
        private static var unusable: [(reason: RejectionReason, record: NewRecord)] {
            func record(_ reason: RejectionReason, _ json: (String) -> String, key: [UInt8]? = nil) -> (
                RejectionReason, NewRecord
            ) {
                let customer = "bad-\(reason.name)"
                let headers = [
                    RecordHeader(name: "trace", value: Array(reason.name.utf8)), RecordHeader(name: "trace", value: []),
                    RecordHeader(name: "none", value: nil),
                ]
                return (
                    reason,
                    NewRecord(
                        key: key ?? Array(customer.utf8), value: Array(json(customer).utf8), timestamp: noon,
                        headers: headers)
                )
            }
            let long = String(repeating: "x", count: 256)
            return [
                record(.notJSON, { _ in "{\"type\":\"purchase\"" }),
                record(
                    .missingField,
                    { "{\"type\":\"purchase\",\"event_id\":\"e\",\"customer_id\":\"\($0)\",\"occurred_at\":\"\(at)\"}" }
                ),
                record(.wrongField, { purchase($0, "e", "much", at) }),
                record(.timeOutOfRange, { purchase($0, "e", "1", "1850-01-01T00:00:00Z") }),
                record(.tooFarInFuture, { purchase($0, "e", "1", "2025-01-01T12:10:01Z") }),
                record(.negativeAmount, { purchase($0, "e", "-0.01", at) }),
                record(.tooManyDigits, { purchase($0, "e", "1.001", at) }),
                record(.amountOutOfRange, { purchase($0, "e", "1000000000000.01", at) }),
                record(.unknownCurrency, { purchase($0, "e", "1", at, more: ",\"currency\":\"SEK\"") }),
                record(.customerIDLength, { _ in purchase(long, "e", "1", at) }, key: Array(long.utf8)),
                record(.eventIDLength, { purchase($0, String(repeating: "e", count: 1_025), "1", at) }),
                record(.keyMismatch, { purchase($0 + "-other", "e", "1", at) }),
            ]
        }

        @Test func oneRecordPerReasonIsKeptWhole() throws {
            let scene = try Scene("bad", partitions: 1)
            let producer = try scene.producer()
            for (_, record) in BadInput.unusable { try producer.send(record, to: scene.inputs[0]) }
            // What is skipped: a tombstone and a type that the mapping does not name. And a record without a key, which is rejected.
            try producer.send(
                NewRecord(key: Array("gone".utf8), value: nil, timestamp: BadInput.noon), to: scene.inputs[0])
            try producer.send(
                NewRecord("c1", "{\"type\":\"newsletter\"}", timestamp: BadInput.noon), to: scene.inputs[0])
            try producer.send(
                NewRecord(
                    key: nil, value: Array(purchase("nokey", "e", "1", BadInput.at).utf8), timestamp: BadInput.noon),
                to: scene.inputs[0])
            try producer.send(
                [NewRecord("c1", purchase("c1", "good", "1", BadInput.at), timestamp: BadInput.noon)],
                to: scene.inputs[0])
            let daemon = try scene.start().awaitReady()
            let collector = try JournalCollector(scene)
            try scene.awaitDrained(daemon)
            try daemon.stop()
            let audit = try Auditor(scene).run(collector)
            let expected = BadInput.unusable.map(\.reason.name) + [RejectionReason.keyMismatch.name]
            let letters = try scene.read(scene.outputs.deadLetters)
            #expect(letters.map { $0.header("__rfmd.errors.reason") } == expected)
            #expect(letters.dropLast().map(\.key) == BadInput.unusable.map(\.record.key))
            #expect(letters.dropLast().map(\.value) == BadInput.unusable.map(\.record.value))
            #expect(letters.allSatisfy { $0.header("__rfmd.errors.timestamp") == "\(BadInput.noon)" })
            #expect(letters.first?.headers.prefix(3).map(\.value) == [Array("not_json".utf8), [], nil])
            #expect(audit.counts.skipped == 2)
            #expect(audit.counts.accepted == 1)
            #expect(audit.counts.consumed == UInt64(expected.count + 3))
            #expect(try scene.read(scene.name + ".tier").count == 1)
            #expect(daemon.log.contains("key_mismatch=2"))
        }

        /// Limits of one customer: what is kept of him, and his total.
        @Test func limitsOfACustomerAreTold() throws {
            let scene = try Scene("limits", partitions: 1)
            let producer = try scene.producer()
            for number in 0...8_192 {
                try producer.send(
                    NewRecord("whale", purchase("whale", "w\(number)", "1", BadInput.at), timestamp: BadInput.noon),
                    to: scene.inputs[0])
            }
            // Orders of long ago are not kept one by one, but they count in the total.
            for number in 0...40_001 {
                try producer.send(
                    NewRecord(
                        "rich", purchase("rich", "r\(number)", "1000000000000", "2020-01-01T00:00:00Z"),
                        timestamp: BadInput.noon),
                    to: scene.inputs[0])
            }
            try producer.flush()
            let daemon = try scene.start().awaitReady()
            let collector = try JournalCollector(scene)
            try scene.awaitDrained(daemon)
            try daemon.stop()
            let audit = try Auditor(scene).run(collector)
            #expect(audit.counts.reasons[Int(RejectionReason.limitEntries.rawValue)] > 0)
            #expect(audit.counts.reasons[Int(RejectionReason.limitSpend.rawValue)] > 0)
        }

        /// The dead-letter topic takes less than the input: what does not fit is named, and what fits is whole.
        @Test func aLetterThatIsTooLargeIsCutShort() throws {
            let scene = try Scene("huge", partitions: 1)
            try scene.cluster.create(
                [scene.outputs.deadLetters], partitions: 1, configuration: [("max.message.bytes", "40000")])
            let producer = try scene.producer()
            let small = (0..<100).map {
                NewRecord("s\($0)", "{\"no\":\"\(String(repeating: "x", count: 2_000))\"", timestamp: BadInput.noon)
            }
            try producer.send(small, to: scene.inputs[0])
            // Random text, so that it does not shrink.
            var dice = RandomSource(seed: 7)
            let noise = (0..<200_000).map { _ in UInt8(dice.int(33...122)) }
            try producer.send(
                [NewRecord(key: Array("huge".utf8), value: noise, timestamp: BadInput.noon)], to: scene.inputs[0])
            try producer.send(
                [NewRecord("c1", purchase("c1", "good", "1", BadInput.at), timestamp: BadInput.noon)],
                to: scene.inputs[0])
            let daemon = try scene.start().awaitReady()
            #expect(daemon.log.contains("max.message.bytes"))
            try scene.awaitDrained(daemon)
            try daemon.stop()
            let letters = try scene.read(scene.outputs.deadLetters)
            #expect(letters.count == 101)
            #expect(letters.prefix(100).map(\.value) == small.map(\.value))
            let cut = try #require(letters.last)
            let note = try #require(try JSONSerialization.jsonObject(with: Data(cut.value ?? [])) as? [String: Any])
            #expect(note["truncated"] as? Bool == true)
            #expect(note["offset"] as? Int == 100)
            #expect(note["length"] as? Int == 200_000)
            #expect(cut.key == Array("huge".utf8))
            #expect(daemon.log.contains("letters=1"))
            #expect(try scene.read(scene.name + ".tier").count == 1)
        }
    }
}
