// The text of the file as people see it: lines, places in them, and the snippet that shows a place.
import Model

struct SourceText {
    /// Without their ends; a line ends where YAML says that it does.
    let lines: [[Unicode.Scalar]]

    init(_ text: String) {
        var lines: [[Unicode.Scalar]] = [[]]
        var last: Unicode.Scalar?
        for scalar in text.unicodeScalars {
            if scalar == "\n" && last == "\r" {
                // The line ended with the carriage return.
            } else if SourceText.endsLine(scalar) {
                lines.append([])
            } else {
                lines[lines.count - 1].append(scalar)
            }
            last = scalar
        }
        self.lines = lines
    }

    static func endsLine(_ scalar: Unicode.Scalar) -> Bool {
        ["\n", "\r", "\u{85}", "\u{2028}", "\u{2029}"].contains(scalar)
    }

    /// `place`, or the end of the text if that comes before.
    func inside(_ place: Place) -> Place {
        let end = Place(line: lines.count, column: (lines.last?.count ?? 0) + 1)
        return (place.line, place.column) > (end.line, end.column) ? end : place
    }

    /// Where byte `offset` of a file stands.
    static func place(ofByte offset: Int, in bytes: [UInt8]) -> Place {
        let before = SourceText(String(decoding: bytes[..<min(offset, bytes.count)], as: UTF8.self))
        return Place(line: before.lines.count, column: (before.lines.last?.count ?? 0) + 1)
    }

    // MARK: Snippets

    /// Columns of a snippet before and behind its caret.
    private static let before = 80
    private static let behind = 60

    /// The line of `place` as far as a terminal shows it well, and a caret below; nil for a place outside, and for a line that may
    /// hold a secret: what is printed ends in a log.
    func snippet(_ place: Place) -> String? {
        guard place.line >= 1, place.line <= lines.count, !isSecret(place.line - 1) else { return nil }
        let line = lines[place.line - 1]
        if line.isEmpty { return nil }
        let caret = min(max(place.column - 1, 0), line.count)
        let from = caret > SourceText.before ? caret - SourceText.before : 0
        let to = min(line.count, caret + SourceText.behind)
        var shown = from > 0 ? "…" : ""
        var below = from > 0 ? " " : ""
        for (index, scalar) in line[from..<to].enumerated() {
            shown.unicodeScalars.append(SourceText.isPlain(scalar) ? scalar : "\u{FFFD}")
            if from + index < caret { below += SourceText.blank(scalar) }
        }
        return "    \(shown)\(to < line.count ? "…" : "")\n    \(below)^"
    }

    /// False for what steers a terminal, and for what no terminal can show.
    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        if scalar == "\t" { return true }
        if scalar.steersTerminal { return false }
        switch scalar.properties.generalCategory {
        case .surrogate, .privateUse, .unassigned: return false
        default: return true
        }
    }

    /// As wide as `scalar` is on a terminal.
    private static func blank(_ scalar: Unicode.Scalar) -> String {
        if scalar == "\t" { return "\t" }
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark: return ""
        default: break
        }
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
            0xFFE0...0xFFE6, 0x1F300...0x1FAFF, 0x20000...0x3FFFD:
            return "  "
        default: return " "
        }
    }

    /// `text` on one line, without what steers a terminal, and not longer than somebody reads.
    static func plain(_ text: String, most: Int) -> String {
        var result = ""
        for scalar in text.unicodeScalars.prefix(most) {
            result.unicodeScalars.append(isPlain(scalar) && scalar != "\t" ? scalar : "\u{FFFD}")
        }
        return text.unicodeScalars.count > most ? result + "…" : result
    }

    // MARK: Secrets

    /// In keys, whole or in part; also those of librdkafka that hold a secret.
    private static let secretWords = [
        "password", "passwd", "passphrase", "passcode", "pwd", "secret", "token", "credential", "sasl.", "ssl.key",
        "jaas",
        "api_key", "api-key", "apikey", "private",
    ]

    /// A line that names a secret, and every line that is further in below it.
    private func isSecret(_ index: Int) -> Bool {
        var inner = Int.max
        for line in lines[...index].reversed() {
            guard let indent = line.firstIndex(where: { $0 != " " && $0 != "\t" }), indent < inner else { continue }
            let text = String(String.UnicodeScalarView(line)).lowercased()
            if SourceText.secretWords.contains(where: text.contains) { return true }
            inner = indent
            if indent == 0 { return false }
        }
        return false
    }
}
