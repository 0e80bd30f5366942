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
    package var description: String { Digest.hex(high) + Digest.hex(low) }

    /// The first 12 hexadecimal digits: how events name a version.
    package var short: String { String(description.prefix(12)) }

    private static func hex(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// Reads what `description` writes; nil for anything else.
    package init?(hex text: some StringProtocol) {
        guard text.utf8.count == 32, let high = UInt64(text.prefix(16), radix: 16),
            let low = UInt64(text.suffix(16), radix: 16)
        else { return nil }
        self.init(high: high, low: low)
    }
}
