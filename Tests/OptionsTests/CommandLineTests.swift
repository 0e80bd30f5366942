// The command line as GNU users expect it, and texts that cover every verb.
import Foundation
import Options
import TestSupport
import Testing

private func run(_ arguments: String...) throws -> Invocation {
    let result = CommandLineParser.parse(arguments)
    var found: Invocation?
    if case .run(let invocation) = result { found = invocation }
    return try #require(found, "\(arguments): \(result)")
}

private func usage(_ arguments: String...) -> String {
    guard case .usage(let text) = CommandLineParser.parse(arguments) else { return "no mistake" }
    return String(text.prefix { $0 != "\n" })
}

/// Serialized: getopt_long has global state.
@Suite(.serialized) struct CommandLineTests {
    @Test func takesValuesEitherWay() throws {
        for invocation in [
            try run("run", "--config", "a=b"), try run("run", "--config=a=b"),
            try run("run", "--config", "x", "--config=a=b"),
        ] {
            #expect(invocation.verb == "run")
            #expect(invocation.value("config") == "a=b")
            #expect(invocation.flags.isEmpty)
        }
        #expect(try run("run", "--config=").value("config") == "")
        #expect(try run("run", "--config", "--rebuild").value("config") == "--rebuild")
        #expect(try run("run").value("config") == nil)
        #expect(try run("run", "--rebuild").flags == ["rebuild"])
    }

    @Test func operandsMayStandAnywhereAndEndOptionsWithTwoDashes() throws {
        let mixed = try run("replay", "a", "--config", "c", "b", "--", "--config", "-x")
        #expect(mixed.operands == ["a", "b", "--config", "-x"])
        #expect(mixed.value("config") == "c")
        #expect(try run("replay", "--config=c", "-").operands == ["-"])
        #expect(try run("replay", "--config=c", "--", "--help").operands == ["--help"])
    }

    @Test func mistakesAreNamed() {
        #expect(usage("run", "--confg", "x") == "rfmd run: there is no option '--confg'; did you mean '--config'?")
        #expect(usage("run", "--xyzzy") == "rfmd run: there is no option '--xyzzy'")
        #expect(
            usage("run", "--conf=x") == "rfmd run: there is no option '--conf'; did you mean '--config'?",
            "a prefix is not guessed")
        #expect(usage("run", "--rebuil") == "rfmd run: there is no option '--rebuil'; did you mean '--rebuild'?")
        #expect(usage("run", "--config") == "rfmd run: '--config' needs a value")
        #expect(usage("run", "--rebuild=yes") == "rfmd run: '--rebuild=yes' is not understood")
        #expect(usage("run", "-x") == "rfmd run: '-x' is not understood")
        #expect(usage("run", "extra") == "rfmd run: takes no operands, found 'extra'")
        #expect(usage("replay", "file") == "rfmd replay: '--config FILE' is required")
        #expect(usage("replay", "--config=c") == "rfmd replay: expected FILE...|-")
        #expect(usage("completion") == "rfmd completion: expected bash|zsh|fish")
        #expect(usage("rnu") == "rfmd: there is no verb 'rnu'; did you mean 'run'?")
        #expect(usage("frobnicate") == "rfmd: there is no verb 'frobnicate'")
        #expect(usage("--config") == "rfmd: there is no verb '--config'")
        #expect(usage() == String(Help.overview.prefix { $0 != "\n" }))
    }

    /// A value that looks like an option belongs to the option before it.
    @Test func aValueIsNotMistakenForAnOption() throws {
        #expect(try run("replay", "--config", "--input", "f").value("config") == "--input")
        #expect(try run("run", "--config", "--weird-file").value("config") == "--weird-file")
        #expect(try run("run", "--config", "--help").value("config") == "--help")
    }

    @Test func helpIsHelpWhereverItStands() {
        for verb in OptionTable.verbs {
            for arguments in [[verb.name, "--help"], [verb.name, "-h"], [verb.name, "operand", "--help"]] {
                guard case .help(let text) = CommandLineParser.parse(arguments) else {
                    Issue.record("\(arguments)")
                    continue
                }
                #expect(text == Help.text(verb))
                for option in verb.options { #expect(text.contains("--\(option.name)"), "\(verb.name)") }
            }
        }
        guard case .help = CommandLineParser.parse(["--help"]),
            case .run(let version) = CommandLineParser.parse(["--version"])
        else {
            Issue.record("--help and --version stand alone")
            return
        }
        #expect(version.verb == "version")
    }

    @Test func everyTextCoversEveryVerbAndOption() throws {
        let completions = try ["bash", "zsh", "fish"].map { try #require(Completions.text($0)) }
        #expect(Completions.text("tcsh") == nil)
        let manual = Help.manual(version: "1.2.3", date: "2026-11-30")
        for verb in OptionTable.verbs {
            #expect(Help.overview.contains("  \(verb.name) "))
            #expect(manual.contains(".SS \(verb.name)\n"))
            for text in completions { #expect(text.contains(verb.name)) }
            for option in verb.options {
                #expect(manual.contains(".B \\-\\-\(option.name)"))
                #expect(completions[0].contains("--\(option.name)"))
                #expect(completions[1].contains("--\(option.name)"))
                #expect(completions[2].contains("-l \(option.name)"))
            }
        }
        #expect(Set(OptionTable.verbs.map(\.name)).count == OptionTable.verbs.count)
    }

    /// roff breaks a line that begins with a blank.
    @Test func theManualPageHasADateAndUnbrokenLines() {
        let manual = Help.manual(version: "1.2.3", date: "2026-11-30")
        #expect(manual.hasPrefix(".TH RFMD 8 \"2026-11-30\" \"rfmd 1.2.3\" "))
        let synopsis = manual.components(separatedBy: ".SH ")[2]
        #expect(
            synopsis.contains(".B rfmd run\n[\\-\\-config FILE] [\\-\\-rebuild]\n.br\n.B rfmd demo\n"), "\(synopsis)")
        for line in manual.split(separator: "\n") { #expect(!line.hasPrefix(" "), "\(line)") }
    }

    /// What bash offers behind `rfmd …`.
    private func offered(_ words: String...) throws -> Set<String> {
        let script = try #require(Completions.text("bash"))
        let list = (["rfmd"] + words).map { "'\($0)'" }.joined(separator: " ")
        let ask =
            "\nCOMP_WORDS=(\(list)); COMP_CWORD=\(words.count); cd /usr/lib; _rfmd; printf '%s\\n' \"${COMPREPLY[@]}\""
        let answer = try Command.run("bash", ["-c", script + ask])
        #expect(answer.status == 0 && answer.errors.isEmpty, "\(answer.errorText)")
        return Set(answer.outputText.split(separator: "\n").map(String.init))
    }

    @Test func completionsOfferWhatMayFollow() throws {
        #expect(try offered("re") == ["replay"])
        #expect(try offered("completion", "") == ["bash", "zsh", "fish"])
        #expect(try offered("help", "r") == ["run", "replay"])
        #expect(
            try offered("bench", "") == [
                "engine", "decode", "workers", "snapshot", "restore", "deadlines", "end-to-end", "latency",
            ])
        #expect(try offered("dlq", "") == ["list", "show", "replay"])
        #expect(try offered("run", "") == [])
        #expect(try offered("run", "--") == ["--config", "--rebuild", "--help"])
        #expect(try offered("demo", "--duration", "") == [])
        #expect(try offered("replay", "--until", "") == [])
        #expect(try offered("replay", "os-rel") == ["os-release"])
        #expect(try offered("run", "--config", "os-rel") == ["os-release"])
        let (zsh, fish) = (try #require(Completions.text("zsh")), try #require(Completions.text("fish")))
        #expect(zsh.contains("completion) _arguments '--help[print help]' '1:operand:(bash zsh fish)' ;;"))
        #expect(
            zsh.contains(
                "validate) _arguments '--config=[read this configuration]:FILE:_files' '--help[print help]' ;;"))
        #expect(zsh.contains("]:RFC3339: '"))
        #expect(fish.contains("'__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'\n"))
        #expect(fish.contains("from replay' -l until -x -d") && fish.contains("from run' -l config -r -F -d"))
    }

    @Test func durations() {
        #expect(CommandLineParser.duration("20s") == 20_000)
        #expect(CommandLineParser.duration("2m") == 120_000)
        #expect(CommandLineParser.duration("500ms") == 500)
        for bad in ["", "s", "0s", "-1s", "20", "20 s", "1.5s", "99999999s", "٣s"] {
            #expect(CommandLineParser.duration(bad) == nil, "\(bad)")
        }
    }
}
