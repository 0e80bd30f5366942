// JSON written into a reused buffer.
import Model

extension ByteBuffer {
    /// A JSON string with its quotes. `text` is valid UTF-8.
    package func appendJSON(_ text: UnsafeRawBufferPointer) {
        append(UInt8(0x22))
        var plain = 0
        for index in 0..<text.count {
            let byte = text[index]
            if byte >= 0x20 && byte != 0x22 && byte != 0x5C && byte != 0x7F { continue }
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
