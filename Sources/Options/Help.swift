// Text for people, made from the option table: help, manual page, completions.

package enum Help {
    package static var overview: String {
        var text =
            "rfmd keeps every customer's recency, frequency and monetary state and tells, exactly once, when it changes.\n\nUsage: rfmd VERB [OPTIONS]\n\n"
        for verb in OptionTable.verbs { text += "  \(padded(verb.name, 12))\(verb.summary)\n" }
        return text + "\n'rfmd VERB --help' explains a verb.\n"
    }

    static func usageLine(_ verb: Verb) -> String {
        var text = "Usage: rfmd \(verb.name)"
        for option in verb.options {
            let body = "--\(option.name)\(option.argument.map { " \($0)" } ?? "")"
            text += option.isRequired ? " \(body)" : " [\(body)]"
        }
        return text + (verb.operands.isEmpty ? "" : " \(verb.operands)") + "\n"
    }

    package static func text(_ verb: Verb) -> String {
        var text = usageLine(verb) + "\n\(capitalized(verb.summary)).\n"
        if !verb.details.isEmpty { text += "\n\(verb.details)\n" }
        text += "\nOptions:\n"
        for option in verb.options {
            let fallback = option.fallback.map { " (default: \($0))" } ?? ""
            text +=
                "  \(padded("--\(option.name)\(option.argument.map { " \($0)" } ?? "")", 20))\(option.help)\(fallback)\n"
        }
        return text + "  \(padded("--help", 20))print this text\n"
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }

    private static func capitalized(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }

    // MARK: Manual page

    /// `date` is that of the version, as 2026-11-30.
    package static func manual(version: String, date: String) -> String {
        var text = """
            .TH RFMD 8 "\(date)" "rfmd \(version)" "System Administration"
            .SH NAME
            rfmd \\- customer state from Kafka, and its changes exactly once
            .SH SYNOPSIS

            """
        for verb in OptionTable.verbs {
            // A line that begins with a blank would break.
            let operands = usageLine(verb).dropFirst("Usage: rfmd \(verb.name)".count).drop { $0 == " " }
            text += ".B rfmd \(verb.name)\n\(operands == "\n" ? "" : roff(String(operands))).br\n"
        }
        text += ".SH VERBS\n"
        for verb in OptionTable.verbs {
            text += ".SS \(verb.name)\n\(roff(capitalized(verb.summary))).\n"
            if !verb.details.isEmpty { text += "\(roff(verb.details))\n" }
            for option in verb.options {
                text +=
                    ".TP\n.B \\-\\-\(option.name)\(option.argument.map { " " + $0 } ?? "")\n\(roff(capitalized(option.help))).\n"
                if let fallback = option.fallback { text += "Default: \(roff(fallback)).\n" }
            }
        }
        return text + """
            .SH EXIT STATUS
            0 done, 1 failed, 64 wrong usage, 78 wrong configuration.
            .SH FILES
            .TP
            .I \(OptionTable.defaultConfig)
            The configuration.
            .TP
            .I /var/lib/rfmd/snapshots
            Snapshots.

            """
    }

    private static func roff(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            var escaped = ""
            for character in line {
                switch character {
                case "\\": escaped += "\\e"
                case "-": escaped += "\\-"
                default: escaped.append(character)
                }
            }
            return escaped.hasPrefix(".") || escaped.hasPrefix("'") ? "\\&" + escaped : escaped
        }.joined(separator: "\n")
    }
}
