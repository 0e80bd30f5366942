// Shell completions, made from the option table.

package enum Completions {
    /// nil for a shell that is not known.
    package static func text(_ shell: String) -> String? {
        switch shell {
        case "bash": bash
        case "zsh": zsh
        case "fish": fish
        default: nil
        }
    }

    private static var options: [Option] { OptionTable.verbs.flatMap(\.options).filter { $0.argument != nil } }

    private static func names(_ options: [Option]) -> String {
        Set(options.map { "--" + $0.name }).sorted().joined(separator: "|")
    }

    private static var bash: String {
        var cases = ""
        for verb in OptionTable.verbs {
            let words = (verb.options.map { "--" + $0.name } + ["--help"]).joined(separator: " ")
            let operands = verb.operandWords.joined(separator: " ")
            let files = verb.takesFiles ? "yes" : ""
            cases += "        \(verb.name)) options=\"\(words)\" operands=\"\(operands)\" files=\(files) ;;\n"
        }
        return """
            # bash completion for rfmd
            _rfmd() {
                local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} options= operands= files=
                COMPREPLY=()
                if [ "$COMP_CWORD" -eq 1 ]; then
                    COMPREPLY=($(compgen -W "\(OptionTable.verbs.map(\.name).joined(separator: " "))" -- "$current"))
                    return
                fi
                case $previous in
                    \(names(options.filter(\.takesFile)))) COMPREPLY=($(compgen -f -- "$current")); return ;;
                    \(names(options.filter { !$0.takesFile }))) return ;;
                esac
                case ${COMP_WORDS[1]} in
            \(cases)    esac
                case $current in
                    -*) COMPREPLY=($(compgen -W "$options" -- "$current")) ;;
                    *) if [ -n "$files" ]; then COMPREPLY=($(compgen -f -- "$current"))
                       else COMPREPLY=($(compgen -W "$operands" -- "$current")); fi ;;
                esac
            }
            complete -o filenames -F _rfmd rfmd

            """
    }

    private static var zsh: String {
        var text = "#compdef rfmd\n_rfmd() {\n    if (( CURRENT == 2 )); then\n        local -a verbs=(\n"
        for verb in OptionTable.verbs { text += "            '\(verb.name):\(quoted(verb.summary))'\n" }
        text += "        )\n        _describe verb verbs\n        return\n    fi\n"
        // The verb takes the program's place, so that what follows counts from one.
        text += "    shift words\n    (( CURRENT-- ))\n    case $words[1] in\n"
        for verb in OptionTable.verbs {
            var arguments = verb.options.map { option in
                let argument = option.argument.map { ":\($0):\(option.takesFile ? "_files" : " ")" } ?? ""
                return "'--\(option.name)\(option.argument == nil ? "" : "=")[\(quoted(option.help))]\(argument)'"
            }
            arguments.append("'--help[print help]'")
            if verb.takesFiles { arguments.append("'*:file:_files'") }
            if !verb.operandWords.isEmpty {
                arguments.append("'1:operand:(\(verb.operandWords.joined(separator: " ")))'")
            }
            text += "        \(verb.name)) _arguments \(arguments.joined(separator: " ")) ;;\n"
        }
        return text + "    esac\n}\n_rfmd \"$@\"\n"
    }

    private static var fish: String {
        var text = "# fish completion for rfmd\n"
        for verb in OptionTable.verbs {
            let isSeen = "complete -c rfmd -n '__fish_seen_subcommand_from \(verb.name)'"
            let operands = verb.operandWords.isEmpty ? "" : " -a '\(verb.operandWords.joined(separator: " "))'"
            text += "complete -c rfmd -n __fish_use_subcommand -f -a \(verb.name) -d '\(quoted(verb.summary))'\n"
            if !verb.takesFiles { text += "\(isSeen) -f\(operands)\n" }
            for option in verb.options {
                let argument = option.argument == nil ? "" : option.takesFile ? " -r -F" : " -x"
                text += "\(isSeen) -l \(option.name)\(argument) -d '\(quoted(option.help))'\n"
            }
        }
        return text
    }

    private static func quoted(_ text: String) -> String {
        text.map { $0 == "'" ? "’" : $0 == "[" ? "(" : $0 == "]" ? ")" : $0 == ":" ? "," : $0 }.map(String.init)
            .joined()
    }
}
