// A 128-bit digest (XXH3) of bytes: names versions, proves effects and chains journal records.
import CXXHash

package struct Digest: Hashable, Sendable, CustomStringConvertible {
    package var high: UInt64
    package var low: UInt64

    package static let zero = Digest(high: 0, low: 0)

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// The digest of `bytes`. `seed` separates uses that must not be mistaken for each other.
    package init(of bytes: UnsafeRawBufferPointer, seed: UInt64 = 0) {
        let hash = rfmd_hash128(bytes.baseAddress, bytes.count, seed)
        self.init(high: hash.high, low: hash.low)
    }

    package init(of bytes: [UInt8], seed: UInt64 = 0) {
        self = bytes.withUnsafeBytes { Digest(of: $0, seed: seed) }
    }

    /// 32 lower-case hexadecimal digits.
    package var description: String {
        let buffer = ByteBuffer(capacity: 32)
        append(to: buffer)
        return String(decoding: buffer.bytes, as: UTF8.self)
    }

    /// The first 12 hexadecimal digits: how events name a version.
    package var short: String { String(description.prefix(12)) }

    /// The same as `description`.
    package func append(to buffer: ByteBuffer) {
        for half in [high, low] {
            for shift in stride(from: 56, through: 0, by: -8) {
                buffer.appendHexadecimal(UInt8(truncatingIfNeeded: half >> UInt64(shift)))
            }
        }
    }

    /// Reads what `description` writes; nil for anything else.
    package init?(hex text: some StringProtocol) {
        guard text.utf8.count == 32, let high = UInt64(text.prefix(16), radix: 16),
            let low = UInt64(text.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }
}
