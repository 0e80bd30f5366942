// A batch as the messages of one transaction: events, dead letters, journal records, versions.
import Codec
import Model

final class BatchWriter {
    private let topics: OutputTopics
    private let format: EventEncoder.Format
    private let bytes = ByteBuffer(capacity: 1 << 20)
    private var names: [String] = []
    private var messages: [OutputMessage] = []
    private var headers: [[RecordHeader]] = []
    private var positions: [(TopicPartition, Int64)] = []
    /// Message index of each part's journal record.
    private var journals: [Int] = []
    /// Letters by the index of their message.
    private var letterMessages: [Int: DeadLetter] = [:]
    private(set) var events = 0
    var letters: Int { letterMessages.count }

    private static let structured = [
        RecordHeader(name: "content-type", value: Array("application/cloudevents+json; charset=UTF-8".utf8))
    ]

    init(topics: OutputTopics, format: EventEncoder.Format) {
        self.topics = topics
        self.format = format
    }

    func transaction(_ membership: any Membership) -> SealedTransaction {
        SealedTransaction(
            topics: names, bytes: bytes.bytes, messages: messages, headers: headers, positions: positions,
            membership: membership,
            tracked: journals)
    }

    func write(_ batch: SealedBatch) {
        bytes.removeAll()
        names = []
        messages.removeAll(keepingCapacity: true)
        headers = [[], BatchWriter.structured]
        positions = []
        journals = []
        letterMessages = [:]
        events = 0
        for version in batch.versions {
            add(
                topics.versions, partition: 0, key: Array("\(Version.kind):\(version.digest)".utf8),
                value: version.bytes, headers: 0)
        }
        for part in batch.parts {
            writeEvents(part, batch.encoders)
            for letter in part.letters { write(letter, partition: part.shard) }
            journals.append(messages.count)
            add(topics.journal, partition: part.shard, key: nil, value: part.journal, headers: 0)
            positions += part.positions
        }
    }

    private func topicNumber(_ name: String) -> Int {
        if let known = names.firstIndex(of: name) { return known }
        names.append(name)
        return names.count - 1
    }

    private func append(_ more: [UInt8]) -> Range<Int> {
        let start = bytes.count
        bytes.append(contentsOf: more)
        return start..<bytes.count
    }

    private func add(_ topic: String, partition: Int32, key: [UInt8]?, value: [UInt8]?, headers: Int) {
        messages.append(
            OutputMessage(
                topic: topicNumber(topic), partition: partition, key: key.map(append), value: value.map(append),
                headers: headers))
    }

    /// Where the events of one ladder or warning go.
    private struct TopicNumber {
        var isLadder: Bool
        var name: UnsafeRawBufferPointer
        var number: Int
    }

    private func writeEvents(_ part: SealedBatch.Part, _ encoders: [Digest: EventEncoder]) {
        var reader = ByteReader(part.effects.bytes)
        let prefix = Array("\(part.genesis)-\(part.shard)-\(part.batch)-".utf8)
        var position = 0
        for (number, section) in part.sections.enumerated() {
            guard let encoder = encoders[section.version] else {
                preconditionFailure("a batch knows the versions of its effects")
            }
            let end = number + 1 < part.sections.count ? part.sections[number + 1].from : part.effects.count
            // Few names: found by comparing, once a section and name.
            var topicNumbers: [TopicNumber] = []
            while reader.offset < end {
                guard let effect = try? reader.readEffect() else {
                    preconditionFailure("the engine's own effects are whole")
                }
                write(effect, prefix, position, encoder, part.shard, &topicNumbers)
                position += 1
            }
        }
        events += position
    }

    private func write(
        _ effect: Effect, _ idPrefix: [UInt8], _ position: Int, _ encoder: EventEncoder, _ partition: Int32,
        _ topicNumbers: inout [TopicNumber]
    ) {
        let number: Int
        let isLadder = effect.kind == .rungChanged
        if let known = topicNumbers.first(where: { $0.isLadder == isLadder && $0.name.elementsEqual(effect.name) }) {
            number = known.number
        } else {
            number = topicNumber(
                isLadder ? topics.topic(ofLadder: String(decoding: effect.name, as: UTF8.self)) : topics.warnings)
            topicNumbers.append(TopicNumber(isLadder: isLadder, name: effect.name, number: number))
        }
        let keyStart = bytes.count
        bytes.append(contentsOf: effect.customer)
        let valueStart = bytes.count
        var headerNumber = 1
        switch format {
        case .structured: encoder.appendStructured(effect, idPrefix: idPrefix, position: position, to: bytes)
        case .binary:
            encoder.appendData(effect, to: bytes)
            headerNumber = headers.count
            let id = String(decoding: idPrefix, as: UTF8.self) + String(position)
            headers.append(BatchWriter.binaryHeaders(effect, id: id, encoder))
        }
        messages.append(
            OutputMessage(
                topic: number, partition: partition, key: keyStart..<valueStart, value: valueStart..<bytes.count,
                headers: headerNumber))
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

    private func write(_ letter: DeadLetter, partition: Int32) {
        letterMessages[messages.count] = letter
        headers.append(letter.headers + BatchWriter.errorHeaders(letter))
        add(topics.deadLetters, partition: partition, key: letter.key, value: letter.value, headers: headers.count - 1)
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

    /// Replaces the values of letters that were refused for their size, and returns how many; 0 if there is nothing to replace.
    ///
    /// The broker refuses whole batches of messages. Which of them was too large is not told, so the largest ones go first: those that
    /// have at least half the size of the largest.
    func truncate(_ refused: [Int]) -> Int {
        let sizes = refused.map { letterMessages[$0]?.value?.count ?? 0 }
        guard let largest = sizes.max(), largest > 0 else { return 0 }
        let chosen = zip(refused, sizes).filter { $0.1 * 2 >= largest }.map(\.0)
        for index in chosen {
            guard let letter = letterMessages[index], let value = letter.value else { continue }
            let note =
                "{\"truncated\":true,\"topic\":\"\(letter.source.topic)\",\"partition\":\(letter.source.partition),\"offset\":\(letter.offset),\"length\":\(value.count),\"xxh3_128\":\"\(Digest(of: value))\"}"
            messages[index].value = append(Array(note.utf8))
            messages[index].key = letter.key.flatMap { $0.count > 65_536 ? nil : append($0) }
            headers.append(
                BatchWriter.errorHeaders(letter) + [
                    RecordHeader(name: "\(DeadLetter.headerPrefix)truncated", value: Array("true".utf8))
                ])
            messages[index].headers = headers.count - 1
            letterMessages[index]?.value = nil
        }
        return chosen.count
    }
}
