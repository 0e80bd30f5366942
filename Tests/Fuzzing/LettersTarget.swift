// Dead letters, which anybody may write to their topic: they are shown on one's terminal, and as JSON, whatever they hold.
import Daemon
import Model
import Worker

extension FuzzTarget {
    static let letters = FuzzTarget(
        "letters",
        words: [
            "reason", "topic", "partition", "offset", "timestamp", "exception.message", "truncated", "true", "not_json",
            "shop.events", "-9223372036854775808", "9223372036854775807", "2147483647", "\u{1B}[2J", "\u{202E}", "\"\\",
        ], check: { bytes throws(Finding) in try LettersCheck.run(bytes) })
}

/// A letter's name, as it is printed.
enum LetterPlaceText {
    static func read(_ text: String) -> String? { LetterPlace(text).map { "\($0)" } }
}

private enum LettersCheck {
    /// Of a letter: `rfmd dlq` looks at these.
    private static let names = [
        "topic", "reason", "partition", "offset", "timestamp", "exception.message", "truncated", "replayed",
    ]

    static func run(_ bytes: UnsafeRawBufferPointer) throws(Finding) {
        var choices = Choices(bytes)
        var headers: [RecordHeader] = []
        for name in names {
            guard let value = choices.optional({ [UInt8]($0.piece()) }) else { continue }
            headers.append(RecordHeader(name: DeadLetter.headerPrefix + name, value: value))
        }
        for _ in 0..<choices.byte() % 3 {
            headers.append(RecordHeader(name: choices.text(), value: choices.optional { [UInt8]($0.piece()) }))
        }
        let raw = RawRecord(
            offset: 0, timestamp: nil, key: choices.optional { $0.piece() },
            value: choices.isEmpty ? nil : choices.remaining, message: nil)
        let place = LetterPlace(partition: 3, offset: 77)
        guard let letter = Letter(KeptRecord(raw, headers: headers), at: place, isReplayed: headers.count % 2 == 0)
        else { return }
        let buffer = ByteBuffer()
        LetterText.appendLine(letter, to: buffer)
        try isSafe(buffer, lines: 1)
        buffer.removeAll()
        LetterText.appendWhole(letter, to: buffer)
        try isSafe(buffer, lines: nil)
        buffer.removeAll()
        LetterText.appendTotals([letter.reason: 1], replayed: 0, to: buffer)
        try isSafe(buffer, lines: 1)
        for whole in [false, true] {
            buffer.removeAll()
            LetterText.appendJSON(letter, whole: whole, to: buffer)
            try Finding.require(
                StrictJSON.isObject(buffer.bytes, depth: 8) && buffer.bytes.dropLast().allSatisfy { $0 >= 0x20 },
                "no line of JSON: \(String(decoding: buffer.bytes, as: UTF8.self))")
        }
    }

    /// Nothing but line feeds steers the terminal.
    private static func isSafe(_ buffer: ByteBuffer, lines: Int?) throws(Finding) {
        let text = String(decoding: buffer.bytes, as: UTF8.self)
        for scalar in text.unicodeScalars where scalar != "\n" {
            try Finding.require(!scalar.steersTerminal, "\\u{\(String(scalar.value, radix: 16))} is printed")
        }
        let count = text.unicodeScalars.filter { $0 == "\n" }.count
        if let lines { try Finding.require(count == lines, "\(count) lines in place of \(lines)") }
    }
}
