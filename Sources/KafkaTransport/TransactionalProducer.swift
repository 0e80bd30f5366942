// A transactional producer: everything of a batch, or nothing.
import CRDKafka
import Model
import Worker

package final class TransactionalProducer: TransactionSink {
    private var client: Client
    private let makeClient: () throws(TransportFailure) -> Client
    private var tooLarge: [Int] = []
    /// Offsets of delivered messages that the caller asked for, by message index.
    private var offsets: [Int: Int64] = [:]
    /// The first message of the transaction that was not delivered, and why.
    private var undelivered: String?
    /// librdkafka's handles of the topics that were written to.
    private var topics: [String: OpaquePointer] = [:]

    /// `worker` counts from 0. `messageBytes`: the largest message, with room for headers.
    package convenience init(_ options: ClientOptions, worker: Int, messageBytes: Int) throws(TransportFailure) {
        try self.init(options, name: "\(options.instance)-\(worker)", messageBytes: messageBytes)
    }

    /// A producer of the same group and name fences this one.
    package init(_ options: ClientOptions, name: String, messageBytes: Int) throws(TransportFailure) {
        makeClient = { () throws(TransportFailure) in
            try Client(
                options, .producer(transactionalID: "\(options.group)/\(name)"), clientID: "rfmd-\(name)",
                extra: [("message.max.bytes", String(messageBytes))])
        }
        client = try makeClient()
        listen()
    }

    private func listen() {
        client.callbacks.onDelivery = { [unowned self] message in
            let index = Int(bitPattern: message.pointee._private)
            switch message.pointee.err {
            case RD_KAFKA_RESP_ERR_NO_ERROR: break
            case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE: tooLarge.append(index)
            case RD_KAFKA_RESP_ERR__PURGE_QUEUE, RD_KAFKA_RESP_ERR__PURGE_INFLIGHT: break
            default: undelivered = undelivered ?? TransactionalProducer.text(message)
            }
            if offsets[index] != nil { offsets[index] = message.pointee.offset }
        }
    }

    deinit { close() }

    package func close() {
        for topic in topics.values { rd_kafka_topic_destroy(topic) }
        topics = [:]
        client.destroy()
    }

    private func topic(_ name: String) throws(TransportFailure) -> OpaquePointer {
        if let known = topics[name] { return known }
        guard let topic = rd_kafka_topic_new(client.pointer, name, nil) else {
            throw TransportFailure(rd_kafka_last_error(), "topic \(name)").asAbort
        }
        topics[name] = topic
        return topic
    }

    package func initialize(cancelled: () -> Bool) throws(TransportFailure) {
        while true {
            guard let error = rd_kafka_init_transactions(client.pointer, 2_000) else { return }
            let failure = TransportFailure(taking: error, "begin to produce")
            guard case .retriable = failure, !cancelled() else { throw failure }
            rd_kafka_poll(client.pointer, 0)
        }
    }

    package func commit(_ transaction: SealedTransaction) throws(TransportFailure) -> CommitOutcome {
        (tooLarge, undelivered) = ([], nil)
        offsets = Dictionary(uniqueKeysWithValues: transaction.tracked.map { ($0, -1) })
        if let error = rd_kafka_begin_transaction(client.pointer) {
            throw TransportFailure(taking: error, "begin").asAbort
        }
        let headers = transaction.headers.map(TransactionalProducer.headers)
        defer { for list in headers { rd_kafka_headers_destroy(list) } }
        var handles: [OpaquePointer] = []
        for name in transaction.topics { handles.append(try topic(name)) }
        for (index, message) in transaction.messages.enumerated() {
            try produce(message, index, transaction, handles[message.topic], headers)
        }
        if !tooLarge.isEmpty { return try giveUp() }
        do throws(TransportFailure) {
            try sendPositions(transaction)
            if let error = rd_kafka_commit_transaction(client.pointer, -1) {
                throw TransportFailure(taking: error, "commit").asAbort
            }
        } catch {
            // A message that the broker finds too large fails the transaction wherever it has come to: its delivery report tells.
            if tooLarge.isEmpty { rd_kafka_poll(client.pointer, 100) }
            if case .fenced = error { throw error }
            guard !tooLarge.isEmpty else { throw explained(error, transaction.topics) }
            return try giveUp()
        }
        return .committed(offsets: transaction.tracked.map { offsets[$0] ?? -1 })
    }

    /// What became of a message: `TOPIC[PARTITION]: why`.
    private static func text(_ message: UnsafePointer<rd_kafka_message_t>) -> String {
        let topic = message.pointee.rkt.map { String(cString: rd_kafka_topic_name($0)) } ?? "a topic"
        let partition = TopicPartition(topic: topic, partition: message.pointee.partition)
        let why = String(cString: rd_kafka_err2str(message.pointee.err))
        return "\(partition): \(why)"
    }

    /// Of a failure librdkafka says little: what became of a message, and whether a topic is gone, is found here.
    private func explained(_ failure: TransportFailure, _ topics: [String]) -> TransportFailure {
        var text = failure.text
        if let undelivered { text += "; \(undelivered)" }
        var known: Set<String> = []
        do throws(TransportFailure) {
            try client.describeTopics(within: 2_000) { known.insert(String(cString: $0.topic)) }
            for topic in topics where !known.contains(topic) {
                text += "; there is no topic '\(topic)' any more: start rfmd again, which makes it"
            }
        } catch {
            // Then there is no more to say.
        }
        switch failure {
        case .abort: return .abort(text)
        case .missing: return .missing(text)
        case .fatal: return .fatal(text)
        case .retriable, .fenced: return failure
        }
    }

    private func sendPositions(_ transaction: SealedTransaction) throws(TransportFailure) {
        if transaction.positions.isEmpty { return }
        let list = PartitionList(transaction.positions)
        guard let membership = transaction.membership as? ConsumerMembership else {
            throw .fatal("not a membership of Kafka")
        }
        // Retriable, and sent again with the same arguments: nothing of it is visible before the commit.
        var attempts = 0
        while let error = rd_kafka_send_offsets_to_transaction(client.pointer, list.pointer, membership.pointer, 30_000)
        {
            attempts += 1
            let failure = TransportFailure(taking: error, "send positions")
            guard case .retriable = failure, attempts < 10 else { throw failure.asAbort }
        }
    }

    /// Leaves the transaction to a new producer of the same name, which aborts it: after a refused message the sequence numbers of the old
    /// one are out of step with the broker's.
    private func giveUp() throws(TransportFailure) -> CommitOutcome {
        let refused = Array(Set(tooLarge)).sorted()
        close()
        client = try makeClient()
        listen()
        let until = TrustedClock.monotonic() + TransactionalProducer.giveUpMilliseconds
        do throws(TransportFailure) { try initialize { TrustedClock.monotonic() > until } } catch {
            throw error.asAbort
        }
        return .refused(tooLarge: refused)
    }

    private static let giveUpMilliseconds: Int64 = 30_000

    private func produce(
        _ message: OutputMessage, _ index: Int, _ transaction: SealedTransaction, _ topic: OpaquePointer,
        _ headers: [OpaquePointer]
    ) throws(TransportFailure) {
        let base = transaction.bytes.baseAddress
        while true {
            let list =
                transaction.headers[message.headers].isEmpty ? nil : rd_kafka_headers_copy(headers[message.headers])
            let error = rfmd_produce_to(
                client.pointer, topic, message.partition, message.key.flatMap { base?.advanced(by: $0.lowerBound) },
                message.key?.count ?? 0, message.value.flatMap { base?.advanced(by: $0.lowerBound) },
                message.value?.count ?? 0, list,
                message.timestamp ?? 0, UnsafeMutableRawPointer(bitPattern: index))
            if error == RD_KAFKA_RESP_ERR_NO_ERROR { return }
            if let list { rd_kafka_headers_destroy(list) }
            switch error {
            case RD_KAFKA_RESP_ERR__QUEUE_FULL: rd_kafka_poll(client.pointer, 50)
            case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
                tooLarge.append(index)
                return
            default:
                let failure = TransportFailure(error, "produce to \(transaction.topics[message.topic])")
                throw failure.asAbort
            }
        }
    }

    private static func headers(_ headers: [RecordHeader]) -> OpaquePointer {
        let list: OpaquePointer = rd_kafka_headers_new(headers.count)
        for header in headers {
            if let value = header.value {
                value.withUnsafeBytes {
                    // An empty value is not a missing one: librdkafka tells them apart by the pointer.
                    let base = $0.baseAddress ?? UnsafeRawPointer(bitPattern: 1)
                    _ = rd_kafka_header_add(list, header.name, -1, base, $0.count)
                }
            } else {
                rd_kafka_header_add(list, header.name, -1, nil, 0)
            }
        }
        return list
    }
}

extension TransportFailure {
    /// A retriable failure that was not retried in time leaves the transaction in doubt.
    fileprivate var asAbort: TransportFailure {
        if case .retriable(let text) = self { return .abort(text) }
        return self
    }
}
