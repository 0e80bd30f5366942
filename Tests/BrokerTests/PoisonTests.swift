// Records that are made to break a reader, and ones larger than a fetch: each is in the dead-letter topic whole, or counted, and the stream
// goes on.
import Codec
import Foundation
import TestSupport
import Testing
import Worker

extension BrokerTests {
    @Suite struct Poison {
        private static let noon = 1_735_732_800_000 as Int64
        private static let at = "2025-01-01T12:00:00Z"

        private static func bytes(_ parts: Any...) -> [UInt8] {
            parts.flatMap { ($0 as? String).map { Array($0.utf8) } ?? ($0 as? [UInt8]) ?? [] }
        }

        /// A purchase of c1 whose amount is this text, as it stands.
        private static func amount(_ text: String) -> [UInt8] {
            bytes(
                "{\"type\":\"purchase\",\"event_id\":\"e\",\"customer_id\":\"c1\",\"amount\":\(text),\"occurred_at\":\"\(at)\"}"
            )
        }

        private static func with(_ more: [UInt8]) -> [UInt8] {
            bytes(
                "{\"type\":\"click\",\"event_id\":\"e\",\"customer_id\":\"c1\",\"occurred_at\":\"\(at)\",\"x\":", more,
                "}")
        }

        private static var values: [(reason: RejectionReason, value: [UInt8])] {
            let deep = String(repeating: "[", count: 100_000)
            let shut = String(repeating: "]", count: 100_000)
            let deeper = String(repeating: "{\"a\":", count: 50_000)
            return [
                (.notJSON, bytes(deep)), (.notJSON, bytes(deep, shut)), (.notJSON, with(bytes(deep, shut))),
                (.notJSON, bytes(deeper)), (.notJSON, with(bytes(deeper, "1", String(repeating: "}", count: 50_000)))),
                (.notJSON, []), (.notJSON, [0]), (.notJSON, [0xFF, 0xFE, 0x7B, 0x00]),
                // Bytes that are no UTF-8: alone, overlong, a surrogate, behind Unicode's end.
                (.notJSON, with(bytes("\"", [0x80] as [UInt8], "\""))),
                (.notJSON, with(bytes("\"", [0xC0, 0xAF] as [UInt8], "\""))),
                (.notJSON, with(bytes("\"", [0xED, 0xA0, 0x80] as [UInt8], "\""))),
                (.notJSON, with(bytes("\"", [0xF5, 0x80, 0x80, 0x80] as [UInt8], "\""))),
                (.notJSON, with(bytes("\"", [0x00] as [UInt8], "\""))),
                (.notJSON, amount("NaN")), (.notJSON, amount("-Infinity")), (.notJSON, amount("0x10")),
                (.wrongField, amount("\"NaN\"")), (.wrongField, amount("\"Infinity\"")),
                (.missingField, amount("null")), (.wrongField, amount("[1]")), (.wrongField, amount("true")),
                (.amountOutOfRange, amount("\"1" + String(repeating: "0", count: 100_000) + "\"")),
            ]
        }

        @Test func poisonIsKeptWholeAndStopsNothing() throws {
            let scene = try Scene("poison", partitions: 1)
            let producer = try scene.producer()
            for (_, value) in Poison.values {
                try producer.send(
                    NewRecord(key: Array("c1".utf8), value: value, timestamp: Poison.noon), to: scene.inputs[0])
            }
            // A key that is no UTF-8 is no customer, whatever the record says.
            let other = Poison.bytes(purchase("c1", "e", "1", Poison.at))
            try producer.send(NewRecord(key: [0xFF], value: other, timestamp: Poison.noon), to: scene.inputs[0])
            // And what nobody thought of.
            var dice = TestDice("poisonIsKeptWholeAndStopsNothing")
            let noise = (0..<500).map { _ in (0...dice.roll(400)).map { _ in UInt8(dice.roll(256)) } }
            for value in noise {
                try producer.send(
                    NewRecord(key: Array("c1".utf8), value: value, timestamp: Poison.noon), to: scene.inputs[0])
            }
            try producer.send(
                [NewRecord("c1", purchase("c1", "good", "1", Poison.at), timestamp: Poison.noon)], to: scene.inputs[0])
            let daemon = try scene.start().awaitReady()
            let collector = try JournalCollector(scene)
            try scene.awaitDrained(daemon)
            try daemon.stop()
            let audit = try Auditor(scene).run(collector)
            let letters = try scene.read(scene.outputs.deadLetters)
            #expect(letters.map(\.value) == Poison.values.map(\.value) + [other] + noise)
            let reasons = Poison.values.map(\.reason.name) + [RejectionReason.keyMismatch.name]
            for (letter, reason) in zip(letters, reasons) {
                #expect(
                    letter.header("__rfmd.errors.reason") == reason,
                    "\(String(decoding: (letter.value ?? []).prefix(150), as: UTF8.self))")
            }
            #expect(audit.counts.accepted == 1)
            #expect(try scene.read(scene.name + ".tier").count == 1)
        }

        /// Larger than what is fetched at once, and larger than what a client takes as an answer unless it is told otherwise.
        @Test func hugeRecordsAreReadAndRejectedOnesKeptWhole() throws {
            let scene = try Scene("large", partitions: 1, creates: false)
            try scene.cluster.create(
                scene.inputs, partitions: 1, configuration: [("max.message.bytes", "19000000"), ("retention.ms", "-1")])
            var dice = RandomSource(seed: 7)
            // Random text, so that it does not shrink.
            func noise(_ count: Int) -> String {
                String(decoding: (0..<count).map { _ in UInt8(dice.int(97...122)) }, as: UTF8.self)
            }
            let producer = try scene.producer()
            var broken: [[UInt8]] = []
            for (number, size) in [1_000_000, 5_000_000, 18_500_000].enumerated() {
                let text = noise(size)
                try producer.send(
                    NewRecord(
                        "c\(number)", purchase("c\(number)", "e", "1", Poison.at, more: ",\"x\":\"\(text)\""),
                        timestamp: Poison.noon), to: scene.inputs[0])
                broken.append(Array("{\"\(text)".utf8))
                try producer.send(
                    NewRecord(key: Array("bad".utf8), value: broken[number], timestamp: Poison.noon),
                    to: scene.inputs[0])
            }
            try producer.flush()
            let daemon = try scene.start {
                $0.properties += [
                    ("fetch.message.max.bytes", "10000"), ("fetch.max.bytes", "1000000"),
                    ("receive.message.max.bytes", "2000000"), ("message.max.bytes", "1000000"),
                ]
            }.awaitReady()
            let collector = try JournalCollector(scene)
            try scene.awaitDrained(daemon)
            try daemon.stop()
            let audit = try Auditor(scene).run(collector)
            #expect(audit.counts.accepted == 3)
            #expect(try scene.read(scene.outputs.deadLetters).map(\.value) == broken)
            #expect(try scene.read(scene.name + ".tier").count == 3)
        }
    }
}
