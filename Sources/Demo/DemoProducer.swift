// Sends invented records to the mock cluster.
import CRDKafka
import Model

/// What was sent, for the summary and for the wait until it was read.
package struct DemoSent: Equatable, Sendable {
    package var events = 0
    package var purchases = 0
    package var refunds = 0
    package var clicks = 0
    package var duplicates = 0
    package var bad = 0
    /// Customers with at least one record that is not bad.
    package var customers = 0
    /// Per partition: the offset behind the last record.
    package var ends: [Int64]
}

package final class DemoProducer {
    private let topic: String
    private let partitions: Int32
    private let delivery: Handle.Delivery
    private let handle: Handle
    private var customers: Set<[UInt8]> = []
    private var counts: DemoSent

    /// The topic is empty and nobody else writes to it.
    package init(_ cluster: MockCluster, topic: String, partitions: Int32) throws(DemoFailure) {
        self.topic = topic
        self.partitions = partitions
        delivery = Handle.Delivery()
        counts = DemoSent(ends: [Int64](repeating: 0, count: Int(partitions)))
        // Compressed batches keep a partition far below the mock's limits.
        handle = try Handle(
            RD_KAFKA_PRODUCER,
            [
                ("client.id", "rfmd-demo-shop"), ("linger.ms", "20"),
                ("compression.codec", "lz4"), ("acks", "all"), ("max.in.flight", "1"),
            ], of: cluster, onDelivery: delivery)
    }

    package var sent: DemoSent {
        var sent = counts
        sent.customers = customers.count
        return sent
    }

    /// Hands records over; they are on their way when it returns.
    package func send(_ records: [DemoRecord]) throws(DemoFailure) {
        for record in records {
            let partition = record.partition(of: partitions)
            try produce(record, partition)
            counts.ends[Int(partition)] += 1
            counts.events += 1
            switch record.kind {
            case .purchase: counts.purchases += 1
            case .refund: counts.refunds += 1
            case .click: counts.clicks += 1
            case .duplicate: counts.duplicates += 1
            case .bad: counts.bad += 1
            }
            if record.kind != .bad { customers.insert(record.key) }
        }
        rd_kafka_poll(handle.pointer, 0)
        if let failure = delivery.failure { throw failure }
    }

    private func produce(_ record: DemoRecord, _ partition: Int32) throws(DemoFailure) {
        while true {
            let error = record.key.withUnsafeBytes { key in
                record.value.withUnsafeBytes { value in
                    rfmd_produce(
                        handle.pointer, topic, partition, key.baseAddress, key.count, value.baseAddress, value.count,
                        nil,
                        record.occurredAt, nil)
                }
            }
            switch error {
            case RD_KAFKA_RESP_ERR_NO_ERROR: return
            case RD_KAFKA_RESP_ERR__QUEUE_FULL: rd_kafka_poll(handle.pointer, 50)
            default: throw DemoFailure(error, "send to \(topic)")
            }
        }
    }

    /// Waits until everything that was sent is in the topic.
    package func finish() throws(DemoFailure) {
        let error = rd_kafka_flush(handle.pointer, 10_000)
        if let failure = delivery.failure { throw failure }
        if error != RD_KAFKA_RESP_ERR_NO_ERROR { throw DemoFailure(error, "send to \(topic)") }
        if delivery.delivered != counts.events {
            throw DemoFailure("\(counts.events - delivery.delivered) of \(counts.events) records did not arrive")
        }
    }
}
