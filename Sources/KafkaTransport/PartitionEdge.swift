// Where a partition begins and ends, asked within a time. rd_kafka_query_watermark_offsets is of no use for that: librdkafka 2.0.2 lets it
// wait for as long as the leader that it knows is away, and whoever waits for the caller's thread waits too.
import CRDKafka
import Worker

/// An edge of a partition. The raw value is Kafka's timestamp that stands for it.
enum PartitionEdge: Int64 {
    case first = -2
    /// What a client of its isolation level may read up to.
    case end = -1

    /// At most `timeout` ms.
    func ask(_ client: OpaquePointer, _ partition: TopicPartition, timeout: Int32) -> Result<Int64, KafkaCode> {
        ask(client, [partition], timeout: timeout).map { $0[partition] ?? 0 }
    }

    /// The same of several partitions at once: all, or the failure of one.
    func ask(
        _ client: OpaquePointer, _ partitions: [TopicPartition], timeout: Int32
    ) -> Result<[TopicPartition: Int64], KafkaCode> {
        let list = PartitionList(partitions.map { ($0, rawValue) })
        let error = rd_kafka_offsets_for_times(client, list.pointer, timeout)
        if error != RD_KAFKA_RESP_ERR_NO_ERROR { return .failure(KafkaCode(error)) }
        var offsets: [TopicPartition: Int64] = [:]
        for (partition, offset, failure) in PartitionList.elements(list.pointer) {
            if failure != RD_KAFKA_RESP_ERR_NO_ERROR { return .failure(KafkaCode(failure)) }
            offsets[partition] = offset
        }
        return .success(offsets)
    }
}

/// librdkafka's error code as an error.
struct KafkaCode: Error {
    let code: rd_kafka_resp_err_t

    init(_ code: rd_kafka_resp_err_t) { self.code = code }
}
