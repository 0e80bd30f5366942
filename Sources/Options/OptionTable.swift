// The one table of verbs and options; parsing, --help, man page and completions are made from it.

package struct Option: Sendable {
    package var name: String
    /// What the argument is called; nil for a flag.
    package var argument: String?
    /// Shown in help.
    package var fallback: String?
    package var help: String
    package var isRequired: Bool

    init(_ name: String, _ argument: String? = nil, fallback: String? = nil, isRequired: Bool = false, help: String) {
        self.name = name
        self.argument = argument
        self.fallback = fallback
        self.help = help
        self.isRequired = isRequired
    }

    var takesFile: Bool { argument == "FILE" }
}

package struct Verb: Sendable {
    package var name: String
    package var summary: String
    package var details: String
    package var options: [Option]
    /// How operands are written in the usage line; empty if there are none.
    package var operands: String
    package var operandCount: ClosedRange<Int>

    init(
        _ name: String, _ summary: String, details: String = "", options: [Option] = [], operands: String = "",
        operandCount: ClosedRange<Int> = 0...0
    ) {
        self.name = name
        self.summary = summary
        self.details = details
        self.options = options
        self.operands = operands
        self.operandCount = operandCount
    }

    var takesFiles: Bool { operands.hasPrefix("FILE") }

    /// What its first operand may be, if that is a choice.
    var operandWords: [String] {
        if operands == "[VERB]" { return OptionTable.verbs.map(\.name) }
        let words = operands.prefix { $0 != " " && $0 != "." }
        return takesFiles ? [] : words.split(separator: "|").map(String.init)
    }
}

package enum OptionTable {
    package static let defaultConfig = "/etc/rfmd/rfmd.yaml"

    private static let config = Option("config", "FILE", fallback: defaultConfig, help: "read this configuration")

    package static let verbs: [Verb] = [
        Verb(
            "run", "read events from Kafka and publish changes, until SIGTERM",
            details: """
                Recovers every assigned shard from its snapshot and journal, then works. SIGTERM and SIGINT end it in order: what is
                in hand is committed and a last snapshot is written.
                """,
            options: [
                config,
                Option(
                    "rebuild",
                    help:
                        "accept that state is lost where it cannot be recovered: begin anew from what the inputs still hold"
                ),
            ]),
        Verb(
            "demo", "show rfmd at work with an embedded broker and invented shoppers",
            details: """
                Needs nothing but this binary. The embedded broker (librdkafka's mock cluster) has no real transactions: the demo shows
                the flow, not the guarantee.
                """,
            options: [
                Option("duration", "TIME", fallback: "20s", help: "how long to run, such as 20s or 2m"),
                Option("json", help: "print the summary as JSON"),
            ]),
        Verb("validate", "check a configuration", options: [config]),
        Verb(
            "replay", "run NDJSON events from files through the same decoder and engine, without Kafka",
            details: """
                One shard, files in order, event clock. Changes go to standard output, rejected lines to standard error with
                counts at the end. '-' is standard input.
                """,
            options: [
                Option("config", "FILE", isRequired: true, help: "read this configuration"),
                Option("input", "TOPIC", help: "read the files by this input's mapping (default: the first input)"),
                Option("state", "FILE", help: "write the final state of every customer, one JSON object a line"),
                Option("until", "RFC3339", help: "move the clock to this instant after the last event"),
            ], operands: "FILE...|-", operandCount: 1...10_000),
        Verb(
            "dlq", "look at dead letters, and send them to their inputs again",
            details: """
                list prints the letters, show prints whole ones, replay sends them to their inputs again, where they take the same way
                as every record. A letter is replayed exactly once, whoever stops the command and however often it is run. Change
                first what led to the rejection: a rejected record becomes a new letter.
                """,
            options: [
                config,
                Option("reason", "NAME", help: "only letters with this reason (list, replay)"),
                Option("input", "TOPIC", help: "only letters from this input (list, replay)"),
                Option("all", help: "every letter (replay)"),
                Option("dry-run", help: "say what would be sent, and send nothing (replay)"),
                Option("value", help: "print the value alone, byte for byte (show)"),
                Option("json", help: "print JSON, one object a line"),
            ], operands: "list|show|replay [PARTITION:OFFSET...]", operandCount: 1...10_000),
        Verb(
            "bench", "measure rfmd on this machine",
            details: """
                Without an operand everything that can be measured. engine: decoded events into the engine, one core, and the bytes of
                a customer. decode: native records of 200 bytes into events. workers: one whole worker and two, with no broker. snapshot,
                restore: the longest stop, the memory and the time, under load. deadlines: one for every customer at one instant.
                end-to-end: the whole daemon beside a raw reader. latency: from a record to its event, beside a plain copy (broker on this machine);
                both with the broker of --bootstrap, or one that is started from KAFKA_HOME.
                Each figure stands beside its ratio to a limit or a peer that was measured in the same run.
                """,
            options: [
                Option("customers", "N", fallback: "1000000", help: "how many customers"),
                Option(
                    "events", "N", fallback: "4000000",
                    help:
                        "how many events after each customer has his orders; of the latency, how many are timed, for 8 seconds at most"
                ),
                Option("bootstrap", "HOST:PORT", help: "measure with this broker (end-to-end, latency)"),
                Option("rate", "N", fallback: "40000", help: "events a second (latency)"),
                Option("json", help: "print figures as JSON"),
            ], operands: "engine|decode|workers|snapshot|restore|deadlines|end-to-end|latency...", operandCount: 0...8),
        Verb("version", "print the version"),
        Verb("help", "explain a verb", operands: "[VERB]", operandCount: 0...1),
        Verb("man", "print the manual page in roff"),
        Verb("completion", "print shell completions", operands: "bash|zsh|fish", operandCount: 1...1),
    ]
}
