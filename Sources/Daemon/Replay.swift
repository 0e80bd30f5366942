// `rfmd replay`: NDJSON files through the same decoder and engine, without Kafka.
import Codec
import Engine
import Glibc
import Model
import Options
import Settings
import Worker

struct Replay {
    private let configuration: Configuration
    private let engine: Engine
    private let applier: RecordApplier
    private let encoder: EventEncoder
    private let input: Int
    private let output = Output.standard()
    private let errors = Output.error()
    private var counts = RecordCounts()
    private var emitted = 0
    private var sinceSlice = 0
    private static let idPrefix = Array("replay-0-0-".utf8)

    static func run(_ invocation: Invocation) -> Int32 {
        let path = invocation.value("config") ?? OptionTable.defaultConfig
        guard let configuration = loadConfiguration(path, isForKafka: false) else {
            return ExitCode.configuration
        }
        var until: Int64?
        if let text = invocation.value("until") {
            guard let instant = CivilTime.parse(text) else {
                printError("rfmd replay: --until: '\(text)' is no RFC 3339 time such as 2026-11-23T00:00:00Z\n")
                return ExitCode.usage
            }
            until = instant
        }
        let topics = configuration.version.mappings.map(\.topic)
        let topic = invocation.value("input") ?? configuration.settings.inputs[0].topic.value
        guard let input = topics.firstIndex(of: topic) else {
            printError("rfmd replay: --input: '\(topic)' is no input; there are \(topics.joined(separator: ", "))\n")
            return ExitCode.usage
        }
        var replay = Replay(configuration, input: input)
        do throws(FileFailure) {
            try replay.run(invocation.operands, until: until, state: invocation.value("state"))
        } catch {
            replay.output.flush()
            replay.errors.flush()
            printError("rfmd replay: \(error.message)\n")
            return ExitCode.failed
        }
        return ExitCode.done
    }

    /// What cannot be read or written is found before the first event is applied, as far as it can be.
    private mutating func run(_ files: [String], until: Int64?, state path: String?) throws(FileFailure) {
        for file in files where file != "-" && access(file, R_OK) != 0 {
            throw FileFailure(message: "cannot read '\(file)': \(String(cString: strerror(errno)))")
        }
        var state: StateFile?
        if let path {
            for file in files where file != "-" && StateFile.isSame(path, file) {
                throw FileFailure(message: "--state '\(path)' is a file of events to read, and would be overwritten")
            }
            state = try StateFile(path)
        }
        for file in files { try read(file) }
        finish(until)
        if let failure = output.failure ?? errors.failure { throw FileFailure(message: failure) }
        try state?.write(writeState)
    }

    private init(_ configuration: Configuration, input: Int) {
        self.configuration = configuration
        self.input = input
        engine = Engine(rules: configuration.rules, limits: configuration.version.limits, key: 0)
        var version = configuration.version
        version.clockMode = .event
        applier = RecordApplier(engine: engine, version: version)
        encoder = EventEncoder(
            source: EventEncoder.source(cluster: "replay", group: configuration.settings.kafka.group),
            rules: configuration.rules,
            version: configuration.version.digest)
    }

    private mutating func read(_ path: String) throws(FileFailure) {
        let lines = try LineReader(path)
        while output.failure == nil, let line = try lines.next() {
            if line.isEmpty { continue }
            let disposition = applier.replay(line, input: input)
            counts.count(disposition)
            if case .rejected(let rejection) = disposition { reject(path, lines.number, rejection) }
            sinceSlice += 1
            if sinceSlice >= 1_000 { finishSlice() }
        }
    }

    private mutating func finishSlice() {
        sinceSlice = 0
        engine.finishSlice(advancingTo: nil)
        emit()
    }

    private mutating func finish(_ until: Int64?) {
        engine.finishSlice(advancingTo: until)
        emit()
        while !engine.isSettled {
            engine.finishSlice(advancingTo: nil)
            emit()
        }
        output.flush()
        writeCounts()
    }

    private mutating func emit() {
        var reader = ByteReader(engine.effects.bytes)
        while reader.remaining > 0 {
            guard let effect = try? reader.readEffect() else {
                preconditionFailure("the engine's own effects are whole")
            }
            encoder.appendStructured(effect, idPrefix: Replay.idPrefix, position: emitted, to: output.buffer)
            output.buffer.append(UInt8(0x0A))
            emitted += 1
            output.flushIfLong()
        }
        engine.effects.removeAll()
        engine.effectCount = 0
    }

    private func reject(_ file: String, _ line: Int, _ rejection: Rejection) {
        errors.buffer.append(contentsOf: "{\"file\":")
        errors.buffer.appendJSON(file)
        errors.buffer.append(text: ",\"line\":\(line),\"reason\":")
        errors.buffer.appendJSON(rejection.reason.name)
        errors.buffer.append(contentsOf: ",\"message\":")
        errors.buffer.appendJSON(rejection.message)
        errors.buffer.append(contentsOf: "}\n")
        errors.flushIfLong()
    }

    private func writeCounts() {
        let reasons = RejectionReason.allCases.filter { counts.reasons[Int($0.rawValue)] > 0 }
            .map { "\"\($0.name)\":\(counts.reasons[Int($0.rawValue)])" }.joined(separator: ",")
        errors.buffer.append(
            text:
                "{\"consumed\":\(counts.consumed),\"accepted\":\(counts.accepted),\"duplicates\":\(counts.duplicates),\"rejected\":\(counts.rejected),\"skipped\":\(counts.skipped),\"refund_unmatched\":\(counts.unmatchedRefunds),\"reasons\":{\(reasons)},\"events_out\":\(emitted)}\n"
        )
        errors.flush()
    }

    private func writeState(_ file: Output) {
        let line = StateLine(configuration.rules)
        for ordinal in engine.sortedCustomers() {
            engine.withCustomer(ordinal) { line.append($0, to: file.buffer) }
            file.flushIfLong()
        }
    }
}
