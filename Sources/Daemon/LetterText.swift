// A dead letter as people and programs read it. What came from outside is escaped: it may hold anything, and ends on a terminal.
import Codec
import Model
import Worker

package enum LetterText {
    /// One line of `list`.
    package static func appendLine(_ letter: Letter, to buffer: ByteBuffer) {
        let place = pad("\(letter.place)", 12)
        let time = letter.timestamp.map { CivilTime.text($0) } ?? "-"
        let source = pad(escaped("\(letter.source)@\(letter.offset)"), 32)
        let mark = (letter.isTruncated ? " (cut short)" : "") + (letter.isReplayed ? " (replayed)" : "")
        buffer.append(
            text:
                "\(place) \(pad(time, 24)) \(source) \(escaped(letter.reason)): \(escaped(letter.message))\(mark)\n")
    }

    /// The last line of `list`: how many letters there are of each reason.
    package static func appendTotals(_ counts: [String: Int], replayed: Int, to buffer: ByteBuffer) {
        let reasons = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.value) \(escaped($0.key))" }
        let total = counts.values.reduce(0, +)
        buffer.append(
            text:
                "\(letters(total))\(total == 0 ? "" : ": " + reasons.joined(separator: ", ")); \(replayed) replayed\n")
    }

    static func letters(_ count: Int) -> String { count == 1 ? "1 letter" : "\(count) letters" }

    private static func pad(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    /// Everything of one letter.
    package static func appendWhole(_ letter: Letter, to buffer: ByteBuffer) {
        func line(_ name: String, _ value: String) { buffer.append(text: "\(pad(name, 10)) \(value)\n") }
        line("letter", "\(letter.place)\(letter.isReplayed ? " (replayed)" : "")")
        line("record", escaped("\(letter.source)@\(letter.offset)"))
        line("time", letter.timestamp.map { CivilTime.text($0) } ?? "-")
        line("reason", "\(escaped(letter.reason)): \(escaped(letter.message))")
        if letter.isTruncated { line("truncated", "the value is a note; the record itself may still be in its input") }
        line("key", letter.record.key.map(text) ?? "none")
        for header in letter.ownHeaders {
            line("header", "\(escaped(header.name)): \(header.value.map(text) ?? "none")")
        }
        line("value", letter.record.value.map { "\($0.count) bytes\n\(text($0))" } ?? "none")
        buffer.append(contentsOf: "\n")
    }

    /// `whole`: with headers and value.
    package static func appendJSON(_ letter: Letter, whole: Bool, to buffer: ByteBuffer) {
        buffer.append(text: "{\"letter\":\"\(letter.place)\",\"topic\":")
        buffer.appendJSON(letter.source.topic)
        buffer.append(
            text: ",\"partition\":\(letter.source.partition),\"offset\":\(letter.offset),\"timestamp\":")
        buffer.appendInstant(letter.timestamp)
        buffer.append(contentsOf: ",\"reason\":")
        buffer.appendJSON(letter.reason)
        buffer.append(contentsOf: ",\"message\":")
        buffer.appendJSON(letter.message)
        buffer.append(text: ",\"truncated\":\(letter.isTruncated),\"replayed\":\(letter.isReplayed)")
        append("key", letter.record.key, to: buffer)
        if whole {
            buffer.append(contentsOf: ",\"headers\":[")
            for (number, header) in letter.ownHeaders.enumerated() {
                buffer.append(contentsOf: number == 0 ? "{\"name\":" : ",{\"name\":")
                buffer.appendJSON(header.name)
                append("value", header.value, to: buffer)
                buffer.append(contentsOf: "}")
            }
            buffer.append(contentsOf: "]")
            append("value", letter.record.value, to: buffer)
        }
        buffer.append(contentsOf: "}\n")
    }

    /// As text if it is UTF-8, else in hexadecimal under NAME_hex.
    private static func append(_ name: String, _ bytes: [UInt8]?, to buffer: ByteBuffer) {
        guard let bytes else { return buffer.append(text: ",\"\(name)\":null") }
        if let text = String(validating: bytes, as: UTF8.self) {
            buffer.append(text: ",\"\(name)\":")
            buffer.appendJSON(text)
        } else {
            buffer.append(text: ",\"\(name)_hex\":\"")
            for byte in bytes { buffer.appendHexadecimal(byte) }
            buffer.append(contentsOf: "\"")
        }
    }

    private static func text(_ bytes: [UInt8]) -> String { escaped(String(decoding: bytes, as: UTF8.self)) }

    /// What steers a terminal, as \u{…}.
    private static func escaped(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if scalar.steersTerminal {
                result.append(contentsOf: "\\u{\(String(scalar.value, radix: 16))}".unicodeScalars)
            } else {
                result.append(scalar)
            }
        }
        return String(result)
    }
}
