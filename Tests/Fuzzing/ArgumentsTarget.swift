// The command line: whatever is written there is an invocation of a known verb with options of its own, or is explained.
import Model
import Options

extension FuzzTarget {
    /// Arguments, each ended by a line feed.
    static let arguments = FuzzTarget(
        "arguments",
        words: OptionTable.verbs.flatMap { [$0.name] + $0.options.map { "--\($0.name)" } }
            + ["--", "-h", "--help", "--version", "=", "-", "20s", "1:2"],
        longest: 512,
        check: { bytes throws(Finding) in
            let arguments = bytes.split(separator: 0x0A, omittingEmptySubsequences: false).dropLast().map {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            switch CommandLineParser.parse(arguments) {
            case .help(let text), .usage(let text):
                try Finding.require(text.hasSuffix("\n") && text.count > 10, "it is not explained: \(text)")
            case .run(let invocation): try ArgumentsCheck.check(invocation)
            }
            for argument in arguments {
                if let time = CommandLineParser.duration(argument) {
                    try Finding.require(time > 0, "\(argument) is \(time) ms")
                }
                if let place = LetterPlaceText.read(argument) {
                    try Finding.require(LetterPlaceText.read(place) == place, "\(argument) is \(place)")
                }
            }
        })
}

private enum ArgumentsCheck {
    static func check(_ invocation: Invocation) throws(Finding) {
        guard let verb = OptionTable.verbs.first(where: { $0.name == invocation.verb }) else {
            throw Finding("there is no verb \(invocation.verb)")
        }
        for name in invocation.values.keys {
            try Finding.require(
                verb.options.contains { $0.name == name && $0.argument != nil }, "\(verb.name) has no --\(name) VALUE")
        }
        for name in invocation.flags {
            try Finding.require(
                verb.options.contains { $0.name == name && $0.argument == nil }, "\(verb.name) has no --\(name)")
        }
        for option in verb.options where option.isRequired {
            try Finding.require(invocation.value(option.name) != nil, "--\(option.name) is missing")
        }
        try Finding.require(
            verb.operandCount.contains(invocation.operands.count), "\(invocation.operands.count) operands")
    }
}
