// The dead-letter topic as it is read back: letters, and the marks of those that were sent to their input again.
import KafkaTransport
import Model
import Worker

/// Names a letter: PARTITION:OFFSET in the dead-letter topic.
package struct LetterPlace: Hashable, CustomStringConvertible {
    var partition: Int32
    var offset: Int64

    package init(partition: Int32, offset: Int64) {
        self.partition = partition
        self.offset = offset
    }

    package init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let partition = Int32(parts[0]), let offset = Int64(parts[1]), partition >= 0,
            offset >= 0
        else { return nil }
        self.init(partition: partition, offset: offset)
    }

    package var description: String { "\(partition):\(offset)" }
}

/// A record as it lies in a topic.
package struct KeptRecord {
    var timestamp: Int64?
    var key: [UInt8]?
    var value: [UInt8]?
    var headers: [RecordHeader]

    package init(_ raw: RawRecord, headers: [RecordHeader]) {
        timestamp = raw.timestamp
        key = raw.key.map { [UInt8]($0) }
        value = raw.value.map { [UInt8]($0) }
        self.headers = headers
    }

    /// The last of that name: rfmd's own stand behind those of the record.
    func header(_ name: String, from begin: Int = 0) -> String? {
        headers[begin...].last { $0.name == name }?.value.map { String(decoding: $0, as: UTF8.self) }
    }

    /// Of the headers that rfmd adds to a letter: they begin with the topic. A record that comes from a dead-letter topic has the like of
    /// its own before them, more than these perhaps.
    func error(_ name: String) -> String? {
        let begin = headers.lastIndex { $0.name == DeadLetter.headerPrefix + "topic" } ?? 0
        return header(DeadLetter.headerPrefix + name, from: begin)
    }
}

package struct Letter {
    var place: LetterPlace
    var record: KeptRecord
    /// Where the rejected record was read.
    var source: TopicPartition
    var offset: Int64
    /// It was sent to its input again.
    var isReplayed: Bool

    /// nil if the record is no letter of rfmd.
    package init?(_ record: KeptRecord, at place: LetterPlace, isReplayed: Bool) {
        guard record.error("reason") != nil, let topic = record.error("topic"),
            let partition = record.error("partition").flatMap({ Int32($0) }),
            let offset = record.error("offset").flatMap({ Int64($0) }), (0..<Int64.max).contains(offset)
        else { return nil }
        self.record = record
        self.place = place
        self.isReplayed = isReplayed
        source = TopicPartition(topic: topic, partition: partition)
        self.offset = offset
    }

    package var reason: String { record.error("reason") ?? "" }
    var message: String { record.error("exception.message") ?? "" }
    /// Of the rejected record; nil if it had none.
    var timestamp: Int64? { record.error("timestamp").flatMap { Int64($0) } }
    /// The value is a note in place of the record's own.
    var isTruncated: Bool { record.error("truncated") == "true" }
    /// The record's own.
    var ownHeaders: [RecordHeader] { Letter.ownHeaders(record.headers) }

    static func ownHeaders(_ headers: [RecordHeader]) -> [RecordHeader] {
        headers.filter { !$0.name.hasPrefix(DeadLetter.headerPrefix) }
    }
}

/// What the topic held when it was opened. Reading waits for transactions that were open then.
final class DeadLetterQueue {
    /// Header of a mark, whose value is the offset of the letter that was sent again, in the same partition.
    static let replayedHeader = DeadLetter.headerPrefix + "replayed"

    let topic: String
    private let reader: PartitionReader
    /// Reads single records, also while `reader` reads letters.
    private let picker: PartitionReader
    /// Of each partition.
    private var ends: [Int64] = []
    private(set) var replayed: Set<LetterPlace> = []
    private let waiting: (String) -> Void
    /// Polls of a second without a record after which waiting is told.
    private static let quietPolls = 5

    /// `waiting` is called when an answer takes long.
    init(_ client: ClientOptions, topic: String, partitions: Int32, waiting: @escaping (String) -> Void)
        throws(TransportFailure)
    {
        self.topic = topic
        self.waiting = waiting
        reader = try PartitionReader(client, name: client.instance)
        picker = try PartitionReader(client, name: client.instance)
        for partition in 0..<partitions {
            ends.append(try reader.range(of: TopicPartition(topic: topic, partition: partition)).end)
        }
        for partition in 0..<partitions {
            try read(partition) { (offset, record) throws(TransportFailure) in
                guard record.error("reason") == nil,
                    let replayed = record.header(DeadLetterQueue.replayedHeader).flatMap({ Int64($0) })
                else { return }
                self.replayed.insert(LetterPlace(partition: partition, offset: replayed))
            }
        }
    }

    func close() {
        reader.close()
        picker.close()
    }

    /// Calls `body` with every letter, partition by partition, until it answers false.
    func letters(_ body: (Letter) throws(TransportFailure) -> Bool) throws(TransportFailure) {
        var goesOn = true
        for partition in ends.indices.map(Int32.init) where goesOn {
            try read(partition) { (offset, record) throws(TransportFailure) in
                let place = LetterPlace(partition: partition, offset: offset)
                guard goesOn,
                    let letter = Letter(record, at: place, isReplayed: self.replayed.contains(place))
                else { return }
                goesOn = try body(letter)
            }
        }
    }

    /// nil if there is none at this place.
    func letter(at place: LetterPlace) throws(TransportFailure) -> Letter? {
        guard Int(place.partition) < ends.count, place.offset < ends[Int(place.partition)] else { return nil }
        let partition = TopicPartition(topic: topic, partition: place.partition)
        guard let record = try record(of: partition, at: place.offset) else { return nil }
        return Letter(record, at: place, isReplayed: replayed.contains(place))
    }

    /// The record at one place of any topic; nil if it is gone.
    func record(of partition: TopicPartition, at offset: Int64) throws(TransportFailure) -> KeptRecord? {
        var found: KeptRecord?
        try read(picker, partition, from: offset, end: offset + 1) { (at, record) throws(TransportFailure) in
            if at == offset { found = record }
        }
        return found
    }

    private func read(
        _ partition: Int32, _ body: (Int64, KeptRecord) throws(TransportFailure) -> Void
    ) throws(TransportFailure) {
        try read(
            reader, TopicPartition(topic: topic, partition: partition), from: 0, end: ends[Int(partition)],
            body)
    }

    private func read(
        _ reader: PartitionReader, _ partition: TopicPartition, from: Int64, end: Int64,
        _ body: (Int64, KeptRecord) throws(TransportFailure) -> Void
    ) throws(TransportFailure) {
        var quiet = 0
        try reader.read(
            partition, from: from, end: end,
            progress: { () throws(TransportFailure) in
                quiet += 1
                if quiet == DeadLetterQueue.quietPolls {
                    waiting("waiting for the broker, or for the end of an open transaction, in \(partition)")
                }
            },
            body: { (raw: RawRecord) throws(TransportFailure) in
                quiet = 0
                try body(raw.offset, KeptRecord(raw, headers: reader.headers(of: raw)))
            })
    }
}
