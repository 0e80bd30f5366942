// A client of librdkafka: its configuration, its callbacks, and the C object that is destroyed once.
import CRDKafka
import Glibc
import Synchronization
import Worker

/// What callbacks need, alive as long as their client.
final class ClientCallbacks {
    let onLog: (@Sendable (Int32, String, String) -> Void)?
    var onRebalance:
        ((rd_kafka_resp_err_t, OpaquePointer?, UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?) -> Void)?
    var onError: ((rd_kafka_resp_err_t, String) -> Void)?
    var onDelivery: ((UnsafePointer<rd_kafka_message_t>) -> Void)?
    /// Of a consumer.
    let returned = ReturnedRecords()

    init(onLog: (@Sendable (Int32, String, String) -> Void)?) { self.onLog = onLog }

    static func of(_ opaque: UnsafeMutableRawPointer?) -> ClientCallbacks {
        Unmanaged<ClientCallbacks>.fromOpaque(opaque!).takeUnretainedValue()
    }
}

/// A client of librdkafka with its callbacks: destroyed once.
final class Client {
    enum Kind {
        case consumer(FetchAhead)
        case reader
        case producer(transactionalID: String)
        case admin
    }

    let pointer: OpaquePointer
    let callbacks: ClientCallbacks
    private var isDestroyed = false
    /// Whether `destroy` saw librdkafka's end: not where that waits for something, as for a message that nobody freed.
    private(set) var hasEnded = false

    init(_ options: ClientOptions, _ kind: Kind, clientID: String, extra: [(String, String)] = [])
        throws(TransportFailure)
    {
        let callbacks = ClientCallbacks(onLog: options.onLog)
        let conf = rd_kafka_conf_new()!
        for (name, value) in Client.settings(options, kind, clientID) + extra {
            var text = [CChar](repeating: 0, count: 512)
            if rd_kafka_conf_set(conf, name, value, &text, text.count) != RD_KAFKA_CONF_OK {
                rd_kafka_conf_destroy(conf)
                throw .fatal("\(name): \(cText(text))")
            }
        }
        rd_kafka_conf_set_opaque(conf, Unmanaged.passUnretained(callbacks).toOpaque())
        rd_kafka_conf_set_log_cb(conf, Client.logged)
        rd_kafka_conf_set_error_cb(conf, Client.failed)
        var isConsumer = false
        switch kind {
        case .consumer:
            rd_kafka_conf_set_rebalance_cb(conf, Client.rebalanced)
            callbacks.returned.attach(to: conf)
            isConsumer = true
        case .reader: isConsumer = true
        case .producer: rd_kafka_conf_set_dr_msg_cb(conf, Client.delivered)
        case .admin: break
        }
        var text = [CChar](repeating: 0, count: 512)
        guard let pointer = rd_kafka_new(isConsumer ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf, &text, text.count)
        else {
            // Once interceptors were called, a client that could not be made has freed those of its configuration, and before 2.13
            // `rd_kafka_conf_destroy` would free them again (librdkafka's issue 4142). So the little that the rest takes is lost.
            if !callbacks.returned.hasClient { rd_kafka_conf_destroy(conf) }
            throw .fatal(cText(text))
        }
        rd_kafka_set_log_queue(pointer, nil)
        if isConsumer { rd_kafka_poll_set_consumer(pointer) }
        self.pointer = pointer
        self.callbacks = callbacks
    }

    /// The properties of a client in the order in which they are set: the user's overrule what is only a good start, and nothing else.
    private static func settings(_ options: ClientOptions, _ kind: Kind, _ clientID: String) -> [(String, String)] {
        // One that is only tried has nobody to ask.
        var settings = options.bootstrap.isEmpty ? [] : [("bootstrap.servers", options.bootstrap)]
        settings += [
            ("client.id", clientID), ("log.queue", "true"), ("socket.nagle.disable", "true"),
            ("socket.keepalive.enable", "true"), ("reconnect.backoff.max.ms", "2000"),
        ]
        switch kind {
        case .consumer, .reader:
            settings += [
                ("fetch.message.max.bytes", "1048576"), ("fetch.max.bytes", "67108864"),
                ("fetch.error.backoff.ms", "100"),
            ]
            if case .consumer(let ahead) = kind {
                settings += [
                    ("queued.min.messages", String(ahead.records)),
                    ("queued.max.messages.kbytes", String(ahead.kilobytes)), ("fetch.wait.max.ms", "50"),
                ]
            } else {
                // It reads one partition after the other to its end, and that there is no more is told when this is over.
                settings += [("queued.min.messages", "20000"), ("fetch.wait.max.ms", "5")]
            }
        case .producer:
            // A transaction lasts from the sealing of a batch to its commit. When its owner dies, the next one waits for its time to run out.
            // Messages linger until there are enough for a request, but never behind the last of a transaction: its commit sends what is left
            // at once. A broker that has not yet written the markers of the transaction before refuses what comes for a partition, for some
            // milliseconds: it is sent again soon, not after 100 ms as by default (docs/decisions/0018).
            settings += [
                ("linger.ms", "50"), ("retry.backoff.ms", "10"), ("compression.codec", "lz4"),
                ("queue.buffering.max.messages", "1000000"),
                ("transaction.timeout.ms", String(ClientOptions.transactionTimeout)),
            ]
        case .admin: break
        }
        settings += options.properties.map { ($0.name, $0.value) }
        switch kind {
        case .consumer, .reader:
            settings += [
                ("enable.auto.commit", "false"), ("enable.auto.offset.store", "false"),
                ("isolation.level", "read_committed"),
                ("auto.offset.reset", "error"), ("enable.partition.eof", "true"), ("check.crcs", "true"),
                ("partition.assignment.strategy", "range"), ("allow.auto.create.topics", "false"),
                ("receive.message.max.bytes", String(options.answerBytes)),
            ]
        case .producer(let transactionalID): settings += [("transactional.id", transactionalID)]
        case .admin: break
        }
        return settings
    }

    /// Without waiting for the group or for what is in flight. librdkafka 2.0.2 joins its threads, and one of them may never end (an input
    /// that was deleted while it was read): then the client is left to itself.
    func destroy() {
        if isDestroyed { return }
        isDestroyed = true
        let end = End(pointer, callbacks)
        SystemThread.detached("client-end") { end.run() }
        let until = TrustedClock.monotonic() + Client.mostDestroyMilliseconds
        while !end.hasEnded && TrustedClock.monotonic() < until { usleep(500) }
        hasEnded = end.hasEnded
    }

    private static let mostDestroyMilliseconds: Int64 = 3_000

    /// The destruction of a client, which keeps alive what callbacks need.
    private final class End: Sendable {
        private nonisolated(unsafe) let pointer: OpaquePointer
        private nonisolated(unsafe) let callbacks: ClientCallbacks
        private let ended = Atomic(false)

        init(_ pointer: OpaquePointer, _ callbacks: ClientCallbacks) {
            self.pointer = pointer
            self.callbacks = callbacks
        }

        var hasEnded: Bool { ended.load(ordering: .acquiring) }

        func run() {
            rd_kafka_destroy_flags(pointer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE)
            ended.store(true, ordering: .releasing)
        }
    }

    deinit { destroy() }

    /// Calls `body` with each topic that the brokers know, also one that is without a leader at the moment. Makes none. `timeout` in ms.
    func describeTopics(within timeout: Int32, _ body: (rd_kafka_metadata_topic) -> Void) throws(TransportFailure) {
        var metadata: UnsafePointer<rd_kafka_metadata>?
        let error = rd_kafka_metadata(pointer, 1, nil, &metadata, timeout)
        guard error == RD_KAFKA_RESP_ERR_NO_ERROR, let metadata else { throw TransportFailure(error, "topics") }
        defer { rd_kafka_metadata_destroy(metadata) }
        for index in 0..<Int(metadata.pointee.topic_cnt) { body(metadata.pointee.topics[index]) }
    }

    private static let logged:
        @convention(c) (OpaquePointer?, Int32, UnsafePointer<CChar>?, UnsafePointer<CChar>?) -> Void = {
            client, level, facility, text in
            guard let opaque = rd_kafka_opaque(client), let facility, let text else { return }
            let words = String(cString: text)
            // The user's properties are given to consumers and producers alike: each ignores the other's.
            if words.contains("property and will be ignored by this") { return }
            ClientCallbacks.of(opaque).onLog?(level, String(cString: facility), words)
        }

    private static let failed:
        @convention(c) (OpaquePointer?, Int32, UnsafePointer<CChar>?, UnsafeMutableRawPointer?) -> Void = {
            _, code, text, opaque in
            ClientCallbacks.of(opaque).onError?(rd_kafka_resp_err_t(code), text.map { String(cString: $0) } ?? "")
        }

    private static let rebalanced:
        @convention(c) (
            OpaquePointer?, rd_kafka_resp_err_t, UnsafeMutablePointer<rd_kafka_topic_partition_list_t>?,
            UnsafeMutableRawPointer?
        ) -> Void = { client, error, partitions, opaque in
            ClientCallbacks.of(opaque).onRebalance?(error, client, partitions)
        }

    private static let delivered:
        @convention(c) (OpaquePointer?, UnsafePointer<rd_kafka_message_t>?, UnsafeMutableRawPointer?) -> Void = {
            _, message, opaque in
            if let message { ClientCallbacks.of(opaque).onDelivery?(message) }
        }
}

/// The text that librdkafka wrote into a buffer.
func cText(_ buffer: [CChar]) -> String {
    String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
