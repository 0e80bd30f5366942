// What tests do to Kafka besides reading: produce records as a shop does, and look at or move a group's positions.
import CRDKafka
import Foundation
import TestSupport
import Worker

/// A record that a test writes.
struct NewRecord {
    var key: [UInt8]?
    var value: [UInt8]?
    /// ms; nil: the client's clock.
    var timestamp: Int64?
    var headers: [RecordHeader] = []

    init(key: [UInt8]?, value: [UInt8]?, timestamp: Int64? = nil, headers: [RecordHeader] = []) {
        self.key = key
        self.value = value
        self.timestamp = timestamp
        self.headers = headers
    }

    init(_ customer: String, _ json: String, timestamp: Int64? = nil, headers: [RecordHeader] = []) {
        self.init(key: Array(customer.utf8), value: Array(json.utf8), timestamp: timestamp, headers: headers)
    }
}

private func makeClient(_ kind: rd_kafka_type_t, _ settings: [(String, String)]) throws -> OpaquePointer {
    let conf = rd_kafka_conf_new()
    var text = [CChar](repeating: 0, count: 512)
    for (name, value) in settings where rd_kafka_conf_set(conf, name, value, &text, text.count) != RD_KAFKA_CONF_OK {
        throw Missing("property \(name)=\(value): \(text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) })")
    }
    guard let client = rd_kafka_new(kind, conf, &text, text.count) else { throw Missing("a client of Kafka") }
    return client
}

/// An idempotent producer that places keys as Java's does (murmur2). May be used from one thread at a time.
final class TestProducer: @unchecked Sendable {
    private let client: OpaquePointer

    init(_ bootstrap: String, transactionalID: String? = nil) throws {
        var settings = [
            ("bootstrap.servers", bootstrap), ("enable.idempotence", "true"), ("partitioner", "murmur2_random"),
            ("linger.ms", "2"),
            ("message.max.bytes", "20000000"), ("log_level", "0"), ("topic.metadata.refresh.interval.ms", "5000"),
        ]
        if let transactionalID { settings.append(("transactional.id", transactionalID)) }
        client = try makeClient(RD_KAFKA_PRODUCER, settings)
        if transactionalID != nil, let error = rd_kafka_init_transactions(client, 30_000) { throw failure(error) }
    }

    deinit { rd_kafka_destroy(client) }

    private func failure(_ error: OpaquePointer) -> Missing {
        defer { rd_kafka_error_destroy(error) }
        return Missing("a transaction: \(String(cString: rd_kafka_error_string(error)))")
    }

    /// `partition` nil: by the key.
    func send(_ record: NewRecord, to topic: String, partition: Int32? = nil) throws {
        let headers = record.headers.isEmpty ? nil : rd_kafka_headers_new(record.headers.count)
        for header in record.headers {
            guard let value = header.value else {
                rd_kafka_header_add(headers, header.name, -1, nil, 0)
                continue
            }
            value.withUnsafeBytes {
                // An empty value is not a missing one.
                _ = rd_kafka_header_add(
                    headers, header.name, -1, $0.baseAddress ?? UnsafeRawPointer(bitPattern: 1), $0.count)
            }
        }
        while true {
            let error = produce(record, topic, partition, headers)
            if error == RD_KAFKA_RESP_ERR_NO_ERROR { return }
            guard error == RD_KAFKA_RESP_ERR__QUEUE_FULL else {
                throw Missing("a record sent to \(topic): \(String(cString: rd_kafka_err2str(error))) \(fatalReason)")
            }
            rd_kafka_poll(client, 20)
        }
    }

    /// Why nothing can be sent any more; empty while that is not so.
    var fatalReason: String {
        var text = [CChar](repeating: 0, count: 512)
        if rd_kafka_fatal_error(client, &text, text.count) == RD_KAFKA_RESP_ERR_NO_ERROR { return "" }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func produce(_ record: NewRecord, _ topic: String, _ partition: Int32?, _ headers: OpaquePointer?)
        -> rd_kafka_resp_err_t
    {
        (record.key ?? []).withUnsafeBytes { key in
            (record.value ?? []).withUnsafeBytes { value in
                // An empty key or value is not a missing one.
                let some = UnsafeRawPointer(bitPattern: 1)
                return rfmd_produce(
                    client, topic, partition ?? RD_KAFKA_PARTITION_UA,
                    record.key == nil ? nil : key.baseAddress ?? some, key.count,
                    record.value == nil ? nil : value.baseAddress ?? some, value.count, headers, record.timestamp ?? 0,
                    nil)
            }
        }
    }

    /// Waits until everything is acknowledged.
    func flush(seconds: Int32 = 60) throws {
        if rd_kafka_flush(client, seconds * 1_000) != RD_KAFKA_RESP_ERR_NO_ERROR {
            throw Missing("acknowledged records")
        }
    }

    func send(_ records: [NewRecord], to topic: String, partition: Int32? = nil) throws {
        for record in records { try send(record, to: topic, partition: partition) }
        try flush()
    }

    func begin() throws { if let error = rd_kafka_begin_transaction(client) { throw failure(error) } }
    func commit() throws { if let error = rd_kafka_commit_transaction(client, -1) { throw failure(error) } }
    func abort() throws { if let error = rd_kafka_abort_transaction(client, -1) { throw failure(error) } }
}

/// Positions of a consumer group, seen and set from outside.
final class GroupPositions {
    private let client: OpaquePointer

    init(_ bootstrap: String, group: String) throws {
        client = try makeClient(
            RD_KAFKA_CONSUMER,
            [
                ("bootstrap.servers", bootstrap), ("group.id", group), ("log_level", "0"),
                ("enable.auto.commit", "false"),
            ])
    }

    deinit { rd_kafka_destroy(client) }

    /// nil while a transaction with positions is open, or no broker answers.
    func committed(_ partitions: [TopicPartition]) -> [TopicPartition: Int64]? {
        let list = rd_kafka_topic_partition_list_new(Int32(partitions.count))
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for partition in partitions { rd_kafka_topic_partition_list_add(list, partition.topic, partition.partition) }
        guard rd_kafka_committed(client, list, 5_000) == RD_KAFKA_RESP_ERR_NO_ERROR, let list else { return nil }
        var positions: [TopicPartition: Int64] = [:]
        for index in 0..<Int(list.pointee.cnt) where list.pointee.elems[index].offset >= 0 {
            let element = list.pointee.elems[index]
            positions[TopicPartition(topic: String(cString: element.topic), partition: element.partition)] =
                element.offset
        }
        return positions
    }

    /// Moves a position. False while the group has members.
    func set(_ partition: TopicPartition, to offset: Int64) -> Bool {
        let list = rd_kafka_topic_partition_list_new(1)
        defer { rd_kafka_topic_partition_list_destroy(list) }
        rd_kafka_topic_partition_list_add(list, partition.topic, partition.partition).pointee.offset = offset
        return rd_kafka_commit(client, list, 0) == RD_KAFKA_RESP_ERR_NO_ERROR
    }
}

/// A member of a consumer group that takes partitions and reads nothing of them. It has no name that outlives it, so it leaves at once.
final class GroupMember {
    private let client: OpaquePointer

    init(_ bootstrap: String, group: String, topics: [String]) throws {
        client = try makeClient(
            RD_KAFKA_CONSUMER,
            [
                ("bootstrap.servers", bootstrap), ("group.id", group), ("log_level", "0"),
                ("enable.auto.commit", "false"), ("partition.assignment.strategy", "range"),
                ("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "300"),
            ])
        rd_kafka_poll_set_consumer(client)
        let list = rd_kafka_topic_partition_list_new(Int32(topics.count))
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for topic in topics { rd_kafka_topic_partition_list_add(list, topic, RD_KAFKA_PARTITION_UA) }
        let error = rd_kafka_subscribe(client, list)
        if error != RD_KAFKA_RESP_ERR_NO_ERROR {
            throw Missing("a member of \(group): \(String(cString: rd_kafka_err2str(error)))")
        }
    }

    deinit { rd_kafka_destroy(client) }

    func awaitAssignment() throws {
        try wait(for: "an assignment", seconds: 30) {
            if let message = rd_kafka_consumer_poll(client, 20) { rd_kafka_message_destroy(message) }
            var list: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
            guard rd_kafka_assignment(client, &list) == RD_KAFKA_RESP_ERR_NO_ERROR, let list else { return false }
            defer { rd_kafka_topic_partition_list_destroy(list) }
            return list.pointee.cnt > 0
        }
    }

    func leave() { rd_kafka_consumer_close(client) }
}

/// In-sync replicas of the partition that has the fewest; nil if no broker answers.
func leastInSync(_ bootstrap: String) throws -> Int? {
    let client = try makeClient(RD_KAFKA_PRODUCER, [("bootstrap.servers", bootstrap), ("log_level", "0")])
    defer { rd_kafka_destroy(client) }
    var answer: UnsafePointer<rd_kafka_metadata>?
    guard rd_kafka_metadata(client, 1, nil, &answer, 5_000) == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata = answer else {
        return nil
    }
    defer { rd_kafka_metadata_destroy(metadata) }
    var least: Int32?
    for topic in UnsafeBufferPointer(start: metadata.pointee.topics, count: Int(metadata.pointee.topic_cnt)) {
        for partition in UnsafeBufferPointer(start: topic.partitions, count: Int(topic.partition_cnt)) {
            least = min(least ?? .max, partition.isr_cnt)
        }
    }
    return least.map(Int.init)
}
