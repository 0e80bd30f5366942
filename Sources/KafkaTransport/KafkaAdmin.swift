// Topics: what they are, and making them.
import CRDKafka
import Worker

package struct TopicSpecification: Sendable {
    package var name: String
    package var partitions: Int32
    package var configuration: [(String, String)]

    package init(name: String, partitions: Int32, configuration: [(String, String)]) {
        self.name = name
        self.partitions = partitions
        self.configuration = configuration
    }
}

/// Sendable because librdkafka's functions may be called from any thread; callbacks come only from `poll`, on the thread that calls it.
package final class KafkaAdmin: @unchecked Sendable {
    private let client: Client
    private static let timeout: Int32 = 10_000

    /// `onNoBroker` is called by `poll` when no broker can be reached, with the last reason that one of them gave.
    package init(_ options: ClientOptions, onNoBroker: ((String) -> Void)? = nil) throws(TransportFailure) {
        client = try Client(options, .admin, clientID: "rfmd-\(options.instance)-admin")
        var last: String?
        client.callbacks.onError = { code, text in
            if code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN { onNoBroker?(last ?? text) } else { last = text }
        }
    }

    package func close() { client.destroy() }

    /// Serves callbacks: log lines and connection problems.
    package func poll() { rd_kafka_poll(client.pointer, 0) }

    package func clusterID() throws(TransportFailure) -> String {
        guard let text = rd_kafka_clusterid(client.pointer, KafkaAdmin.timeout) else {
            throw .retriable("no broker answers")
        }
        defer { rd_kafka_mem_free(client.pointer, text) }
        return String(cString: text)
    }

    /// Partition counts of all topics.
    package func topics() throws(TransportFailure) -> [String: Int32] { try describe { $0.partition_cnt } }

    /// The number of replicas of each topic's partition that has the fewest.
    package func fewestReplicas() throws(TransportFailure) -> [String: Int32] {
        try describe { topic in
            UnsafeBufferPointer(start: topic.partitions, count: Int(topic.partition_cnt)).map(\.replica_cnt).min() ?? 0
        }
    }

    private func describe(_ body: (rd_kafka_metadata_topic) -> Int32) throws(TransportFailure) -> [String: Int32] {
        var topics: [String: Int32] = [:]
        try client.describeTopics(within: KafkaAdmin.timeout) { topic in
            if topic.err == RD_KAFKA_RESP_ERR_NO_ERROR { topics[String(cString: topic.topic)] = body(topic) }
        }
        return topics
    }

    package func configuration(of topic: String) throws(TransportFailure) -> [String: String] {
        var resource: OpaquePointer? = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic)
        defer { rd_kafka_ConfigResource_destroy(resource) }
        return try request("configuration of \(topic)", RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS) { options, queue in
            rd_kafka_DescribeConfigs(client.pointer, &resource, 1, options, queue)
        } read: { (event) throws(TransportFailure) -> [String: String] in
            var count = 0
            guard
                let resources = rd_kafka_DescribeConfigs_result_resources(
                    rd_kafka_event_DescribeConfigs_result(event), &count), count == 1
            else { throw .retriable("configuration of \(topic)") }
            let error = rd_kafka_ConfigResource_error(resources[0])
            // One that has just been made is not known to every broker yet.
            if error == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART {
                throw .retriable("configuration of \(topic): not known yet")
            }
            if error != RD_KAFKA_RESP_ERR_NO_ERROR { throw TransportFailure(error, "configuration of \(topic)") }
            var entries = 0
            guard let configs = rd_kafka_ConfigResource_configs(resources[0], &entries) else { return [:] }
            var result: [String: String] = [:]
            for index in 0..<entries {
                guard let name = rd_kafka_ConfigEntry_name(configs[index]),
                    let value = rd_kafka_ConfigEntry_value(configs[index])
                else { continue }
                result[String(cString: name)] = String(cString: value)
            }
            return result
        }
    }

    /// One that exists already is no failure: whoever came first made it.
    package func create(_ topics: [TopicSpecification]) throws(TransportFailure) {
        if topics.isEmpty { return }
        var list: [OpaquePointer?] = []
        defer { for topic in list { rd_kafka_NewTopic_destroy(topic) } }
        for topic in topics {
            var text = [CChar](repeating: 0, count: 512)
            guard let new = rd_kafka_NewTopic_new(topic.name, topic.partitions, -1, &text, text.count) else {
                throw .fatal("topic \(topic.name): \(cText(text))")
            }
            for (name, value) in topic.configuration { rd_kafka_NewTopic_set_config(new, name, value) }
            list.append(new)
        }
        try request("create topics", RD_KAFKA_ADMIN_OP_CREATETOPICS) { options, queue in
            rd_kafka_CreateTopics(client.pointer, &list, list.count, options, queue)
        } read: { (event) throws(TransportFailure) -> Void in
            var count = 0
            guard let results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count)
            else { return }
            for index in 0..<count {
                let error = rd_kafka_topic_result_error(results[index])
                if error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS { continue }
                let reason = rd_kafka_topic_result_error_string(results[index]).map { String(cString: $0) } ?? ""
                let text = "create topic \(String(cString: rd_kafka_topic_result_name(results[index]))): \(reason)"
                // Brokers that start or stop are not counted.
                if error == RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR { throw .retriable(text) }
                throw TransportFailure(error, text)
            }
        }
    }

    /// Deletes the records below each offset.
    package func deleteRecords(before positions: [(TopicPartition, Int64)]) throws(TransportFailure) {
        if positions.isEmpty { return }
        let list = PartitionList(positions)
        var deletion: OpaquePointer? = rd_kafka_DeleteRecords_new(list.pointer)
        defer { rd_kafka_DeleteRecords_destroy(deletion) }
        try request("trim", RD_KAFKA_ADMIN_OP_DELETERECORDS) { options, queue in
            rd_kafka_DeleteRecords(client.pointer, &deletion, 1, options, queue)
        } read: { (event) throws(TransportFailure) -> Void in
            guard let result = rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event)) else {
                return
            }
            for (partition, _, error) in PartitionList.elements(result) where error != RD_KAFKA_RESP_ERR_NO_ERROR {
                throw TransportFailure(error, "trim \(partition)")
            }
        }
    }

    private func request<Result>(
        _ what: String, _ operation: rd_kafka_admin_op_t, _ send: (OpaquePointer?, OpaquePointer?) -> Void,
        read: (OpaquePointer) throws(TransportFailure) -> Result
    ) throws(TransportFailure) -> Result {
        let queue = rd_kafka_queue_new(client.pointer)
        defer { rd_kafka_queue_destroy(queue) }
        let options = rd_kafka_AdminOptions_new(client.pointer, operation)
        defer { rd_kafka_AdminOptions_destroy(options) }
        var text = [CChar](repeating: 0, count: 512)
        rd_kafka_AdminOptions_set_request_timeout(options, KafkaAdmin.timeout, &text, text.count)
        send(options, queue)
        guard let event = rd_kafka_queue_poll(queue, KafkaAdmin.timeout + 5_000) else {
            throw .retriable("\(what): no answer")
        }
        defer { rd_kafka_event_destroy(event) }
        let error = rd_kafka_event_error(event)
        if error != RD_KAFKA_RESP_ERR_NO_ERROR {
            throw TransportFailure(error, "\(what): \(String(cString: rd_kafka_event_error_string(event)))")
        }
        return try read(event)
    }
}
