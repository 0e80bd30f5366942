// JSON written into a reused buffer.
import Model

extension ByteBuffer {
    /// A JSON string with its quotes. `text` is valid UTF-8.
    package func appendJSON(_ text: UnsafeRawBufferPointer) {
        if JSONText.isPlain(text) {
            let to = extend(text.count + 2)
            to.storeBytes(of: 0x22, as: UInt8.self)
            if let from = text.baseAddress { (to + 1).copyMemory(from: from, byteCount: text.count) }
            to.storeBytes(of: 0x22, toByteOffset: text.count + 1, as: UInt8.self)
        } else {
            appendEscaped(text)
        }
    }

    private func appendEscaped(_ text: UnsafeRawBufferPointer) {
        append(UInt8(0x22))
        var plain = 0
        for index in 0..<text.count {
            let byte = text[index]
            if !JSONText.needsEscape(byte) { continue }
            append(contentsOf: UnsafeRawBufferPointer(rebasing: text[plain..<index]))
            plain = index + 1
            switch byte {
            case 0x22: append(contentsOf: "\\\"")
            case 0x5C: append(contentsOf: "\\\\")
            case 0x0A: append(contentsOf: "\\n")
            case 0x0D: append(contentsOf: "\\r")
            case 0x09: append(contentsOf: "\\t")
            default:
                append(contentsOf: "\\u00")
                appendHexadecimal(byte)
            }
        }
        append(contentsOf: UnsafeRawBufferPointer(rebasing: text[plain...]))
        append(UInt8(0x22))
    }

    package func appendJSON(_ text: String) {
        var copy = text
        copy.withUTF8 { appendJSON(UnsafeRawBufferPointer($0)) }
    }

    /// An RFC 3339 instant as a JSON string, or null.
    package func appendInstant(_ instant: Int64?) {
        guard let instant else { return append(contentsOf: "null" as StaticString) }
        append(UInt8(0x22))
        CivilTime.append(instant, to: self)
        append(UInt8(0x22))
    }

    /// Minor units as a JSON string with the currency's digits.
    package func appendMoney(_ minorUnits: Int64, exponent: Int) {
        append(UInt8(0x22))
        Decimal.append(minorUnits, exponent: exponent, to: self)
        append(UInt8(0x22))
    }
}

private enum JSONText {
    /// True if no byte needs an escape: a quote, a backslash, or a control.
    @inline(__always)
    static func isPlain(_ text: UnsafeRawBufferPointer) -> Bool {
        var at = 0
        while at + 8 < text.count {
            if !isPlain(text.loadUnaligned(fromByteOffset: at, as: UInt64.self)) { return false }
            at += 8
        }
        // The last bytes are looked at together with some that were seen before.
        if text.count >= 8 { return isPlain(text.loadUnaligned(fromByteOffset: text.count - 8, as: UInt64.self)) }
        if text.count >= 4 {
            let first = text.loadUnaligned(fromByteOffset: 0, as: UInt32.self)
            let last = text.loadUnaligned(fromByteOffset: text.count - 4, as: UInt32.self)
            return isPlain(UInt64(first) << 32 | UInt64(last))
        }
        return !text.contains(where: needsEscape)
    }

    @inline(__always)
    static func needsEscape(_ byte: UInt8) -> Bool { byte < 0x20 || byte == 0x22 || byte == 0x5C || byte == 0x7F }

    /// The same of eight bytes at once.
    @inline(__always)
    private static func isPlain(_ word: UInt64) -> Bool {
        let (ones, highs): (UInt64, UInt64) = (0x0101_0101_0101_0101, 0x8080_8080_8080_8080)
        // A high bit is left where a byte is below `limit`, of the lowest such byte for certain.
        func below(_ limit: UInt64, _ bytes: UInt64) -> UInt64 { (bytes &- ones &* limit) & ~bytes }
        let found =
            below(0x20, word) | below(1, word ^ (ones &* 0x22)) | below(1, word ^ (ones &* 0x5C))
            | below(1, word ^ (ones &* 0x7F))
        return found & highs == 0
    }
}
