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

    package static var manual: String {
        var text = """
            .TH RFMD 8 "" "rfmd" "System Administration"
            .SH NAME
            rfmd \\- customer state from Kafka, and its changes exactly once
            .SH SYNOPSIS

            """
        for verb in OptionTable.verbs {
            text +=
                ".B rfmd \(verb.name)\n\(roff(String(usageLine(verb).dropFirst(("Usage: rfmd " + verb.name).count))))\n.br\n"
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

    // MARK: Completions

    /// nil for a shell that is not known.
    package static func completion(_ shell: String) -> String? {
        switch shell {
        case "bash": bash
        case "zsh": zsh
        case "fish": fish
        default: nil
        }
    }

    private static var bash: String {
        var cases = ""
        for verb in OptionTable.verbs {
            cases +=
                "        \(verb.name)) words=\"\((verb.options.map { "--" + $0.name } + ["--help"]).joined(separator: " "))\" ;;\n"
        }
        return """
            # bash completion for rfmd
            _rfmd() {
                local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=
                if [ "$COMP_CWORD" -eq 1 ]; then
                    COMPREPLY=($(compgen -W "\(OptionTable.verbs.map(\.name).joined(separator: " "))" -- "$current"))
                    return
                fi
                case $previous in --config|--state) COMPREPLY=($(compgen -f -- "$current")); return ;; esac
                case ${COMP_WORDS[1]} in
            \(cases)    esac
                case $current in
                    -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
                    *) COMPREPLY=($(compgen -f -- "$current")) ;;
                esac
            }
            complete -F _rfmd rfmd

            """
    }

    private static var zsh: String {
        var text = "#compdef rfmd\n_rfmd() {\n    if (( CURRENT == 2 )); then\n        local -a verbs=(\n"
        for verb in OptionTable.verbs { text += "            '\(verb.name):\(quoted(verb.summary))'\n" }
        text += "        )\n        _describe verb verbs\n        return\n    fi\n    case $words[2] in\n"
        for verb in OptionTable.verbs {
            let options = verb.options.map { option in
                "'--\(option.name)\(option.argument == nil ? "" : "=")[\(quoted(option.help))]\(option.argument.map { ":\($0):_files" } ?? "")'"
            }
            text +=
                "        \(verb.name)) _arguments \((options + ["'--help[print help]'", "'*:file:_files'"]).joined(separator: " ")) ;;\n"
        }
        return text + "    esac\n}\n_rfmd \"$@\"\n"
    }

    private static var fish: String {
        var text = "# fish completion for rfmd\n"
        for verb in OptionTable.verbs {
            text += "complete -c rfmd -n __fish_use_subcommand -f -a \(verb.name) -d '\(quoted(verb.summary))'\n"
            for option in verb.options {
                text +=
                    "complete -c rfmd -n '__fish_seen_subcommand_from \(verb.name)' -l \(option.name)\(option.argument == nil ? "" : " -r") -d '\(quoted(option.help))'\n"
            }
        }
        return text
    }

    private static func quoted(_ text: String) -> String {
        text.map { $0 == "'" ? "’" : $0 == "[" ? "(" : $0 == "]" ? ")" : $0 == ":" ? "," : $0 }.map(String.init)
            .joined()
    }
}
