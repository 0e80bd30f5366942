// A batch as the messages of one transaction: events, dead letters, journal records, versions.
import Codec
import Model

final class BatchWriter {
    private let topics: OutputTopics
    private let format: EventEncoder.Format
    private let run: RunWriter
    /// Lengths of the letters' values by the number of their message.
    private var letterSizes: [Int: Int] = [:]
    /// Numbers of the letters that go as notes, their values being too large.
    private var shortened: Set<Int> = []
    private(set) var events = 0
    var letters: Int { letterSizes.count }
    var truncated: Int { shortened.count }

    private static let structured = [
        RecordHeader(name: "content-type", value: Array("application/cloudevents+json; charset=UTF-8".utf8))
    ]
    /// The number of that list in every run.
    private static let structuredNumber = 1

    init(_ sink: any TransactionSink, topics: OutputTopics, format: EventEncoder.Format) {
        self.topics = topics
        self.format = format
        run = RunWriter(sink, shared: [BatchWriter.structured])
    }

    /// Writes and commits a batch, with what is too large shortened.
    func commit(_ batch: SealedBatch) throws(TransportFailure) -> [Int64] {
        shortened = []
        while true {
            try write(batch)
            let positions = batch.parts.flatMap(\.positions)
            switch try run.commit(InputPositions(positions: positions, membership: batch.membership)) {
            case .committed(let offsets): return offsets
            case .refused(let messages):
                guard shorten(messages) else {
                    throw .fatal(
                        "the broker refuses an event or a journal record for its size: raise max.message.bytes")
                }
            }
        }
    }

    /// Aborts a transaction with a message in each of these partitions, and these positions.
    func abort(in partitions: [TopicPartition], _ inputs: InputPositions) throws(TransportFailure) {
        run.removeAll()
        for partition in partitions {
            // Compacted topics take no message without a key. A tombstone, for readers of uncommitted records see it.
            try run.add(
                topic: run.topicNumber(partition.topic), partition: partition.partition, key: Array("aborted".utf8),
                value: nil)
        }
        try run.abort(inputs)
    }

    /// Messages have the same numbers whenever a batch is written.
    private func write(_ batch: SealedBatch) throws(TransportFailure) {
        run.removeAll()
        letterSizes = [:]
        events = 0
        for version in batch.versions {
            try run.add(
                topic: run.topicNumber(topics.versions), partition: 0,
                key: Array("\(Version.kind):\(version.digest)".utf8), value: version.bytes)
        }
        for part in batch.parts {
            try writeEvents(part, batch.encoders)
            for letter in part.letters { try write(letter, partition: part.shard) }
            try run.add(
                topic: run.topicNumber(topics.journal), partition: part.shard, key: nil, value: part.journal,
                isTracked: true)
        }
    }

    private func writeEvents(_ part: SealedBatch.Part, _ encoders: [Digest: EventEncoder]) throws(TransportFailure) {
        var reader = ByteReader(part.effects.bytes)
        let prefix = Array("\(part.genesis)-\(part.shard)-\(part.batch)-".utf8)
        var position = 0
        for (number, section) in part.sections.enumerated() {
            guard let encoder = encoders[section.version] else {
                preconditionFailure("a batch knows the versions of its effects")
            }
            let end = number + 1 < part.sections.count ? part.sections[number + 1].from : part.effects.count
            // By subject: the topic's number, once it was asked for.
            var topicNumbers = [Int?](repeating: nil, count: encoder.subjects)
            while reader.offset < end {
                let effect: Effect
                do throws(ByteReader.Damaged) { effect = try reader.readEffect() } catch {
                    preconditionFailure("the engine's own effects are whole")
                }
                let subject = encoder.subject(of: effect)
                let topic = topicNumbers[subject] ?? run.topicNumber(topic(of: effect))
                topicNumbers[subject] = topic
                try write(effect, subject, topic, prefix, position, encoder, part.shard)
                position += 1
            }
        }
        events += position
    }

    private func topic(of effect: Effect) -> String {
        switch effect.kind {
        case .rungChanged: topics.topic(ofLadder: String(decoding: effect.name, as: UTF8.self))
        case .warningRaised, .warningResolved: topics.warnings
        }
    }

    private func write(
        _ effect: Effect, _ subject: Int, _ topic: Int, _ idPrefix: [UInt8], _ position: Int, _ encoder: EventEncoder,
        _ partition: Int32
    ) throws(TransportFailure) {
        let bytes = run.bytes
        let keyStart = bytes.count
        bytes.append(contentsOf: effect.customer)
        let valueStart = bytes.count
        var headers = BatchWriter.structuredNumber
        switch format {
        case .structured:
            encoder.appendStructured(effect, subject: subject, idPrefix: idPrefix, position: position, to: bytes)
        case .binary:
            encoder.appendData(effect, to: bytes)
            let id = String(decoding: idPrefix, as: UTF8.self) + String(position)
            headers = run.headersNumber(BatchWriter.binaryHeaders(effect, id: id, encoder))
        }
        try run.add(topic: topic, partition: partition, keyStart: keyStart, valueStart: valueStart, headers: headers)
    }

    private static func binaryHeaders(_ effect: Effect, id: String, _ encoder: EventEncoder) -> [RecordHeader] {
        [
            ("ce_specversion", "1.0"), ("ce_id", id), ("ce_source", encoder.source),
            ("ce_type", encoder.type(of: effect)),
            ("ce_time", CivilTime.text(effect.decidedAt)),
            ("ce_subject", String(decoding: effect.customer, as: UTF8.self)),
            ("ce_partitionkey", String(decoding: effect.customer, as: UTF8.self)), ("content-type", "application/json"),
        ].map { RecordHeader(name: $0.0, value: Array($0.1.utf8)) }
    }

    // MARK: Dead letters

    private func write(_ letter: DeadLetter, partition: Int32) throws(TransportFailure) {
        let isShortened = shortened.contains(run.number)
        letterSizes[run.number] = isShortened ? 0 : letter.value?.count ?? 0
        let topic = run.topicNumber(topics.deadLetters)
        if isShortened, let value = letter.value {
            let headers = BatchWriter.errorHeaders(letter) + [BatchWriter.truncatedHeader]
            try run.add(
                topic: topic, partition: partition, key: letter.key.flatMap { $0.count > 65_536 ? nil : $0 },
                value: BatchWriter.note(letter, value), headers: run.headersNumber(headers))
        } else {
            let headers = letter.headers + BatchWriter.errorHeaders(letter)
            try run.add(
                topic: topic, partition: partition, key: letter.key, value: letter.value,
                headers: run.headersNumber(headers))
        }
    }

    private static let truncatedHeader = RecordHeader(
        name: "\(DeadLetter.headerPrefix)truncated", value: Array("true".utf8))

    /// What stands in place of a value that is too large.
    private static func note(_ letter: DeadLetter, _ value: [UInt8]) -> [UInt8] {
        let source = letter.source
        return Array(
            "{\"truncated\":true,\"topic\":\"\(source.topic)\",\"partition\":\(source.partition),\"offset\":\(letter.offset),\"length\":\(value.count),\"xxh3_128\":\"\(Digest(of: value))\"}"
                .utf8)
    }

    /// Kafka Connect's names under `__rfmd.errors.`, behind the record's own headers: of two with one name the last is rfmd's.
    private static func errorHeaders(_ letter: DeadLetter) -> [RecordHeader] {
        let reason = letter.rejection.reason.name
        let headers: [(String, String)] = [
            ("topic", letter.source.topic), ("partition", String(letter.source.partition)),
            ("offset", String(letter.offset)),
            ("timestamp", letter.timestamp.map { String($0) } ?? ""), ("connector.name", "rfmd"),
            ("task.id", String(letter.source.partition)),
            ("stage", "VALUE_CONVERTER"), ("class.name", "rfmd"), ("exception.class.name", reason),
            ("exception.message", letter.rejection.message), ("reason", reason),
        ]
        return headers.map { ("\(DeadLetter.headerPrefix)\($0.0)", $0.1) }
            .map { RecordHeader(name: $0.0, value: Array($0.1.utf8)) }
    }

    /// Notes which of the refused messages are to be shortened; false if none can be.
    ///
    /// The broker refuses whole batches of messages. Which of them was too large is not told, so the largest letters go first: those that
    /// have at least half the size of the largest.
    private func shorten(_ refused: [Int]) -> Bool {
        let sizes = refused.map { letterSizes[$0] ?? 0 }
        guard let largest = sizes.max(), largest > 0 else { return false }
        shortened.formUnion(zip(refused, sizes).filter { $0.1 * 2 >= largest }.map(\.0))
        return true
    }
}
