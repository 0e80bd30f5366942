// Reads partitions from a place to a place, without a group.
import CRDKafka
import Glibc
import Worker

package final class PartitionReader: LogReader {
    private let client: Client

    package init(_ options: ClientOptions, name: String) throws(TransportFailure) {
        client = try Client(options, .reader, clientID: "rfmd-\(name)", extra: [("group.id", "\(options.group)-reader")])
    }

    package func close() { client.destroy() }

    package func range(of partition: TopicPartition) throws(TransportFailure) -> (first: Int64, end: Int64) {
        var first: Int64 = 0
        var end: Int64 = 0
        let error = rd_kafka_query_watermark_offsets(client.pointer, partition.topic, partition.partition, &first, &end, 10_000)
        if error != RD_KAFKA_RESP_ERR_NO_ERROR { throw TransportFailure(error, "offsets of \(partition)") }
        return (first, end)
    }

    package func read(_ partition: TopicPartition, from: Int64, end: Int64, body: (RawRecord) throws(TransportFailure) -> Void)
        throws(TransportFailure)
    {
        let first = try range(of: partition).first
        var position = max(from, first)
        if position >= end { return }
        let list = PartitionList([(partition, position)])
        let error = rd_kafka_assign(client.pointer, list.pointer)
        if error != RD_KAFKA_RESP_ERR_NO_ERROR { throw TransportFailure(error, "read \(partition)") }
        defer { rd_kafka_assign(client.pointer, nil) }
        var idle = 0
        while position < end {
            guard let message = rd_kafka_consumer_poll(client.pointer, 500) else {
                idle += 1
                if idle > 60 { throw .retriable("no answer while reading \(partition) at \(position)") }
                continue
            }
            idle = 0
            defer { rd_kafka_message_destroy(message) }
            switch message.pointee.err {
            case RD_KAFKA_RESP_ERR_NO_ERROR:
                if message.pointee.offset >= position && message.pointee.offset < end {
                    try body(GroupConsumer.record(message))
                }
                position = max(position, message.pointee.offset + 1)
            case RD_KAFKA_RESP_ERR__PARTITION_EOF: position = max(position, message.pointee.offset)
            case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
                throw .fatal("\(partition): the records at \(position) are gone")
            default: break
            }
        }
    }

    package func headers(of record: RawRecord) -> [RecordHeader] { GroupConsumer.headers(of: record) }
}
