// Where a partition begins and ends, asked within a time. rd_kafka_query_watermark_offsets is of no use for that: librdkafka 2.0.2 lets it
// wait for as long as the leader that it knows is away, and whoever waits for the caller's thread waits too.
import CRDKafka
import Worker

/// An edge of a partition. The raw value is Kafka's timestamp that stands for it.
enum PartitionEdge: Int64 {
    case first = -2
    /// What a client of its isolation level may read up to.
    case end = -1

    /// At most `timeout` ms for finding the leader and as much for its answer.
    func ask(_ client: OpaquePointer, _ partition: TopicPartition, timeout: Int32) -> Result<Int64, KafkaCode> {
        let list = PartitionList([(partition, rawValue)])
        let error = rd_kafka_offsets_for_times(client, list.pointer, timeout)
        if error != RD_KAFKA_RESP_ERR_NO_ERROR { return .failure(KafkaCode(error)) }
        guard let (_, offset, failure) = PartitionList.elements(list.pointer).first else {
            preconditionFailure("a list of one")
        }
        return failure == RD_KAFKA_RESP_ERR_NO_ERROR ? .success(offset) : .failure(KafkaCode(failure))
    }
}

/// librdkafka's error code as an error.
struct KafkaCode: Error {
    let code: rd_kafka_resp_err_t

    init(_ code: rd_kafka_resp_err_t) { self.code = code }
}
