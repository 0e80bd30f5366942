// A member of the consumer group that reads each partition through a queue of its own.
import CRDKafka
import Glibc
import Model
import Worker

/// Group metadata of one generation.
final class ConsumerMembership: Membership, @unchecked Sendable {
    /// Read by librdkafka only, from whichever thread commits.
    let pointer: OpaquePointer

    init(_ pointer: OpaquePointer) { self.pointer = pointer }

    deinit { rd_kafka_consumer_group_metadata_destroy(pointer) }
}

/// A partition that is not taken from is held back by librdkafka's bounds on its queue: nothing is ever paused or sought.
package final class GroupConsumer: RecordSource {
    let client: Client
    let returned: ReturnedRecords
    private let prober: EndProber
    /// librdkafka writes to it when a queue that was empty gets something.
    private let bell: Bell
    private let groupQueue: OpaquePointer
    private var events: [GroupEvent] = []
    private var queues: [TopicPartition: Queue] = [:]
    private var isClosed = false
    /// How many answers the prober had when no broker could be reached any more; nil while they can. A further one shows that they can
    /// again: records prove nothing, they may have waited here.
    private var answersWhenDown: Int?
    /// What one broker gave last as the reason: that all are down is told without one, and not again when the reason is another.
    private var lastReason: (code: rd_kafka_resp_err_t, text: String)?
    private var batch = [UnsafeMutablePointer<rd_kafka_message_t>?](repeating: nil, count: 4_096)

    private struct Queue {
        var pointer: OpaquePointer
        /// A record below it was delivered before.
        var next: Int64
    }

    /// `worker` counts from 0. `now` is the machine's clock as far as it is believed, ms. `ahead` bounds what librdkafka holds of
    /// each partition.
    package init(
        _ options: ClientOptions, worker: Int, topics: [String], ahead: FetchAhead,
        now: @escaping @Sendable () -> Int64
    ) throws(TransportFailure) {
        let name = "\(options.instance)-\(worker)"
        client = try Client(
            options, .consumer(ahead), clientID: "rfmd-\(name)",
            extra: [("group.id", options.group), ("group.instance.id", GroupConsumer.member(name, topics))])
        returned = client.callbacks.returned
        bell = Bell()
        groupQueue = rd_kafka_queue_get_consumer(client.pointer)
        prober = EndProber(client.pointer, now: now)
        var one: UInt8 = 1
        rd_kafka_queue_io_event_enable(groupQueue, bell.input, &one, 1)
        client.callbacks.onRebalance = { [unowned self] error, client, partitions in
            rebalanced(error, client, partitions)
        }
        client.callbacks.onError = { [unowned self] code, text in failed(code, text) }
        let list = PartitionList(topics.map { TopicPartition(topic: $0, partition: RD_KAFKA_PARTITION_UA) })
        let error = rd_kafka_subscribe(client.pointer, list.pointer)
        if error != RD_KAFKA_RESP_ERR_NO_ERROR { throw TransportFailure(error, "subscribe") }
    }

    deinit { close() }

    private func rebalanced(
        _ error: rd_kafka_resp_err_t, _ client: OpaquePointer?,
        _ partitions: UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?
    ) {
        switch error {
        case RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS:
            let assigned = partitions.map { PartitionList.elements($0).map(\.partition) } ?? []
            guard let metadata = rd_kafka_consumer_group_metadata(client) else { return }
            events.append(.assigned(assigned, membership: ConsumerMembership(metadata)))
        default:
            events.append(.revoked(lost: rd_kafka_assignment_lost(client) == 1))
        }
    }

    private func failed(_ code: rd_kafka_resp_err_t, _ text: String) {
        switch code {
        case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
            answersWhenDown = prober.answerCount
            events.append(.connection(problem: lastReason?.text ?? text))
        case RD_KAFKA_RESP_ERR__FATAL: events.append(.failed(fatalFailure()))
        case RD_KAFKA_RESP_ERR__AUTHENTICATION, RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR__RESOLVE,
            RD_KAFKA_RESP_ERR__SSL:
            if answersWhenDown != nil && lastReason?.code != code { events.append(.connection(problem: text)) }
            lastReason = (code, text)
        default: break
        }
    }

    /// What made this client useless: librdkafka tells it apart from the error that says so.
    private func fatalFailure() -> TransportFailure {
        var reason = [CChar](repeating: 0, count: 512)
        let code = rd_kafka_fatal_error(client.pointer, &reason, reason.count)
        return TransportFailure(code, cText(reason))
    }

    package func poll(timeout: Int32) -> GroupEvent? {
        if events.isEmpty, let message = rd_kafka_consumer_poll(client.pointer, timeout) {
            // Partitions have queues of their own: what comes here is an error of the group.
            let error = message.pointee.err
            if error == RD_KAFKA_RESP_ERR__FATAL {
                events.append(.failed(fatalFailure()))
            } else if error == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID {
                events.append(.failed(TransportFailure(error, String(cString: rd_kafka_message_errstr(message)))))
            } else if error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART
                || error == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED
                || error == RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED
            {
                events.append(.connection(problem: String(cString: rd_kafka_message_errstr(message))))
            }
            rd_kafka_message_destroy(message)
        }
        if let answers = answersWhenDown, prober.answerCount > answers {
            answersWhenDown = nil
            events.append(.connection(problem: nil))
        }
        return events.isEmpty ? nil : events.removeFirst()
    }

    package func assign(_ positions: [TopicPartition: Int64]) throws(TransportFailure) {
        var one: UInt8 = 1
        for (partition, offset) in positions {
            guard let queue = rd_kafka_queue_get_partition(client.pointer, partition.topic, partition.partition) else {
                throw .fatal("\(partition) has no queue")
            }
            // Before the assignment, so that no record takes the way of the group's queue.
            rd_kafka_queue_forward(queue, nil)
            rd_kafka_queue_io_event_enable(queue, bell.input, &one, 1)
            queues[partition] = Queue(pointer: queue, next: offset)
        }
        let list = PartitionList(positions.map { ($0.key, $0.value) })
        let error = rd_kafka_assign(client.pointer, list.pointer)
        if error != RD_KAFKA_RESP_ERR_NO_ERROR { throw TransportFailure(error, "assign") }
        prober.watch(Array(positions.keys))
    }

    /// The static member's name. Its inputs are part of it: one that comes back with others would be given its old assignment, without
    /// asking the group's leader (docs/decisions/0007).
    private static func member(_ name: String, _ topics: [String]) -> String {
        "\(name)-\(Digest(of: Array(topics.sorted().joined(separator: ",").utf8)).short)"
    }

    package func unassign() {
        prober.watch([])
        for queue in queues.values {
            rd_kafka_queue_io_event_enable(queue.pointer, -1, nil, 0)
            rd_kafka_queue_destroy(queue.pointer)
        }
        queues = [:]
        rd_kafka_assign(client.pointer, nil)
        returned.freeAll()
    }

    package func close() {
        if isClosed { return }
        isClosed = true
        client.callbacks.onRebalance = nil
        client.callbacks.onError = nil
        unassign()
        prober.stop()
        rd_kafka_queue_io_event_enable(groupQueue, -1, nil, 0)
        rd_kafka_queue_destroy(groupQueue)
        client.destroy()
    }

    package func wait(timeout: Int32) { bell.wait(timeout: timeout) }

    package var wake: @Sendable () -> Void { { [bell] in bell.ring() } }

    package func take(_ partition: TopicPartition, limit: Int, into records: inout [RawRecord]) throws(TransportFailure)
        -> Int64?
    {
        guard let queue = queues[partition] else { return nil }
        var next = queue.next
        var end: Int64?
        var failure: TransportFailure?
        let count = rd_kafka_consume_batch_queue(queue.pointer, 0, &batch, min(limit, batch.count))
        for index in 0..<max(0, Int(count)) {
            guard let message = batch[index] else { continue }
            let offset = message.pointee.offset
            if message.pointee.err != RD_KAFKA_RESP_ERR_NO_ERROR {
                if message.pointee.err == RD_KAFKA_RESP_ERR__PARTITION_EOF {
                    end = offset
                } else {
                    failure = failure ?? GroupConsumer.failure(message, partition)
                }
                rd_kafka_message_destroy(message)
            } else if offset < next {
                rd_kafka_message_destroy(message)
            } else {
                next = offset + 1
                end = nil
                records.append(GroupConsumer.record(message))
            }
        }
        queues[partition]?.next = next
        if let failure { throw failure }
        return end
    }

    private static func failure(_ message: UnsafeMutablePointer<rd_kafka_message_t>, _ partition: TopicPartition)
        -> TransportFailure?
    {
        let error = message.pointee.err
        let text = String(cString: rd_kafka_message_errstr(message))
        switch error {
        case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
            return .fatal("\(partition): the records at offset \(message.pointee.offset) are gone: \(text)")
        default:
            // Others are retried inside librdkafka.
            return nil
        }
    }

    static func record(_ message: UnsafeMutablePointer<rd_kafka_message_t>) -> RawRecord {
        var kind = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE
        let timestamp = rd_kafka_message_timestamp(message, &kind)
        let key = message.pointee.key.map { UnsafeRawBufferPointer(start: $0, count: message.pointee.key_len) }
        let value = message.pointee.payload.map { UnsafeRawBufferPointer(start: $0, count: message.pointee.len) }
        return RawRecord(
            offset: message.pointee.offset, timestamp: timestamp < 0 ? nil : timestamp, key: key, value: value,
            message: OpaquePointer(message))
    }

    package func release(_ records: ArraySlice<RawRecord>) {
        returned.add(records)
        if isClosed { returned.freeAll() }
    }

    package func headers(of record: RawRecord) -> [RecordHeader] { GroupConsumer.headers(of: record) }

    static func headers(of record: RawRecord) -> [RecordHeader] {
        if RecordLayout.hasNoHeaders(key: record.key, value: record.value) { return [] }
        guard let message = record.message else { return [] }
        var list: OpaquePointer?
        guard rd_kafka_message_headers(UnsafePointer<rd_kafka_message_t>(message), &list) == RD_KAFKA_RESP_ERR_NO_ERROR,
            let list
        else {
            return []
        }
        var headers: [RecordHeader] = []
        var name: UnsafePointer<CChar>?
        var value: UnsafeRawPointer?
        var size = 0
        while rd_kafka_header_get_all(list, headers.count, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR {
            let bytes = value.map { [UInt8](UnsafeRawBufferPointer(start: $0, count: size)) }
            headers.append(RecordHeader(name: name.map { String(cString: $0) } ?? "", value: bytes))
        }
        return headers
    }

    package func end(of partition: TopicPartition) -> EndAnswer? { prober.answer(partition) }

    package func committed(_ partitions: [TopicPartition]) throws(TransportFailure) -> [TopicPartition: Int64] {
        let list = PartitionList(partitions)
        let error = rd_kafka_committed(client.pointer, list.pointer, 5_000)
        if error != RD_KAFKA_RESP_ERR_NO_ERROR { throw TransportFailure(error, "committed positions") }
        var positions: [TopicPartition: Int64] = [:]
        for (partition, offset, error) in PartitionList.elements(list.pointer) {
            if error != RD_KAFKA_RESP_ERR_NO_ERROR {
                throw TransportFailure(error, "committed position of \(partition)")
            }
            if offset >= 0 { positions[partition] = offset }
        }
        return positions
    }
}
