// A real broker as the port contract wants it: topics and a group of its own for each clause.
import Foundation
import KafkaTransport
import PortContract
import Worker

final class KafkaBench: BrokerBench {
    private let cluster: TestCluster
    private let name: String
    private let trusted = TrustedClock()
    private var producer: TestProducer?
    private var transactions = 0

    init(_ cluster: TestCluster) throws {
        self.cluster = cluster
        name = "contract-\(UUID().uuidString.prefix(6).lowercased())"
        try cluster.create([input, output], partitions: 2)
        try cluster.create([narrow], partitions: 2, configuration: [("max.message.bytes", "2000")])
    }

    var input: String { "\(name).in" }
    var output: String { "\(name).out" }
    var narrow: String { "\(name).narrow" }
    var clock: Int64 { trusted.now() }

    private func options(_ instance: String) -> ClientOptions {
        var options = ClientOptions(bootstrap: cluster.bootstrap, group: name, instance: instance)
        options.properties = [
            ("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "1000"), ("transaction.timeout.ms", "10000"),
        ]
        return options
    }

    func source(_ instance: String) throws -> any RecordSource {
        try GroupConsumer(
            options(instance), worker: 0, topics: [input], ahead: FetchAhead(partitions: 64),
            now: { [trusted] in trusted.now() })
    }

    func sink(_ instance: String) throws -> any TransactionSink {
        try TransactionalProducer(options(instance), worker: 0, messageBytes: 1 << 20)
    }

    func reader() throws -> any LogReader { try cluster.reader() }

    func send(_ records: [ContractRecord], to partition: TopicPartition) throws {
        let producer = try self.producer ?? TestProducer(cluster.bootstrap)
        self.producer = producer
        try producer.send(records.map(KafkaBench.record), to: partition.topic, partition: partition.partition)
    }

    private static func record(_ record: ContractRecord) -> NewRecord {
        NewRecord(key: record.key, value: record.value, timestamp: record.timestamp, headers: record.headers)
    }

    func sendOpen(_ records: [ContractRecord], to partition: TopicPartition) throws -> (ContractFate) throws -> Void {
        transactions += 1
        let shop = try TestProducer(cluster.bootstrap, transactionalID: "\(name)-shop-\(transactions)")
        try shop.begin()
        try shop.send(records.map(KafkaBench.record), to: partition.topic, partition: partition.partition)
        return { fate in
            switch fate {
            case .committed: try shop.commit()
            case .aborted: try shop.abort()
            }
        }
    }

    func deleteRecords(before offset: Int64, of partition: TopicPartition) throws {
        let admin = try KafkaAdmin(options("admin"))
        defer { admin.close() }
        try admin.deleteRecords(before: [(partition, offset)])
    }

    func pause() { usleep(15_000) }
}
