// What the user may say about the clients of librdkafka, and what the guarantees depend on.
import CRDKafka
import Model
import Worker

package struct ClientOptions: Sendable {
    package var bootstrap: String
    package var group: String
    package var instance: String
    /// librdkafka properties of the user.
    package var properties: [(name: String, value: String)]
    /// The largest record of what is read, bytes: an answer of a broker may be as large.
    package var largestRecord = 0
    /// Called with librdkafka's log lines: syslog level, facility, text. From the thread that polls the client.
    package var onLog: (@Sendable (Int32, String, String) -> Void)?

    package init(
        bootstrap: String, group: String, instance: String, properties: [(name: String, value: String)] = [],
        onLog: (@Sendable (Int32, String, String) -> Void)? = nil
    ) {
        self.bootstrap = bootstrap
        self.group = group
        self.instance = instance
        self.properties = properties
        self.onLog = onLog
    }

    /// Properties that a configuration may not set, with the reason.
    package static let protected: [String: String] = [
        "bootstrap.servers": "set kafka.bootstrap", "metadata.broker.list": "set kafka.bootstrap",
        "group.id": "set kafka.group", "group.instance.id": "it is made of instance and worker",
        "client.id": "it is made of instance and worker",
        "transactional.id": "it is made of group, instance and worker",
        "enable.auto.commit": "positions are committed with the events they led to",
        "enable.auto.offset.store": "positions are committed with the events they led to",
        "auto.commit.enable": "positions are committed with the events they led to",
        "isolation.level": "aborted records must not be counted", "enable.idempotence": "transactions need it",
        "acks": "transactions need all", "request.required.acks": "transactions need all",
        "max.in.flight": "transactions need at most 5",
        "max.in.flight.requests.per.connection": "transactions need at most 5",
        "auto.offset.reset": "a lost position must be told, not skipped",
        "partition.assignment.strategy": "a shard is one partition index over all topics",
        "enable.partition.eof": "the clock depends on it", "check.crcs": "a damaged record must be noticed",
        "log.queue": "logs are served by rfmd", "enable.gapless.guarantee": "transactions need it off",
        "delivery.report.only.error": "every delivery is checked",
        "max.poll.records": "librdkafka has no such property",
        "allow.auto.create.topics": "topics are created by rfmd with the right partitions",
        "test.mock.num.brokers": "it would replace the brokers", "plugin.library.paths": "plugins could change records",
    ]

    /// What is wrong with the user's properties: protected, unknown or of a bad value.
    package static func problems(_ properties: [(name: String, value: String)]) -> [(name: String, message: String)] {
        let conf = rd_kafka_conf_new()
        defer { rd_kafka_conf_destroy(conf) }
        return properties.compactMap { name, value in
            if let reason = protected[name] { return (name, "cannot be set: \(reason)") }
            var text = [CChar](repeating: 0, count: 512)
            if rd_kafka_conf_set(conf, name, value, &text, text.count) == RD_KAFKA_CONF_OK { return nil }
            return (name, cText(text))
        }
    }

    /// Why no client can be made with these properties: what does not fit together, certificates that cannot be read. Asks no broker.
    package static func trial(_ properties: [(name: String, value: String)]) -> String? {
        // Kerberos, the default, would run its tools.
        let mechanism =
            properties.last { $0.name == "sasl.mechanism" || $0.name == "sasl.mechanisms" }?.value ?? "GSSAPI"
        let isKerberos = mechanism.uppercased() == "GSSAPI"
        if isKerberos
            && properties.contains(where: { $0.name == "security.protocol" && $0.value.lowercased().hasPrefix("sasl") })
        {
            return nil
        }
        let options = ClientOptions(bootstrap: "", group: "trial", instance: "trial", properties: properties)
        do throws(TransportFailure) {
            for kind in [Client.Kind.consumer(FetchAhead(partitions: 1)), .producer(transactionalID: "trial")] {
                try Client(options, kind, clientID: "trial", extra: [("group.id", "trial")]).destroy()
            }
        } catch { return error.text }
        return nil
    }

    /// What a client that reads takes as one answer, bytes. librdkafka gives up the connection over a larger one, and asks for it again for
    /// ever; its own default is too little for topics that take records of 100 MB.
    var answerBytes: Int {
        let own = properties.last { $0.name == "receive.message.max.bytes" }.flatMap { Int($0.value) } ?? 100_000_000
        return min(max(own, largestRecord + ClientOptions.answerMargin), Int(Int32.max))
    }

    /// What a producer holds of messages. There would never be room for one that is larger.
    func producerKilobytes(largest: Int) -> Int {
        let own = properties.last { $0.name == "queue.buffering.max.kbytes" }.flatMap { Int($0.value) }
        return max(own ?? Limits.unconfirmedKilobytes, largest / 1_024 + 1)
    }

    /// For what stands in an answer beside the record, other partitions' included.
    private static let answerMargin = 1 << 20

    /// ms: as long as the group waits for a dead owner by default. Most brokers that restart are back before (docs/decisions/0010).
    package static let transactionTimeout = 45_000

    /// What may be set, and weakens a guarantee or cannot work.
    package static func doubts(_ properties: [(name: String, value: String)]) -> [(name: String, message: String)] {
        properties.compactMap { name, value in
            switch name {
            case "transaction.timeout.ms": shortTransaction(value).map { (name, $0) }
            case "sasl.mechanism", "sasl.mechanisms": oldSCRAM(value).map { (name, $0) }
            default: nil
            }
        }
    }

    private static func shortTransaction(_ value: String) -> String? {
        guard let limit = Int(value), limit < transactionTimeout else { return nil }
        return
            "less than \(transactionTimeout): a transaction may time out while a broker is restarted, and events in topics with one replica "
            + "be shown twice (docs/limits.md)"
    }

    /// What such a librdkafka sends was accepted until brokers began to look at it (confluentinc/librdkafka #4895).
    private static func oldSCRAM(_ value: String) -> String? {
        guard value.hasPrefix("SCRAM"), rd_kafka_version() < 0x0206_01FF else { return nil }
        return
            "Kafka 4 refuses SCRAM of librdkafka \(String(cString: rd_kafka_version_str())) as invalid credentials, whatever the password: use "
            + "PLAIN with security.protocol sasl_ssl, a client certificate, or librdkafka 2.6.1 or newer"
    }
}
