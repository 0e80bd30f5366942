// Texts as JSON: eight bytes are looked at together, so every byte is tried at every place.
import Codec
import Model
import Testing

@Suite struct JSONTextTests {
    /// Byte by byte, as RFC 8259 has it.
    private static func expected(_ text: String) -> String {
        text.unicodeScalars.map { scalar in
            switch scalar {
            case "\"": "\\\""
            case "\\": "\\\\"
            case "\n": "\\n"
            case "\r": "\\r"
            case "\t": "\\t"
            case "\u{0}"..."\u{1F}", "\u{7F}":
                "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: String(scalar)
            }
        }.joined()
    }

    private static func written(_ text: String) -> String {
        let buffer = ByteBuffer(capacity: 16)
        buffer.appendJSON(text)
        return String(decoding: buffer.bytes, as: UTF8.self)
    }

    @Test func escapesWhatMustBeWhereverItStands() {
        let scalars = (0..<256).compactMap { Unicode.Scalar($0) } + ["客", "🛒", "\u{2028}"]
        for length in [1, 2, 7, 8, 9, 15, 16, 17, 24] {
            for place in 0..<length {
                for scalar in scalars {
                    let text =
                        String(repeating: "!", count: place) + String(scalar)
                        + String(repeating: "~", count: length - place - 1)
                    #expect(JSONTextTests.written(text) == "\"" + JSONTextTests.expected(text) + "\"")
                }
            }
        }
        #expect(JSONTextTests.written("") == "\"\"")
    }

    /// The lowest bytes that are plain stand beside those that are not: a borrow must not pass from one to the next.
    @Test func neighboursDoNotMatter() {
        for one in [" ", "!", "#", "[", "]", "~", "\u{80}", "\"", "\\", "\u{1F}", "\u{7F}"] {
            for other in [" ", "!", "#", "[", "]", "~", "\u{80}", "\"", "\\", "\u{1F}", "\u{7F}"] {
                let text = "ab" + one + other + "cdef" + other + one
                #expect(JSONTextTests.written(text) == "\"" + JSONTextTests.expected(text) + "\"")
            }
        }
    }
}
