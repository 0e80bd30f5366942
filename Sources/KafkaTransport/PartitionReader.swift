// Reads partitions from a place to a place, without a group.
import CRDKafka
import Glibc
import Worker

package final class PartitionReader: LogReader {
    private let client: Client
    /// Asked for high watermarks: a client that reads committed records only is told of the last stable offset in their place.
    private let uncommitted: Client
    /// ms. A range is two questions, and the service manager must hear of the worker in between (20 s).
    private static let questionTimeout: Int32 = 4_000
    /// How long the next record may take, in polls of a second: the longest transaction that is waited for.
    private static let mostIdlePolls = 180

    package init(_ options: ClientOptions, name: String) throws(TransportFailure) {
        client = try Client(
            options, .reader, clientID: "rfmd-\(name)", extra: [("group.id", "\(options.group)-reader")])
        uncommitted = try Client(
            options, .reader, clientID: "rfmd-\(name)-end",
            extra: [("group.id", "\(options.group)-reader"), ("isolation.level", "read_uncommitted")])
    }

    package func close() {
        client.destroy()
        uncommitted.destroy()
    }

    package func range(of partition: TopicPartition) throws(TransportFailure) -> (first: Int64, end: Int64) {
        (try ask(.first, partition), try ask(.end, partition))
    }

    package func openTransactions(in partitions: [TopicPartition]) throws(TransportFailure) -> [TopicPartition] {
        var known: Set<String> = []
        try uncommitted.describeTopics(within: PartitionReader.questionTimeout) {
            known.insert(String(cString: $0.topic))
        }
        // Asked for one of these, librdkafka would wait for it to come.
        if let absent = partitions.first(where: { !known.contains($0.topic) }) {
            throw .missing("there is no \(absent)")
        }
        // In this order: a transaction that ends in between is not open.
        let ends = try self.ends(of: partitions, uncommitted)
        let stable = try self.ends(of: partitions, client)
        return partitions.filter { ends[$0, default: 0] > stable[$0, default: 0] }
    }

    private func ends(of partitions: [TopicPartition], _ client: Client) throws(TransportFailure) -> [TopicPartition:
        Int64]
    {
        switch PartitionEdge.end.ask(client.pointer, partitions, timeout: PartitionReader.questionTimeout) {
        case .success(let offsets): return offsets
        case .failure(let error): throw TransportFailure(error.code, "ends of \(partitions.count) partitions")
        }
    }

    private func ask(_ edge: PartitionEdge, _ partition: TopicPartition) throws(TransportFailure) -> Int64 {
        switch edge.ask(uncommitted.pointer, partition, timeout: PartitionReader.questionTimeout) {
        case .success(let offset): return offset
        case .failure(let error):
            refresh(partition.topic)
            throw TransportFailure(error.code, "offsets of \(partition)")
        }
    }

    /// Asks anew who leads a topic: librdkafka keeps what it was told once for a topic that it does not read, right or wrong.
    private func refresh(_ name: String) {
        guard let topic = rd_kafka_topic_new(uncommitted.pointer, name, nil) else { return }
        defer { rd_kafka_topic_destroy(topic) }
        var metadata: UnsafePointer<rd_kafka_metadata>?
        let error = rd_kafka_metadata(uncommitted.pointer, 0, topic, &metadata, 1_000)
        // Without an answer the next question fails again, and leads here.
        if error == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata { rd_kafka_metadata_destroy(metadata) }
    }

    package func read(
        _ partition: TopicPartition, from: Int64, end: Int64, progress: () throws(TransportFailure) -> Void,
        body: (RawRecord) throws(TransportFailure) -> Void
    ) throws(TransportFailure) {
        var position = max(from, try range(of: partition).first)
        if position >= end { return }
        let list = PartitionList([(partition, position)])
        let error = rd_kafka_assign(client.pointer, list.pointer)
        if error != RD_KAFKA_RESP_ERR_NO_ERROR { throw TransportFailure(error, "read \(partition)") }
        defer { rd_kafka_assign(client.pointer, nil) }
        var idle = 0
        while position < end {
            try progress()
            guard let message = rd_kafka_consumer_poll(client.pointer, 1_000) else {
                idle += 1
                if idle > PartitionReader.mostIdlePolls {
                    throw .retriable("no answer while reading \(partition) at \(position)")
                }
                continue
            }
            idle = 0
            defer { rd_kafka_message_destroy(message) }
            position = try PartitionReader.handle(message, partition, position, end, body)
        }
    }

    /// Returns the position behind a message.
    private static func handle(
        _ message: UnsafeMutablePointer<rd_kafka_message_t>, _ partition: TopicPartition, _ position: Int64,
        _ end: Int64,
        _ body: (RawRecord) throws(TransportFailure) -> Void
    ) throws(TransportFailure) -> Int64 {
        switch message.pointee.err {
        case RD_KAFKA_RESP_ERR_NO_ERROR:
            // What an earlier assignment left behind is told by its topic or its offset.
            guard let topic = message.pointee.rkt, String(cString: rd_kafka_topic_name(topic)) == partition.topic,
                message.pointee.partition == partition.partition, message.pointee.offset >= position
            else { return position }
            if message.pointee.offset < end { try body(GroupConsumer.record(message)) }
            return message.pointee.offset + 1
        case RD_KAFKA_RESP_ERR__PARTITION_EOF:
            guard let topic = message.pointee.rkt, String(cString: rd_kafka_topic_name(topic)) == partition.topic,
                message.pointee.partition == partition.partition
            else { return position }
            return max(position, message.pointee.offset)
        case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
            throw .fatal("\(partition): the records at \(position) are gone")
        default: return position
        }
    }

    package func headers(of record: RawRecord) -> [RecordHeader] { GroupConsumer.headers(of: record) }
}
