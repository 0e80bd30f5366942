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
        (try ask(.first, partition, uncommitted), try ask(.end, partition, uncommitted))
    }

    package func open(among partitions: [TopicPartition]) throws(TransportFailure) -> [TopicPartition] {
        var open: [TopicPartition] = []
        for partition in partitions {
            do throws(TransportFailure) {
                // In this order: a transaction that ends in between is not open.
                let end = try ask(.end, partition, uncommitted)
                if try ask(.end, partition, client) < end { open.append(partition) }
            } catch {
                guard case .missing = error else { throw error }
            }
        }
        return open
    }

    private func ask(_ edge: PartitionEdge, _ partition: TopicPartition, _ client: Client) throws(TransportFailure)
        -> Int64
    {
        switch edge.ask(client.pointer, partition, timeout: PartitionReader.questionTimeout) {
        case .success(let offset): return offset
        case .failure(let error):
            let isThere = PartitionReader.refresh(partition.topic, client)
            throw TransportFailure(
                isThere ? error.code : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "offsets of \(partition)")
        }
    }

    /// Asks anew who leads a topic: librdkafka keeps what it was told once for a topic that it does not read, right or wrong. False if the brokers say that
    /// there is none.
    private static func refresh(_ name: String, _ client: Client) -> Bool {
        guard let topic = rd_kafka_topic_new(client.pointer, name, nil) else { return true }
        defer { rd_kafka_topic_destroy(topic) }
        var metadata: UnsafePointer<rd_kafka_metadata>?
        let error = rd_kafka_metadata(client.pointer, 0, topic, &metadata, 1_000)
        // Without an answer the next question fails again, and leads here.
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata else { return true }
        defer { rd_kafka_metadata_destroy(metadata) }
        return metadata.pointee.topic_cnt == 0
            || metadata.pointee.topics[0].err != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
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
