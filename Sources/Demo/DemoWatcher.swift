// Reads what rfmd writes, as any subscriber would: counts it all, and tells people a little of it.
import CRDKafka
import Model

package struct DemoChanges: Equatable, Sendable {
    package var tierChanges = 0
    package var lifecycleChanges = 0
    package var warningsRaised = 0
    package var warningsResolved = 0

    package init() {}
}

package final class DemoWatcher {
    private let handle: Handle
    package private(set) var changes = DemoChanges()
    private var lines = LineBudget()

    /// Reads every partition of `topics` from the beginning.
    package init(_ cluster: MockCluster, topics: [String], partitions: Int32) throws(DemoFailure) {
        handle = try Handle(
            RD_KAFKA_CONSUMER,
            [
                ("client.id", "rfmd-demo-watcher"), ("group.id", "rfmd-demo-watcher"),
                ("enable.auto.commit", "false"), ("auto.offset.reset", "earliest"), ("fetch.wait.max.ms", "50"),
                ("allow.auto.create.topics", "false"),
            ], of: cluster)
        rd_kafka_poll_set_consumer(handle.pointer)
        guard let list = rd_kafka_topic_partition_list_new(Int32(topics.count) * partitions) else {
            throw DemoFailure("librdkafka has no memory")
        }
        defer { rd_kafka_topic_partition_list_destroy(list) }
        for topic in topics {
            for partition in 0..<partitions {
                rd_kafka_topic_partition_list_add(list, topic, partition).pointee.offset = Int64(
                    RD_KAFKA_OFFSET_BEGINNING)
            }
        }
        let error = rd_kafka_assign(handle.pointer, list)
        if error != RD_KAFKA_RESP_ERR_NO_ERROR { throw DemoFailure(error, "read the changes") }
    }

    /// Reads for about `milliseconds` and returns lines worth showing: at most a few a second, whatever happens.
    package func watch(milliseconds: Int64) -> [String] {
        let end = Clock.milliseconds + milliseconds
        var shown: [String] = []
        repeat {
            let wait = max(0, end - Clock.milliseconds)
            guard let message = rd_kafka_consumer_poll(handle.pointer, Int32(wait)) else { break }
            defer { rd_kafka_message_destroy(message) }
            if message.pointee.err == RD_KAFKA_RESP_ERR_NO_ERROR, let payload = message.pointee.payload {
                let event = DemoEvent(UnsafeRawBufferPointer(start: payload, count: message.pointee.len))
                count(event.kind)
                if let line = event.line, lines.take(event.kind, at: Clock.milliseconds) { shown.append(line) }
            }
        } while Clock.milliseconds < end
        return shown
    }

    private func count(_ kind: DemoEvent.Kind) {
        switch kind {
        case .tier: changes.tierChanges += 1
        case .lifecycle: changes.lifecycleChanges += 1
        case .raised: changes.warningsRaised += 1
        case .resolved: changes.warningsResolved += 1
        case .other: break
        }
    }
}

/// What is shown: one line of each kind in a second, so that no kind crowds out the others.
private struct LineBudget {
    private var nextAt: [DemoEvent.Kind: Int64] = [:]

    mutating func take(_ kind: DemoEvent.Kind, at now: Int64) -> Bool {
        if now < nextAt[kind] ?? .min { return false }
        nextAt[kind] = now + 1_000
        return true
    }
}
