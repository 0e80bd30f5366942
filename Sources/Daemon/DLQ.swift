// `rfmd dlq list|show|replay`: what was rejected, and sending it again after the reason is gone.
import Codec
import Glibc
import KafkaTransport
import Model
import Options
import Rules
import Settings
import Worker

struct DLQ {
    private let configuration: Configuration
    private let invocation: Invocation
    private let places: [LetterPlace]
    private let client: ClientOptions
    private let output = Output.standard()

    private struct Failure: Error {
        var message: String
    }

    /// Options beside --config and --json, by action.
    private static let options: [String: Set<String>] = [
        "list": ["reason", "input"], "show": ["value"], "replay": ["reason", "input", "all", "dry-run"],
    ]

    static func run(_ invocation: Invocation) -> Int32 {
        let action = invocation.operands[0]
        guard let options = DLQ.options[action] else { return usage("'\(action)' is none of list, show, replay") }
        if let other = invocation.given.subtracting(options).subtracting(["config", "json"]).min() {
            return usage("\(action) has no option --\(other)")
        }
        var places: [LetterPlace] = []
        for text in invocation.operands.dropFirst() {
            guard let place = LetterPlace(text) else {
                return usage("'\(text)' is no letter: PARTITION:OFFSET, as 'rfmd dlq list' prints it")
            }
            if !places.contains(place) { places.append(place) }
        }
        let selects =
            invocation.flags.contains("all") || invocation.value("reason") != nil || invocation.value("input") != nil
        switch action {
        case "list":
            if !places.isEmpty { return usage("list takes --reason and --input, no letters; see 'rfmd dlq show'") }
        case "show":
            if places.isEmpty { return usage("show which letters? PARTITION:OFFSET, as 'rfmd dlq list' prints it") }
        default:
            if places.isEmpty && !selects { return usage("replay what? Letters, or --reason, --input, or --all") }
            if !places.isEmpty && selects {
                return usage("replay either letters or --reason, --input, --all, not both")
            }
        }
        if let reason = invocation.value("reason"), !RejectionReason.allCases.contains(where: { $0.name == reason }) {
            return usage(
                "--reason: '\(reason)' is none of \(RejectionReason.allCases.map(\.name).joined(separator: ", "))")
        }
        guard let configuration = loadConfiguration(invocation.value("config") ?? OptionTable.defaultConfig) else {
            return ExitCode.configuration
        }
        let verb = DLQ(configuration, invocation, places)
        if action == "replay", let input = invocation.value("input"), !verb.isInput(input) {
            return usage("--input: '\(input)' is no input of the configuration")
        }
        do throws(Failure) {
            switch action {
            case "list": try verb.list()
            case "show": try verb.show()
            default: try verb.replay()
            }
            verb.output.flush()
            if let failure = verb.output.failure, !verb.output.isUnread { throw Failure(message: failure) }
        } catch {
            verb.output.flush()
            printError("rfmd dlq: \(error.message)\n")
            return ExitCode.failed
        }
        return ExitCode.done
    }

    private static func usage(_ text: String) -> Int32 {
        printError("rfmd dlq: \(text)\nTry 'rfmd dlq --help'.\n")
        return ExitCode.usage
    }

    private init(_ configuration: Configuration, _ invocation: Invocation, _ places: [LetterPlace]) {
        self.configuration = configuration
        self.invocation = invocation
        self.places = places
        let kafka = configuration.settings.kafka
        var client = ClientOptions(
            bootstrap: kafka.bootstrap, group: kafka.group, instance: "dlq",
            properties: kafka.properties.map { ($0.name, $0.value.value) },
            onLog: { level, _, text in if level <= 3 { printError("librdkafka: \(text)\n") } })
        client.largestRecord = DLQ.messageBytes
        self.client = client
    }

    private var isJSON: Bool { invocation.flags.contains("json") }

    private func selects(_ letter: Letter) -> Bool {
        if let reason = invocation.value("reason"), letter.reason != reason { return false }
        if let input = invocation.value("input"), letter.source.topic != input { return false }
        return true
    }

    private func isInput(_ topic: String) -> Bool { configuration.version.mappings.contains { $0.topic == topic } }

    // MARK: Kafka

    /// Does `body` with the queue and the partition counts of all topics.
    private func withQueue(_ body: (DeadLetterQueue, [String: Int32]) throws(TransportFailure) -> Void) throws(Failure)
    {
        let ladders = configuration.version.ladders.map(\.name)
        let topic = OutputTopics(configuration.settings.outputs.topics.mapValues(\.value), ladders: ladders).deadLetters
        do throws(TransportFailure) {
            let admin = try KafkaAdmin(client)
            defer { admin.close() }
            let topics = try admin.topics()
            guard let partitions = topics[topic] else {
                throw .fatal("there is no topic '\(topic)': 'rfmd run' makes it (outputs.topics.dead_letters)")
            }
            let queue = try DeadLetterQueue(client, topic: topic, partitions: partitions) {
                printError("rfmd dlq: \($0)\n")
            }
            defer { queue.close() }
            try body(queue, topics)
        } catch { throw failure(error) }
    }

    private func failure(_ failure: TransportFailure) -> Failure {
        switch failure {
        case .retriable(let text): Failure(message: "no answer from the brokers at \(client.bootstrap): \(text)")
        case .fenced: Failure(message: "another replay of the group '\(client.group)' began, and ended this one")
        case .abort(let text), .missing(let text), .fatal(let text): Failure(message: text)
        }
    }

    /// The selected letters, in their order.
    private func selected(_ queue: DeadLetterQueue, _ body: (Letter) throws(TransportFailure) -> Void)
        throws(TransportFailure)
    {
        if places.isEmpty {
            return try queue.letters { (letter) throws(TransportFailure) in
                if selects(letter) { try body(letter) }
                return output.failure == nil
            }
        }
        for place in places {
            guard let letter = try queue.letter(at: place) else {
                throw .fatal("there is no letter at \(place) of \(queue.topic): never, or not any more")
            }
            try body(letter)
        }
    }

    // MARK: Verbs

    private func list() throws(Failure) {
        var counts: [String: Int] = [:]
        var replayed = 0
        try withQueue { (queue, _) throws(TransportFailure) in
            try selected(queue) { (letter) throws(TransportFailure) in
                counts[letter.reason, default: 0] += 1
                if letter.isReplayed { replayed += 1 }
                if isJSON {
                    LetterText.appendJSON(letter, whole: false, to: output.buffer)
                } else {
                    LetterText.appendLine(letter, to: output.buffer)
                }
                output.flushIfLong()
            }
        }
        if counts.isEmpty, let input = invocation.value("input"), !isInput(input) {
            printError("rfmd dlq: '\(input)' is no input of the configuration, and no letter is from it\n")
        }
        if isJSON { return }
        LetterText.appendTotals(counts, replayed: replayed, to: output.buffer)
    }

    private func show() throws(Failure) {
        let wantsValue = invocation.flags.contains("value")
        try withQueue { (queue, _) throws(TransportFailure) in
            try selected(queue) { (letter) throws(TransportFailure) in
                if wantsValue {
                    output.buffer.append(contentsOf: letter.record.value ?? [])
                } else if isJSON {
                    LetterText.appendJSON(letter, whole: true, to: output.buffer)
                } else {
                    LetterText.appendWhole(letter, to: output.buffer)
                }
                output.flushIfLong()
            }
        }
    }

    private func replay() throws(Failure) {
        let isDry = invocation.flags.contains("dry-run")
        let known = Set(configuration.version.mappings.map(\.topic))
        let producer: TransactionalProducer?
        do throws(TransportFailure) { producer = isDry ? nil : try fence() } catch { throw failure(error) }
        defer { producer?.close() }
        // Made when the queue is open, which is after an earlier replay was fenced.
        var begun: DeadLetterReplay?
        do throws(Failure) {
            try withQueue { (queue, topics) throws(TransportFailure) in
                let replay = DeadLetterReplay(producer, queue, inputs: topics.filter { known.contains($0.key) }) {
                    // Of those that were sent before there may be very many, and nothing is to be done.
                    if $1 != .replayedBefore { printError("rfmd dlq: \($0.place) is left: \($1.rawValue)\n") }
                }
                begun = replay
                try selected(queue) { (letter) throws(TransportFailure) in try replay.add(letter) }
                try replay.flush()
            }
        } catch {
            guard let begun, !isDry else { throw error }
            throw Failure(
                message:
                    "\(error.message)\n\(LetterText.letters(begun.replayed)) sent before that. Run the same command again: what was sent is not sent twice."
            )
        }
        if let begun { summarize(begun.replayed, begun.skipped, isDry) }
    }

    /// The producer of this group's replays: an earlier one can commit nothing any more.
    private func fence() throws(TransportFailure) -> TransactionalProducer {
        let producer = try TransactionalProducer(client, name: "dlq", messageBytes: DLQ.messageBytes)
        let until = TrustedClock.monotonic() + DLQ.patience
        do throws(TransportFailure) { try producer.initialize { TrustedClock.monotonic() > until } } catch {
            producer.close()
            throw error
        }
        return producer
    }

    /// The largest that librdkafka takes: what a record may have is the topic's to say.
    private static let messageBytes = 1_000_000_000
    /// How long the brokers are waited for, ms.
    private static let patience: Int64 = 30_000

    private func summarize(_ done: Int, _ skipped: [DeadLetterReplay.Skipped: Int], _ isDry: Bool) {
        if isJSON {
            let reasons = DeadLetterReplay.Skipped.allCases.compactMap { reason in
                skipped[reason].map { "\"\(reason)\":\($0)" }
            }
            output.buffer.append(
                text:
                    "{\"replayed\":\(done),\"dry_run\":\(isDry),\"skipped\":{\(reasons.joined(separator: ","))}}\n")
            return
        }
        output.buffer.append(
            text: isDry
                ? "\(LetterText.letters(done)) would be sent to an input again\n"
                : "\(LetterText.letters(done)) sent to an input again\n")
        for reason in DeadLetterReplay.Skipped.allCases {
            if let count = skipped[reason] { output.buffer.append(text: "\(count) left: \(reason.rawValue)\n") }
        }
    }
}
