// Sends dead letters to their inputs again, each exactly once: with the record goes a mark into the dead-letter topic, in one transaction.
//
// A replay first fences the one before it and then reads which letters have a mark, so that neither a replay that was killed nor two at
// a time send a letter twice (docs/decisions/0014).
import KafkaTransport
import Model
import Worker

final class DeadLetterReplay {
    enum Skipped: String, CaseIterable {
        case replayedBefore = "replayed before"
        case notAnInput = "its topic is no input of the configuration any more"
        case noSuchPartition = "its input has no such partition any more"
        case gone = "it was cut short, and the record itself is gone from its input"
        case tooLarge = "its input takes no record of its size"
    }

    /// Letters and bytes of one transaction.
    private static let mostLetters = 1_000
    private static let mostBytes = 8 << 20
    /// Header of what is sent again: where the letter lies.
    private static let sourceHeader = "rfmd-replayed-from"

    private let producer: TransactionalProducer?
    private let queue: DeadLetterQueue
    /// Partitions of each input.
    private let inputs: [String: Int32]
    private var pending: [(letter: Letter, record: KeptRecord)] = []
    private var pendingBytes = 0
    private(set) var replayed = 0
    private(set) var skipped: [Skipped: Int] = [:]
    private let tell: (Letter, Skipped) -> Void

    /// `queue` was opened after `producer` was initialized: what an earlier replay committed is known. Without a producer letters are counted
    /// as if they were sent.
    init(
        _ producer: TransactionalProducer?, _ queue: DeadLetterQueue, inputs: [String: Int32],
        tell: @escaping (Letter, Skipped) -> Void
    ) {
        self.producer = producer
        self.queue = queue
        self.inputs = inputs
        self.tell = tell
    }

    private enum Plan {
        case send(KeptRecord)
        case skip(Skipped)
    }

    private func plan(_ letter: Letter) throws(TransportFailure) -> Plan {
        if letter.isReplayed { return .skip(.replayedBefore) }
        guard let partitions = inputs[letter.source.topic] else { return .skip(.notAnInput) }
        guard (0..<partitions).contains(letter.source.partition) else { return .skip(.noSuchPartition) }
        var record = letter.record
        if letter.isTruncated {
            let note = String(decoding: letter.record.value ?? [], as: UTF8.self)
            guard let whole = try queue.record(of: letter.source, at: letter.offset), let value = whole.value,
                note.contains("\(Digest(of: value))")
            else { return .skip(.gone) }
            record = whole
        } else {
            record.timestamp = letter.timestamp
        }
        record.headers = Letter.ownHeaders(record.headers).filter { $0.name != DeadLetterReplay.sourceHeader }
        let place = "\(queue.topic)[\(letter.place.partition)]@\(letter.place.offset)"
        record.headers.append(RecordHeader(name: DeadLetterReplay.sourceHeader, value: Array(place.utf8)))
        return .send(record)
    }

    func add(_ letter: Letter) throws(TransportFailure) {
        switch try plan(letter) {
        case .skip(let reason): skip(letter, reason)
        case .send(let record):
            pending.append((letter, record))
            pendingBytes += (record.key?.count ?? 0) + (record.value?.count ?? 0)
            if pending.count >= DeadLetterReplay.mostLetters || pendingBytes >= DeadLetterReplay.mostBytes {
                try flush()
            }
        }
    }

    private func skip(_ letter: Letter, _ reason: Skipped) {
        skipped[reason, default: 0] += 1
        tell(letter, reason)
    }

    /// Sends what was added.
    func flush() throws(TransportFailure) {
        let letters = pending
        (pending, pendingBytes) = ([], 0)
        if letters.isEmpty { return }
        guard let producer else {
            replayed += letters.count
            return
        }
        switch try commit(letters, producer) {
        case .committed: replayed += letters.count
        case .refused:
            // The broker refuses a whole batch of messages for one of them: one by one, only that one is left.
            for letter in letters {
                switch try commit([letter], producer) {
                case .committed: replayed += 1
                case .refused: skip(letter.letter, .tooLarge)
                }
            }
        }
    }

    private func commit(
        _ letters: [(letter: Letter, record: KeptRecord)], _ producer: TransactionalProducer
    ) throws(TransportFailure) -> CommitOutcome {
        let run = RunWriter(producer)
        for (letter, record) in letters {
            try run.add(
                topic: run.topicNumber(letter.source.topic), partition: letter.source.partition, key: record.key,
                value: record.value, headers: run.headersNumber(record.headers), timestamp: record.timestamp)
            let mark = RecordHeader(
                name: DeadLetterQueue.replayedHeader, value: Array(String(letter.place.offset).utf8))
            try run.add(
                topic: run.topicNumber(queue.topic), partition: letter.place.partition, key: nil, value: nil,
                headers: run.headersNumber([mark]))
        }
        return try run.commit(.none)
    }
}
