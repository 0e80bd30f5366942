// Records that are read ahead come out as they do one by one, whatever stands beside them.
import Codec
import Model
import TestSupport
import Testing

@Suite struct ReadAheadTests {
    private static let whole = purchase()
    /// What a broken record leaves open, and what begins in the middle of it.
    private static let odd: [[UInt8]] = [
        Array(whole.utf8), Array(purchase("order_id", #""o\u0031\n""#).utf8),
        Array(purchase("customer_id", "\"\"").utf8),
        Array(#"{"type":"purchase"#.utf8), Array(#"{"type":"purchase\"#.utf8), Array(#"{"type":"purchase\\"#.utf8),
        Array((whole + "\\").utf8), Array((whole + "\"").utf8), Array(#"":"x"}"#.utf8), Array("}".utf8),
        Array("{".utf8),
        Array("]".utf8), Array("[".utf8), Array(",".utf8), Array(":1}".utf8), Array("12".utf8), Array(" \n\t".utf8),
        Array("\u{1}".utf8), Array("{\"type\":\"é".utf8).dropLast(), [0xA9, 0x22, 0x7D], [0xF0, 0x9F],
    ]
    private static let texts: [[UInt8]?] =
        odd + [nil, [], Array(purchase("event_id", "\"\(String(repeating: "e", count: 20_000))\"").utf8)]

    private static func described(_ decoded: Decoded, by decoder: RecordDecoder) -> String {
        switch decoded {
        case .skipped: return "skipped"
        case .rejected(let rejection): return "\(rejection.reason) \(rejection.field ?? "-")"
        case .event:
            let event = decoder.event.pointee
            func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }
            return
                "\(event.kind) \(text(event.customer)) \(text(event.event)) \(text(event.order)) \(event.occurredAt) \(event.amount ?? -1)"
        }
    }

    private static func decoded(_ records: [[UInt8]?], ahead: Bool) -> [String] {
        let values = records.map { record in
            record.map { bytes in
                let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
                copy.copyBytes(from: bytes)
                return UnsafeRawBufferPointer(copy)
            }
        }
        defer { for value in values { value?.deallocate() } }
        let decoder = RecordDecoder(.native(topic: "t"), money: euro)
        var read = 0
        return values.indices.map { number in
            if ahead && read == number {
                read += decoder.readAhead(values.count - number) { values[number + $0] }
            }
            return described(decoder.decode(values[number]), by: decoder)
        }
    }

    @Test func neighboursDoNotShow() {
        let alone = ReadAheadTests.texts.map { ReadAheadTests.decoded([$0], ahead: false)[0] }
        #expect(alone[0] == "purchase c7 e1 o1 1795428000123 12345")
        for first in ReadAheadTests.texts.indices {
            for second in ReadAheadTests.texts.indices {
                // A whole one behind it, so that something is there that could be spoiled.
                let run = [first, second, 0]
                #expect(
                    ReadAheadTests.decoded(run.map { ReadAheadTests.texts[$0] }, ahead: true) == run.map { alone[$0] },
                    "records \(first) and \(second)")
            }
        }
    }

    @Test func runsOfAnyLengthAreReadToTheirEnd() {
        var random = RandomSource(seed: 5)
        for _ in 0..<200 {
            let records = (0..<random.int(0...30)).map { _ in
                random.one(in: 3) ? random.pick(ReadAheadTests.texts) : Array(ReadAheadTests.whole.utf8)
            }
            #expect(ReadAheadTests.decoded(records, ahead: true) == ReadAheadTests.decoded(records, ahead: false))
        }
    }
}
