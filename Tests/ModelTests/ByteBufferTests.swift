// Numbers and digests as text, against what the standard library writes; and what a buffer does with bytes of its own.
import Model
import Testing

@Suite struct ByteBufferTests {
    private static func text(_ write: (ByteBuffer) -> Void) -> String {
        // Anything that is written before makes the room that is reserved matter.
        let buffer = ByteBuffer(capacity: 16)
        buffer.append(contentsOf: "abc")
        write(buffer)
        return String(decoding: buffer.bytes.dropFirst(3), as: UTF8.self)
    }

    /// Each number of digits, at both of its ends, and both signs.
    private static let numbers: [Int64] = {
        var numbers: [Int64] = [0, .max, .min, .min + 1, 1_234_567_890_123_456_789]
        var power: Int64 = 1
        for _ in 0..<18 {
            power *= 10
            numbers += [power - 1, power, power + 1, 1 - power, -power, power / 2 + 7]
        }
        return numbers
    }()

    @Test(arguments: numbers) func writesNumbers(number: Int64) {
        #expect(ByteBufferTests.text { $0.appendDecimal(number) } == "\(number)")
        let digits = "\(number.magnitude)"
        for width in [1, 2, 3, 20, 25] {
            let padded = String(repeating: "0", count: max(0, width - digits.count)) + digits
            #expect(
                ByteBufferTests.text { $0.appendDecimal(number, digits: width) } == (number < 0 ? "-" : "") + padded)
        }
    }

    @Test(arguments: numbers) func writesThePoint(number: Int64) {
        #expect(ByteBufferTests.text { $0.appendDecimal(number, places: 0) } == "\(number)")
        for places in 1...8 {
            var digits = "\(number.magnitude)"
            digits = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
            let expected = (number < 0 ? "-" : "") + digits.dropLast(places) + "." + digits.suffix(places)
            #expect(ByteBufferTests.text { $0.appendDecimal(number, places: places) } == expected)
        }
    }

    @Test func writesDigests() {
        for high: UInt64 in [0, .max, 0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210, 0x0990_0AA0_F00F_9A9A] {
            let digest = Digest(high: high, low: ~high)
            let expected = [high, ~high].map { half in
                let digits = String(half, radix: 16)
                return String(repeating: "0", count: 16 - digits.count) + digits
            }.joined()
            #expect(digest.description == expected)
            #expect(ByteBufferTests.text { digest.append(to: $0) } == expected)
            #expect(Digest(hex: expected) == digest)
        }
    }

    @Test func repeatsItsOwnBytesAlsoWhereItHasToGrow() {
        let buffer = ByteBuffer(capacity: 16)
        buffer.append(text: "0123456789")
        for _ in 0..<6 { buffer.appendAgain(0..<buffer.count) }
        #expect(String(decoding: buffer.bytes, as: UTF8.self) == String(repeating: "0123456789", count: 64))
        buffer.cut(to: 4)
        buffer.appendAgain(1..<1)
        buffer.appendAgain(1..<3)
        #expect(String(decoding: buffer.bytes, as: UTF8.self) == "012312")
    }
}
