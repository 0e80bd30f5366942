// librdkafka's mock cluster: a broker inside this process, on a port of the loopback interface.
import CRDKafka

/// What went wrong in the demo, for people.
package struct DemoFailure: Error, Equatable, CustomStringConvertible {
    package var description: String

    init(_ description: String) { self.description = description }

    init(_ code: rd_kafka_resp_err_t, _ what: String) {
        self.init("\(what): \(String(cString: rd_kafka_err2str(code)))")
    }
}

/// Good for showing the flow. It keeps at most 5 MiB and 100,000 message sets of a partition, and its transactions are not real: what a
/// transaction writes is there at once, and positions that it commits are thrown away.
package final class MockCluster {
    /// For `bootstrap.servers`.
    package let bootstrap: String
    /// Owns the cluster's thread and log; it talks to nobody.
    private let host: Handle
    private let cluster: OpaquePointer

    package init() throws(DemoFailure) {
        host = try Handle(RD_KAFKA_PRODUCER, [("client.id", "rfmd-demo-broker")])
        guard let cluster = rd_kafka_mock_cluster_new(host.pointer, 1),
            let text = rd_kafka_mock_cluster_bootstraps(cluster)
        else {
            throw DemoFailure("the embedded broker cannot start: it listens on a port of 127.0.0.1")
        }
        self.cluster = cluster
        bootstrap = String(cString: text)
    }

    deinit { rd_kafka_mock_cluster_destroy(cluster) }

    /// The mock knows no CreateTopics request, so topics are made here before anybody asks for them.
    package func createTopics(_ names: [String], partitions: Int32) throws(DemoFailure) {
        for name in names {
            let error = rd_kafka_mock_topic_create(cluster, name, partitions, 1)
            if error != RD_KAFKA_RESP_ERR_NO_ERROR { throw DemoFailure(error, "create the topic \(name)") }
        }
    }
}

/// A client of librdkafka, destroyed with its owner.
final class Handle {
    let pointer: OpaquePointer
    private let onDelivery: Delivery?
    /// Outlives the client: one whose broker is gone complains.
    private let cluster: MockCluster?

    /// Called by `rd_kafka_poll` and `rd_kafka_flush`, so on the thread that calls those.
    final class Delivery {
        var delivered = 0
        var bytes = 0
        var failure: DemoFailure?
    }

    init(
        _ type: rd_kafka_type_t, _ settings: [(String, String)], of cluster: MockCluster? = nil,
        onDelivery: Delivery? = nil
    ) throws(DemoFailure) {
        guard let conf = rd_kafka_conf_new() else { throw DemoFailure("librdkafka has no memory") }
        var text = [CChar](repeating: 0, count: 512)
        let address = cluster.map { [("bootstrap.servers", $0.bootstrap)] } ?? []
        for (name, value) in settings + address + [("log_level", "3")]
        where rd_kafka_conf_set(conf, name, value, &text, text.count) != RD_KAFKA_CONF_OK {
            rd_kafka_conf_destroy(conf)
            throw DemoFailure("\(name): \(Handle.text(text))")
        }
        if let onDelivery {
            rd_kafka_conf_set_opaque(conf, Unmanaged.passUnretained(onDelivery).toOpaque())
            rd_kafka_conf_set_dr_msg_cb(conf, Handle.delivered)
        }
        guard let pointer = rd_kafka_new(type, conf, &text, text.count) else {
            rd_kafka_conf_destroy(conf)
            throw DemoFailure(Handle.text(text))
        }
        self.pointer = pointer
        self.onDelivery = onDelivery
        self.cluster = cluster
    }

    deinit { rd_kafka_destroy_flags(pointer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE) }

    private static func text(_ buffer: [CChar]) -> String {
        String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static let delivered:
        @convention(c) (OpaquePointer?, UnsafePointer<rd_kafka_message_t>?, UnsafeMutableRawPointer?) -> Void = {
            _, message, opaque in
            guard let message, let opaque else { return }
            let delivery = Unmanaged<Delivery>.fromOpaque(opaque).takeUnretainedValue()
            if message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR {
                delivery.delivered += 1
                delivery.bytes += message.pointee.len
            } else {
                delivery.failure = DemoFailure(message.pointee.err, "send")
            }
        }
}
