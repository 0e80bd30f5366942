// A transactional producer: everything of a batch, or nothing.
import CRDKafka
import Glibc
import Model
import Worker

package final class TransactionalProducer: TransactionSink {
    private var client: Client
    private let makeClient: () throws(TransportFailure) -> Client
    /// librdkafka's handles of the topics that were written to.
    private var topics: [String: OpaquePointer] = [:]
    private var open: OpenTransaction?

    /// What is known of the transaction that is being written.
    private struct OpenTransaction {
        /// Names of the topics it writes to.
        var topics: [String] = []
        var messages = 0
        /// Offsets of delivered messages that the caller asked for, by number; -1 until then.
        var offsets: [Int: Int64] = [:]
        var tooLarge: Set<Int> = []
        /// The first message that was not delivered, and why.
        var undelivered: String?
        /// librdkafka takes no more messages: the transaction is lost already, and what follows is not sent. The reason is told by the calls that
        /// would end it.
        var refusal: TransportFailure?
    }

    /// `worker` counts from 0. `messageBytes`: the largest message, with room for headers.
    package convenience init(_ options: ClientOptions, worker: Int, messageBytes: Int) throws(TransportFailure) {
        try self.init(options, name: "\(options.instance)-\(worker)", messageBytes: messageBytes)
    }

    /// A producer of the same group and name fences this one.
    package init(_ options: ClientOptions, name: String, messageBytes: Int) throws(TransportFailure) {
        makeClient = { () throws(TransportFailure) in
            try Client(
                options, .producer(transactionalID: "\(options.group)/\(name)"), clientID: "rfmd-\(name)",
                extra: [
                    ("message.max.bytes", String(messageBytes)),
                    ("queue.buffering.max.kbytes", String(options.producerKilobytes(largest: messageBytes))),
                ])
        }
        client = try makeClient()
        listen()
    }

    private func listen() {
        client.callbacks.onDelivery = { [unowned self] message in
            let mark = Mark(message.pointee._private)
            // Nearly all of them.
            if message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR && !mark.isTracked { return }
            switch message.pointee.err {
            case RD_KAFKA_RESP_ERR_NO_ERROR: open?.offsets[mark.number] = message.pointee.offset
            case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE: open?.tooLarge.insert(mark.number)
            case RD_KAFKA_RESP_ERR__PURGE_QUEUE, RD_KAFKA_RESP_ERR__PURGE_INFLIGHT: break
            default: if open?.undelivered == nil { open?.undelivered = TransactionalProducer.text(message) }
            }
        }
    }

    /// What a message carries with it to its delivery: its number in the transaction, and whether its offset is wanted.
    private struct Mark {
        var number: Int
        var isTracked: Bool

        init(number: Int, isTracked: Bool) { (self.number, self.isTracked) = (number, isTracked) }

        init(_ pointer: UnsafeMutableRawPointer?) {
            let bits = Int(bitPattern: pointer)
            self.init(number: bits >> 1, isTracked: bits & 1 == 1)
        }

        var pointer: UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: number << 1 | (isTracked ? 1 : 0)) }
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

    private func begin() throws(TransportFailure) {
        if open != nil { return }
        if let error = rd_kafka_begin_transaction(client.pointer) {
            throw TransportFailure(taking: error, "begin").asAbort
        }
        open = OpenTransaction()
    }

    package func produce(_ run: MessageRun) throws(TransportFailure) {
        try begin()
        open?.topics = run.topics
        let headers = run.headers.map { $0.isEmpty ? nil : TransactionalProducer.headers($0) }
        defer { for list in headers { if let list { rd_kafka_headers_destroy(list) } } }
        var handles: [OpaquePointer] = []
        for name in run.topics { handles.append(try topic(name)) }
        let first = open?.messages ?? 0
        open?.messages += run.messages.count
        for (place, message) in run.messages.enumerated() {
            if open?.refusal != nil { return }
            let mark = Mark(number: first + place, isTracked: message.isTracked)
            try produce(message, mark, run, handles[message.topic], headers[message.headers])
        }
    }

    package func commit(_ inputs: InputPositions) throws(TransportFailure) -> CommitOutcome {
        try begin()
        if hasTooLarge { return try giveUp() }
        do throws(TransportFailure) {
            try sendPositions(inputs)
            if let refusal = open?.refusal { throw refusal }
            if let error = rd_kafka_commit_transaction(client.pointer, -1) {
                throw TransportFailure(taking: error, "commit").asAbort
            }
        } catch {
            // A message that the broker finds too large fails the transaction wherever it has come to: its delivery report tells.
            if !hasTooLarge { rd_kafka_poll(client.pointer, 100) }
            if case .fenced = error { throw error }
            guard hasTooLarge else { throw explained(error) }
            return try giveUp()
        }
        defer { open = nil }
        let offsets = open?.offsets ?? [:]
        return .committed(offsets: offsets.sorted { $0.key < $1.key }.map(\.value))
    }

    /// Brokers write a transaction's markers when its commit has been answered. Whoever begins the next one before that is refused, and librdkafka
    /// tries again after 20 ms (docs/decisions/0018).
    package func rest() { usleep(TransactionalProducer.markerMicroseconds) }

    private static let markerMicroseconds: useconds_t = 4_000

    package func abort(_ inputs: InputPositions) throws(TransportFailure) {
        try begin()
        try sendPositions(inputs)
        // An abort takes back what was not sent yet.
        let flushed = rd_kafka_flush(client.pointer, TransactionalProducer.flushMilliseconds)
        if let error = rd_kafka_abort_transaction(client.pointer, -1) {
            throw TransportFailure(taking: error, "abort").asAbort
        }
        defer { open = nil }
        if let refusal = open?.refusal { throw refusal }
        if let undelivered = open?.undelivered { throw .abort(undelivered) }
        if flushed != RD_KAFKA_RESP_ERR_NO_ERROR { throw TransportFailure(flushed, "flush").asAbort }
    }

    private static let flushMilliseconds: Int32 = 30_000

    private var hasTooLarge: Bool { open?.tooLarge.isEmpty == false }

    /// What became of a message: `TOPIC[PARTITION]: why`.
    private static func text(_ message: UnsafePointer<rd_kafka_message_t>) -> String {
        let topic = message.pointee.rkt.map { String(cString: rd_kafka_topic_name($0)) } ?? "a topic"
        let partition = TopicPartition(topic: topic, partition: message.pointee.partition)
        let why = String(cString: rd_kafka_err2str(message.pointee.err))
        return "\(partition): \(why)"
    }

    /// Of a failure librdkafka says little: what became of a message, and whether a topic is gone, is found here.
    private func explained(_ failure: TransportFailure) -> TransportFailure {
        var text = failure.text
        if let undelivered = open?.undelivered { text += "; \(undelivered)" }
        var known: Set<String> = []
        do throws(TransportFailure) {
            try client.describeTopics(within: 2_000) { known.insert(String(cString: $0.topic)) }
            for topic in open?.topics ?? [] where !known.contains(topic) {
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

    private func sendPositions(_ inputs: InputPositions) throws(TransportFailure) {
        if inputs.positions.isEmpty { return }
        let list = PartitionList(inputs.positions)
        guard let membership = inputs.membership as? ConsumerMembership else {
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
        let refused = open?.tooLarge.sorted() ?? []
        open = nil
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
        _ message: OutputMessage, _ mark: Mark, _ run: MessageRun, _ topic: OpaquePointer, _ headers: OpaquePointer?
    ) throws(TransportFailure) {
        if mark.isTracked { open?.offsets[mark.number] = -1 }
        let base = run.bytes.baseAddress
        while true {
            let list = headers.flatMap { rd_kafka_headers_copy($0) }
            let error = rfmd_produce_to(
                client.pointer, topic, message.partition, message.key.flatMap { base?.advanced(by: $0.lowerBound) },
                message.key?.count ?? 0, message.value.flatMap { base?.advanced(by: $0.lowerBound) },
                message.value?.count ?? 0, list, message.timestamp ?? 0, mark.pointer)
            if error == RD_KAFKA_RESP_ERR_NO_ERROR { return }
            if let list { rd_kafka_headers_destroy(list) }
            switch error {
            // Room is made where delivery reports are served; the call returns when one was.
            case RD_KAFKA_RESP_ERR__QUEUE_FULL: rd_kafka_poll(client.pointer, 50)
            case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
                open?.tooLarge.insert(mark.number)
                return
            case RD_KAFKA_RESP_ERR__STATE, RD_KAFKA_RESP_ERR__FATAL:
                open?.refusal = TransportFailure(error, "produce to \(run.topics[message.topic])").asAbort
                return
            default: throw TransportFailure(error, "produce to \(run.topics[message.topic])").asAbort
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
