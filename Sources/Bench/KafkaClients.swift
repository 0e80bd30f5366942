// librdkafka as plain as it can be used: what writes a measurement's input, and the reader that rfmd is compared with.
import CRDKafka
import Glibc
import Worker

/// A client of librdkafka, destroyed with the object.
final class KafkaClient {
    let pointer: OpaquePointer

    init(
        _ kind: rd_kafka_type_t, _ properties: [(String, String)], prepare: (OpaquePointer) -> Void = { _ in }
    ) throws(BenchFailure) {
        let configuration: OpaquePointer = rd_kafka_conf_new()
        var text = [CChar](repeating: 0, count: 512)
        // Errors alone: what is tried again by itself, as with a broker that has just started, is no news.
        for (name, value) in [("log_level", "3")] + properties {
            guard rd_kafka_conf_set(configuration, name, value, &text, text.count) == RD_KAFKA_CONF_OK else {
                throw BenchFailure(message: "\(name): \(KafkaClient.string(text))")
            }
        }
        prepare(configuration)
        guard let client = rd_kafka_new(kind, configuration, &text, text.count) else {
            throw BenchFailure(message: KafkaClient.string(text))
        }
        pointer = client
    }

    deinit { rd_kafka_destroy_flags(pointer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE) }

    private static func string(_ text: [CChar]) -> String {
        String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}

/// Writes records of a workload, each customer's to one partition.
final class KafkaLoad {
    private let workload: Workload
    private let partitions: Int
    private let client: KafkaClient
    private let topic: OpaquePointer?
    private let name: String
    private let times: AppendTimes?
    private let writer = RecordWriter()
    private let record = UnsafeMutableRawPointer.allocate(byteCount: Workload.recordBytes, alignment: 64)

    /// `linger`: ms that a batch waits for more. `times` are told when each record was appended, by a broker whose topic has LogAppendTime.
    init(
        _ workload: Workload, to topic: String, partitions: Int, _ bootstrap: String, compression: String,
        linger: Int = 20, times: AppendTimes? = nil
    ) throws(BenchFailure) {
        self.workload = workload
        self.partitions = partitions
        self.times = times
        name = topic
        client = try KafkaClient(
            RD_KAFKA_PRODUCER,
            [
                ("bootstrap.servers", bootstrap), ("compression.codec", compression), ("linger.ms", String(linger)),
                ("acks", "1"), ("batch.size", "1000000"), ("queue.buffering.max.messages", "500000"),
            ], prepare: { times?.listen($0) })
        self.topic = rd_kafka_topic_new(client.pointer, topic, nil)
    }

    deinit {
        if let topic { rd_kafka_topic_destroy(topic) }
        record.deallocate()
    }

    /// Hands a record over; it carries the machine's time as its timestamp.
    func write(_ number: Int) throws(BenchFailure) {
        let event = workload.event(number)
        writer.write(event, number: number, to: record)
        while true {
            let error = rfmd_produce_to(
                client.pointer, topic, Int32(event.customer % partitions), record + RecordWriter.idRange.lowerBound,
                Workload.idBytes, record, Workload.recordBytes, nil, 0, AppendTimes.mark(number))
            if error == RD_KAFKA_RESP_ERR_NO_ERROR { return }
            guard error == RD_KAFKA_RESP_ERR__QUEUE_FULL else {
                throw BenchFailure(message: "writing \(name): \(String(cString: rd_kafka_err2str(error)))")
            }
            rd_kafka_poll(client.pointer, 10)
        }
    }

    /// Learns what brokers have answered.
    func serve() { rd_kafka_poll(client.pointer, 0) }

    /// Waits until the broker has everything.
    func flush() throws(BenchFailure) {
        guard rd_kafka_flush(client.pointer, 120_000) == RD_KAFKA_RESP_ERR_NO_ERROR else {
            throw BenchFailure(message: "writing \(name): the broker does not take it")
        }
    }
}

/// When each record was appended, by the broker's clock.
///
/// Sendable because whoever reads does so when the load has been flushed.
final class AppendTimes: @unchecked Sendable {
    private let times: UnsafeMutableBufferPointer<Int64>

    init(count: Int) {
        times = .allocate(capacity: count)
        times.initialize(repeating: 0)
    }

    deinit { times.deallocate() }

    /// ms since 1970.
    func time(_ number: Int) -> Int64 { times[number] }

    /// What a message carries to its delivery report.
    static func mark(_ number: Int) -> UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: number + 1) }

    fileprivate func listen(_ configuration: OpaquePointer) {
        rd_kafka_conf_set_opaque(configuration, Unmanaged.passUnretained(self).toOpaque())
        rd_kafka_conf_set_dr_msg_cb(configuration) { _, message, opaque in
            guard let message, let opaque, message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR else { return }
            var kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
            let time = rd_kafka_message_timestamp(message, &kind)
            precondition(kind == RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME, "the topic was made so")
            let times = Unmanaged<AppendTimes>.fromOpaque(opaque).takeUnretainedValue().times
            times[Int(bitPattern: message.pointee._private) - 1] = time
        }
    }
}

/// Reads with `rd_kafka_consume_batch_queue`: what librdkafka itself allows.
final class RawReader {
    private let client: KafkaClient
    private let queue: OpaquePointer?
    private static let most = 1_000
    private let messages = UnsafeMutablePointer<UnsafeMutablePointer<rd_kafka_message_t>?>.allocate(capacity: most)

    /// Reads from the beginning of every partition.
    init(_ topic: String, partitions: Int, _ bootstrap: String) throws(BenchFailure) {
        client = try KafkaClient(
            RD_KAFKA_CONSUMER,
            [
                ("bootstrap.servers", bootstrap), ("group.id", "\(topic)-raw"), ("enable.auto.commit", "false"),
                ("isolation.level", "read_committed"),
            ])
        let list = rd_kafka_topic_partition_list_new(Int32(partitions))
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for partition in 0..<Int32(partitions) {
            rd_kafka_topic_partition_list_add(list, topic, partition).pointee.offset = 0
        }
        rd_kafka_assign(client.pointer, list)
        queue = rd_kafka_queue_get_consumer(client.pointer)
    }

    deinit {
        if let queue { rd_kafka_queue_destroy(queue) }
        messages.deallocate()
    }

    /// Calls `body` with the values of a full batch, or of what has come after `timeout` ms.
    func poll(timeout: Int32, _ body: (UnsafeRawBufferPointer) -> Void) {
        let count = rd_kafka_consume_batch_queue(queue, timeout, messages, RawReader.most)
        for index in 0..<max(0, count) {
            guard let message = messages[index] else { continue }
            if message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR {
                body(UnsafeRawBufferPointer(start: message.pointee.payload, count: message.pointee.len))
            }
            rd_kafka_message_destroy(message)
        }
    }

    /// Reads so many records and discards them; seconds from the first one on, and of processor time.
    static func read(_ count: Int, of topic: String, partitions: Int, _ bootstrap: String) throws(BenchFailure) -> (
        wall: Double, cpu: Double
    ) {
        let cpuBefore = Machine.processCPUSeconds
        let reader = try RawReader(topic, partitions: partitions, bootstrap)
        var (read, bytes, began) = (0, 0, 0.0)
        let until = Machine.seconds() + 300
        while read < count {
            reader.poll(timeout: 200) { value in
                if read == 0 { began = Machine.seconds() }
                read += 1
                bytes += value.count
            }
            if Machine.seconds() > until { throw BenchFailure(message: "\(topic) could not be read in 300 s") }
        }
        precondition(bytes > 0, "what was read is used")
        return (Machine.seconds() - began, Machine.processCPUSeconds - cpuBefore)
    }
}

/// What a group has committed, seen from outside.
final class GroupPositions {
    private let client: KafkaClient
    private let topic: String
    private let partitions: Int32

    init(_ bootstrap: String, group: String, topic: String, partitions: Int) throws(BenchFailure) {
        client = try KafkaClient(RD_KAFKA_CONSUMER, [("bootstrap.servers", bootstrap), ("group.id", group)])
        self.topic = topic
        self.partitions = Int32(partitions)
    }

    /// Records up to the committed positions of all partitions.
    func sum() -> Int {
        let list = rd_kafka_topic_partition_list_new(partitions)
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for partition in 0..<partitions { rd_kafka_topic_partition_list_add(list, topic, partition) }
        guard rd_kafka_committed(client.pointer, list, 5_000) == RD_KAFKA_RESP_ERR_NO_ERROR, let list else { return 0 }
        return (0..<Int(partitions)).reduce(0) { $0 + max(0, Int(list.pointee.elems[$1].offset)) }
    }
}
