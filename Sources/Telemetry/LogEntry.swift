// One thing to tell, and its text in each form. A value never ends its line, whatever it holds.
import Model

package struct LogEntry: Sendable {
    package var level: LogLevel
    package var message: String
    package var fields: [(name: String, value: String)]
    /// ms UTC.
    package var at: Int64
    package var file: String
    package var line: Int

    package init(
        level: LogLevel, message: String, fields: [(name: String, value: String)], at: Int64, file: String = "",
        line: Int = 0
    ) {
        self.level = level
        self.message = message
        self.fields = fields
        self.at = at
        self.file = file
        self.line = line
    }

    /// How many of the same were not told before it.
    mutating func note(suppressed count: Int) {
        if count > 0 { fields.append((name: "suppressed", value: String(count))) }
    }

    /// The line in `format`, with its line feed. The journal takes `journalFields` instead.
    package func line(_ format: LogFormat) -> String {
        switch format {
        case .json: return json
        case .priority, .journal: return "<\(level.rawValue)>\(sentence)\n"
        case .text: return "\(CivilTime.text(at)) \(level.label) \(sentence)\n"
        }
    }

    /// The message and its fields in logfmt.
    private var sentence: String {
        fields.reduce(LogEntry.escaped(message, quotes: false)) {
            "\($0) \(LogEntry.name($1.name))=\(LogEntry.logfmt($1.value))"
        }
    }

    private var json: String {
        var text =
            "{\"time\":\"\(CivilTime.text(at))\",\"level\":\"\(level)\",\"message\":\"\(LogEntry.escaped(message, quotes: true))\""
        for (name, value) in fields {
            // A field cannot take the place of the line's own three.
            let name = LogEntry.name(name)
            let key = ["time", "level", "message"].contains(name) ? "field_\(name)" : name
            text += ",\"\(key)\":\"\(LogEntry.escaped(value, quotes: true))\""
        }
        return text + "}\n"
    }

    /// `NAME=value` for each field of the journal; a value may hold any byte, the journal frames it by its length.
    package var journalFields: [[UInt8]] {
        var all = [
            "MESSAGE=\(sentence)", "PRIORITY=\(level.rawValue)", "SYSLOG_IDENTIFIER=rfmd",
            // The same message has the same id in every build.
            "MESSAGE_ID=\(Digest(of: Array(message.utf8)))",
        ]
        if !file.isEmpty { all += ["CODE_FILE=\(file)", "CODE_LINE=\(line)"] }
        all += fields.map {
            "RFMD_\(String(LogEntry.name($0.name).uppercased().map { $0 == "." || $0 == "-" ? "_" : $0 }))=\($0.value)"
        }
        return all.map { Array($0.utf8) }
    }

    /// Names come from the program, but a mistake there must not forge a field either.
    private static func name(_ name: String) -> String {
        let allowed = name.unicodeScalars.prefix(48).map { scalar -> Character in
            let isPlain = scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
            return isPlain || scalar == "." || scalar == "-" || scalar == "_" ? Character(scalar) : "_"
        }
        return allowed.isEmpty ? "_" : String(allowed)
    }

    private static func logfmt(_ value: String) -> String {
        let isPlain =
            !value.isEmpty
            && value.unicodeScalars.allSatisfy {
                $0 != " " && $0 != "=" && $0 != "\"" && $0 != "\\" && !$0.steersTerminal
            }
        return isPlain ? value : "\"\(escaped(value, quotes: true))\""
    }

    /// As in a JSON string; `quotes`: it will stand between quotes.
    private static func escaped(_ text: String, quotes: Bool) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\"" where quotes: result += "\\\""
            case "\\" where quotes: result += "\\\\"
            case _ where scalar.steersTerminal:
                for unit in String(scalar).utf16 {
                    let digits = String(unit, radix: 16)
                    result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
                }
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
