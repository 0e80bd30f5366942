// A 128-bit digest (XXH3) of bytes: names versions, proves effects and chains journal records.
import CXXHash

public struct Digest: Hashable, Sendable, CustomStringConvertible {
    public var high: UInt64
    public var low: UInt64

    public static let zero = Digest(high: 0, low: 0)

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The digest of `bytes`. `seed` separates uses that must not be mistaken for each other.
    public init(of bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) {
        let hash = rfmd_hash128(bytes.baseAddress, bytes.count, seed)
        self.init(high: hash.high, low: hash.low)
    }

    public init(of bytes: [UInt8], seed: UInt64 = 0) {
        self = bytes.withUnsafeBytes { Digest(of: $0, seed: seed) }
    }

    /// 32 lower-case hexadecimal digits.
    public var description: String {
        let buffer = ByteBuffer(capacity: 32)
        append(to: buffer)
        return String(decoding: buffer.bytes, as: UTF8.self)
    }

    /// The first 12 hexadecimal digits: how events name a version.
    public var short: String { String(description.prefix(12)) }

    /// The same as `description`.
    public func append(to buffer: ByteBuffer) {
        let to = buffer.extend(32)
        for place in 0..<4 {
            let half = place < 2 ? high : low
            let digits = Digest.hexadecimal(UInt32(truncatingIfNeeded: place % 2 == 0 ? half >> 32 : half))
            to.storeBytes(of: digits.bigEndian, toByteOffset: place * 8, as: UInt64.self)
        }
    }

    /// Eight digits, the first in the highest byte: the nibbles are spread over the bytes, and made digits all at once.
    private static func hexadecimal(_ value: UInt32) -> UInt64 {
        var nibbles = UInt64(value)
        nibbles = (nibbles | nibbles << 16) & 0x0000_FFFF_0000_FFFF
        nibbles = (nibbles | nibbles << 8) & 0x00FF_00FF_00FF_00FF
        nibbles = (nibbles | nibbles << 4) & 0x0F0F_0F0F_0F0F_0F0F
        // 1 in each byte that is no decimal digit.
        let letters = (nibbles &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return nibbles &+ 0x3030_3030_3030_3030 &+ letters &* 0x27
    }

    /// Reads what `description` writes; nil for anything else.
    public init?(hex text: some StringProtocol) {
        guard text.utf8.count == 32, let high = UInt64(text.prefix(16), radix: 16),
            let low = UInt64(text.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }
}
