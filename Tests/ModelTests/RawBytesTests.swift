// Bytes are the same if all are.
import Model
import Testing

@Suite struct RawBytesTests {
    @Test func everyByteCounts() {
        for length in 0...40 {
            let bytes = (0..<length).map { UInt8($0 * 7 & 0xFF) }
            bytes.withUnsafeBytes { one in
                [UInt8](bytes).withUnsafeBytes { #expect(one.isSame(as: $0)) }
                (bytes + [0]).withUnsafeBytes { #expect(!one.isSame(as: $0)) }
                for place in 0..<length {
                    var other = bytes
                    other[place] ^= 0x80
                    other.withUnsafeBytes { #expect(!one.isSame(as: $0), "\(length) bytes, byte \(place)") }
                }
            }
        }
    }
}
