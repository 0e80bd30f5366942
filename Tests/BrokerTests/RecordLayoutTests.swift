// That a record has no headers is told from bytes that stand as Kafka's format has them, and from nothing else.
import Testing

@testable import KafkaTransport

@Suite struct RecordLayoutTests {
    /// A record of format 2 from its key on, and where its key and its value stand in it.
    private struct Laid {
        var bytes: [UInt8]
        var key: Range<Int>
        var value: Range<Int>

        init(key: [UInt8], value: [UInt8], headers: [UInt8]) {
            bytes = key + Laid.varint(value.count) + value + headers + [0]
            self.key = 0..<key.count
            let start = bytes.count - 1 - headers.count - value.count
            self.value = start..<start + value.count
        }

        static func varint(_ count: Int) -> [UInt8] {
            var (zigzag, bytes) = (UInt64(count) << 1, [UInt8]())
            while zigzag > 0x7F {
                bytes.append(UInt8(zigzag & 0x7F) | 0x80)
                zigzag >>= 7
            }
            return bytes + [UInt8(zigzag)]
        }

        var hasNoHeaders: Bool {
            bytes.withUnsafeBytes { bytes in
                RecordLayout.hasNoHeaders(
                    key: UnsafeRawBufferPointer(rebasing: bytes[key]),
                    value: UnsafeRawBufferPointer(rebasing: bytes[value]))
            }
        }
    }

    private static let lengths = [0, 1, 63, 64, 200, 8_191, 8_192, 1_048_575, 1_048_576]

    @Test(arguments: lengths) func aRecordWithout(length: Int) {
        let value = [UInt8](repeating: 0x7B, count: length)
        #expect(Laid(key: [0x63], value: value, headers: [0]).hasNoHeaders)
        #expect(Laid(key: [], value: value, headers: [0]).hasNoHeaders)
    }

    @Test(arguments: lengths) func aRecordWithHeaders(length: Int) {
        let value = [UInt8](repeating: 0x7B, count: length)
        // One header; and so many that their number takes two bytes, of which the lower seven bits are 0.
        #expect(!Laid(key: [0x63], value: value, headers: [2, 2, 0x61, 1]).hasNoHeaders)
        #expect(!Laid(key: [0x63], value: value, headers: [0x80, 1]).hasNoHeaders)
    }

    /// Before format 2 the length had four bytes, the highest first, and what follows a value is the next record.
    @Test(arguments: [0, 1, 64, 200, 8_192, 1_048_576]) func anOlderFormat(length: Int) {
        var laid = Laid(key: [0x63], value: [UInt8](repeating: 0x7B, count: length), headers: [0])
        let old = (0..<4).map { UInt8(truncatingIfNeeded: length >> (24 - 8 * $0)) }
        laid.bytes.replaceSubrange(1..<laid.value.lowerBound, with: old)
        laid.value = 5..<5 + length
        #expect(!laid.hasNoHeaders)
    }

    /// Whatever stands between a key and its value, if it is not exactly that length.
    @Test func anythingElseBetween() {
        let value = [UInt8](repeating: 0x7B, count: 200)
        let right = Laid(key: [0x63], value: value, headers: [0])
        for place in 1..<right.value.lowerBound {
            for bit in 0..<8 {
                var wrong = right
                wrong.bytes[place] ^= 1 << UInt8(bit)
                #expect(!wrong.hasNoHeaders)
            }
        }
    }

    @Test func neitherKeyNorValue() {
        let bytes: [UInt8] = [0x63, 2, 0x7B, 0]
        bytes.withUnsafeBytes { bytes in
            let (key, value) = (
                UnsafeRawBufferPointer(rebasing: bytes[0..<1]), UnsafeRawBufferPointer(rebasing: bytes[2..<3])
            )
            #expect(RecordLayout.hasNoHeaders(key: key, value: value))
            #expect(!RecordLayout.hasNoHeaders(key: nil, value: value))
            #expect(!RecordLayout.hasNoHeaders(key: key, value: nil))
            #expect(!RecordLayout.hasNoHeaders(key: value, value: key))
        }
    }
}
