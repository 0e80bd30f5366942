// Reads the command line with getopt_long by the option table.
import CGetopt
import Glibc
import Model

package struct Invocation: Sendable {
    package var verb: String
    package var values: [String: String] = [:]
    package var flags: Set<String> = []
    package var operands: [String] = []

    /// Names of the options that were given.
    package var given: Set<String> { flags.union(values.keys) }

    package func value(_ option: String) -> String? { values[option] }
}

package enum ParseResult: Sendable {
    case run(Invocation)
    /// Print to standard output, exit 0.
    case help(String)
    /// Print to standard error, exit 64.
    case usage(String)
}

package enum CommandLineParser {
    /// `arguments` are those after the program's name. Not for two threads at once (getopt_long has global state).
    package static func parse(_ arguments: [String]) -> ParseResult {
        guard let name = arguments.first else { return .usage(Help.overview) }
        if name == "--help" || name == "-h" { return .help(Help.overview) }
        if name == "--version" { return .run(Invocation(verb: "version")) }
        guard let verb = OptionTable.verbs.first(where: { $0.name == name }) else {
            let hint =
                Spelling.nearest(name, among: OptionTable.verbs.map(\.name)).map { "; did you mean '\($0)'?" } ?? ""
            return .usage("rfmd: there is no verb '\(name)'\(hint)\nTry 'rfmd help'.\n")
        }
        return parse(verb, Array(arguments.dropFirst()))
    }

    private static func parse(_ verb: Verb, _ arguments: [String]) -> ParseResult {
        let options = verb.options
        // A prefix is not guessed: getopt_long would, so the names are checked first.
        var isValue = false
        for argument in arguments {
            if isValue {
                isValue = false
                continue
            }
            if argument == "--" { break }
            guard argument.hasPrefix("--") else { continue }
            let name = String(argument.dropFirst(2).prefix { $0 != "=" })
            if name == "help" { return .help(Help.text(verb)) }
            guard let option = options.first(where: { $0.name == name }) else {
                let hint = Spelling.nearest(name, among: options.map(\.name)).map { "; did you mean '--\($0)'?" } ?? ""
                return usage(verb, "there is no option '--\(name)'\(hint)")
            }
            isValue = option.argument != nil && !argument.contains("=")
        }
        var invocation = Invocation(verb: verb.name)
        var strings: [UnsafeMutablePointer<CChar>?] = (["rfmd " + verb.name] + arguments).map { strdup($0) }
        strings.append(nil)
        var names = options.map { strdup($0.name) }
        defer { for string in strings + names { free(string) } }
        names.append(strdup("help"))
        var table = options.enumerated().map { index, option in
            CGetopt.option(
                name: names[index], has_arg: option.argument == nil ? no_argument : required_argument, flag: nil,
                val: Int32(256 + index))
        }
        table.append(CGetopt.option(name: names[options.count], has_arg: no_argument, flag: nil, val: 104))
        table.append(CGetopt.option())
        rfmd_getopt_reset()
        while true {
            let code = getopt_long(Int32(strings.count - 1), &strings, ":h", table, nil)
            if code == -1 { break }
            switch code {
            case 104: return .help(Help.text(verb))
            case 256...:
                let option = options[Int(code) - 256]
                if option.argument == nil {
                    invocation.flags.insert(option.name)
                } else {
                    invocation.values[option.name] = String(cString: rfmd_getopt_argument())
                }
            case 58:
                return usage(verb, "'\(String(cString: strings[Int(rfmd_getopt_index()) - 1]!))' needs a value")
            default:
                return usage(verb, "'\(String(cString: strings[Int(rfmd_getopt_index()) - 1]!))' is not understood")
            }
        }
        invocation.operands = (Int(rfmd_getopt_index())..<strings.count - 1).map { String(cString: strings[$0]!) }
        for option in options where option.isRequired && invocation.values[option.name] == nil {
            return usage(verb, "'--\(option.name) \(option.argument ?? "")' is required")
        }
        guard verb.operandCount.contains(invocation.operands.count) else {
            return usage(
                verb,
                verb.operands.isEmpty
                    ? "takes no operands, found '\(invocation.operands[0])'" : "expected \(verb.operands)")
        }
        return .run(invocation)
    }

    private static func usage(_ verb: Verb, _ message: String) -> ParseResult {
        .usage("rfmd \(verb.name): \(message)\n\(Help.usageLine(verb))Try 'rfmd \(verb.name) --help'.\n")
    }

    /// ms of `20s`, `2m`, `500ms`, `1h`; nil if it is no duration.
    package static func duration(_ text: String) -> Int64? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let units: [Substring: Int64] = ["ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000]
        guard let count = Int64(digits), count > 0, count < 1_000_000, let unit = units[text.dropFirst(digits.count)]
        else { return nil }
        return count * unit
    }
}
