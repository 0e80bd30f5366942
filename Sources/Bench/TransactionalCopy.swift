// The least that exactly once takes: consume, produce, send the positions, commit, and again.
import CRDKafka
import Glibc
import Synchronization
import Worker

/// Copies a topic to another on a thread of its own, with as many records a transaction as have come meanwhile.
///
/// Sendable because clients are used by that thread alone, once it was started.
final class TransactionalCopy: @unchecked Sendable {
    private let consumer: KafkaClient
    private let producer: KafkaClient
    private let output: String
    private let partitions: Int
    private let stops = Atomic(false)
    private let ending = Mutex<(hasEnded: Bool, failure: String?)>((false, nil))
    private static let most = 10_000

    init(_ topic: String, to output: String, partitions: Int, _ bootstrap: String) throws(BenchFailure) {
        self.output = output
        self.partitions = partitions
        consumer = try KafkaClient(
            RD_KAFKA_CONSUMER,
            [
                ("bootstrap.servers", bootstrap), ("group.id", "\(topic)-copy"), ("enable.auto.commit", "false"),
                ("isolation.level", "read_committed"), ("auto.offset.reset", "earliest"),
            ])
        producer = try KafkaClient(
            RD_KAFKA_PRODUCER,
            [
                ("bootstrap.servers", bootstrap), ("transactional.id", "\(topic)-copy"), ("linger.ms", "0"),
                ("batch.size", "1000000"), ("queue.buffering.max.messages", "500000"),
            ])
        let list = rd_kafka_topic_partition_list_new(1)
        defer { rd_kafka_topic_partition_list_destroy(list) }
        rd_kafka_topic_partition_list_add(list, topic, -1)
        rd_kafka_subscribe(consumer.pointer, list)
        rd_kafka_poll_set_consumer(consumer.pointer)
    }

    func start() {
        SystemThread.detached("copy") { [self] in
            var failure: String?
            do throws(BenchFailure) { try work() } catch { failure = error.message }
            ending.withLock { $0 = (true, failure) }
        }
    }

    /// Waits for its end; what went wrong, if anything did.
    func stop() -> String? {
        stops.store(true, ordering: .relaxed)
        while !ending.withLock({ $0.hasEnded }) { Machine.pause(milliseconds: 1) }
        return ending.withLock { $0.failure }
    }

    private func work() throws(BenchFailure) {
        try TransactionalCopy.check(rd_kafka_init_transactions(producer.pointer, 30_000), "begin")
        let queue: OpaquePointer? = rd_kafka_queue_get_consumer(consumer.pointer)
        let topic: OpaquePointer? = rd_kafka_topic_new(producer.pointer, output, nil)
        let messages = UnsafeMutablePointer<UnsafeMutablePointer<rd_kafka_message_t>?>.allocate(
            capacity: TransactionalCopy.most)
        defer {
            if let queue { rd_kafka_queue_destroy(queue) }
            if let topic { rd_kafka_topic_destroy(topic) }
            messages.deallocate()
        }
        while !stops.load(ordering: .relaxed) {
            let count = rd_kafka_consume_batch_queue(queue, 5, messages, TransactionalCopy.most)
            if count > 0 { try copy(UnsafeBufferPointer(start: messages, count: Int(count)), to: topic) }
        }
    }

    /// One transaction.
    private func copy(
        _ messages: UnsafeBufferPointer<UnsafeMutablePointer<rd_kafka_message_t>?>, to topic: OpaquePointer?
    )
        throws(BenchFailure)
    {
        var ends: [Int32: Int64] = [:]
        var name: String?
        try TransactionalCopy.check(rd_kafka_begin_transaction(producer.pointer), "begin")
        defer { for message in messages { rd_kafka_message_destroy(message) } }
        for case let message? in messages where message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR {
            ends[message.pointee.partition] = message.pointee.offset + 1
            name = name ?? String(cString: rd_kafka_topic_name(message.pointee.rkt))
            let error = rfmd_produce_to(
                producer.pointer, topic, message.pointee.partition, message.pointee.key, message.pointee.key_len,
                message.pointee.payload, message.pointee.len, nil, 0, nil)
            guard error == RD_KAFKA_RESP_ERR_NO_ERROR else {
                throw BenchFailure(message: "produce: \(String(cString: rd_kafka_err2str(error)))")
            }
        }
        let list = rd_kafka_topic_partition_list_new(Int32(ends.count))
        let membership = rd_kafka_consumer_group_metadata(consumer.pointer)
        defer {
            rd_kafka_topic_partition_list_destroy(list)
            rd_kafka_consumer_group_metadata_destroy(membership)
        }
        for (partition, end) in ends {
            rd_kafka_topic_partition_list_add(list, name, partition).pointee.offset = end
        }
        try TransactionalCopy.check(
            rd_kafka_send_offsets_to_transaction(producer.pointer, list, membership, 30_000), "send positions")
        try TransactionalCopy.check(rd_kafka_commit_transaction(producer.pointer, 30_000), "commit")
    }

    private static func check(_ error: OpaquePointer?, _ what: String) throws(BenchFailure) {
        guard let error else { return }
        defer { rd_kafka_error_destroy(error) }
        throw BenchFailure(message: "\(what): \(String(cString: rd_kafka_error_string(error)))")
    }
}
