// The command line as GNU users expect it, and texts that cover every verb.
import Options
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
        let completions = try ["bash", "zsh", "fish"].map { try #require(Help.completion($0)) }
        #expect(Help.completion("tcsh") == nil)
        for verb in OptionTable.verbs {
            #expect(Help.overview.contains("  \(verb.name) "))
            #expect(Help.manual.contains(".SS \(verb.name)\n"))
            for text in completions { #expect(text.contains(verb.name)) }
            for option in verb.options {
                #expect(Help.manual.contains(".B \\-\\-\(option.name)"))
                #expect(completions[0].contains("--\(option.name)"))
                #expect(completions[1].contains("--\(option.name)"))
                #expect(completions[2].contains("-l \(option.name)"))
            }
        }
        #expect(Set(OptionTable.verbs.map(\.name)).count == OptionTable.verbs.count)
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
