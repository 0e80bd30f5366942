// Follows the journal and the versions while a test runs: the journal is trimmed behind snapshots, so it must be read as it is written.
import CRDKafka
import Codec
import Foundation
import KafkaTransport
import Model
import Synchronization
import TestSupport
import Worker

/// Reads committed records only, from the first one on, on a thread of its own.
final class JournalCollector: Sendable {
    struct Entry: Sendable {
        var offset: Int64
        var record: JournalRecord
    }

    private struct State {
        var entries: [Int32: [Entry]] = [:]
        var versions: [Digest: [UInt8]] = [:]
        var positions: [TopicPartition: Int64] = [:]
        var problem: String?
        var stops = false
        var hasStopped = false
    }

    private let state = Mutex(State())
    private let journal: String
    private let versionsTopic: String
    private let partitions: Int32

    /// The topics exist already.
    init(_ scene: Scene) throws {
        journal = scene.outputs.journal
        versionsTopic = scene.outputs.versions
        partitions = scene.partitions
        let client = try JournalCollector.consumer(scene.cluster.bootstrap)
        let list = rd_kafka_topic_partition_list_new(partitions + 1)
        for index in 0..<partitions { rd_kafka_topic_partition_list_add(list, journal, index).pointee.offset = 0 }
        rd_kafka_topic_partition_list_add(list, versionsTopic, 0).pointee.offset = 0
        rd_kafka_assign(client, list)
        rd_kafka_topic_partition_list_destroy(list)
        let address = Int(bitPattern: client)
        Thread.detachNewThread { [self] in follow(OpaquePointer(bitPattern: address)) }
    }

    private static func consumer(_ bootstrap: String) throws -> OpaquePointer {
        let conf = rd_kafka_conf_new()
        let settings = [
            ("bootstrap.servers", bootstrap), ("group.id", "collector"), ("isolation.level", "read_committed"),
            ("enable.auto.commit", "false"),
            ("enable.partition.eof", "true"), ("auto.offset.reset", "error"), ("log_level", "0"),
            ("fetch.wait.max.ms", "50"), ("reconnect.backoff.max.ms", "200"),
        ]
        for (name, value) in settings { rd_kafka_conf_set(conf, name, value, nil, 0) }
        guard let client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, nil, 0) else {
            throw Missing("a consumer for the journal")
        }
        rd_kafka_poll_set_consumer(client)
        return client
    }

    private func follow(_ client: OpaquePointer?) {
        while !state.withLock({ $0.stops }) {
            guard let message = rd_kafka_consumer_poll(client, 100) else { continue }
            take(message)
            rd_kafka_message_destroy(message)
        }
        rd_kafka_destroy_flags(client, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE)
        state.withLock { $0.hasStopped = true }
    }

    private func take(_ message: UnsafeMutablePointer<rd_kafka_message_t>) {
        guard let topic = message.pointee.rkt else { return }
        let partition = TopicPartition(
            topic: String(cString: rd_kafka_topic_name(topic)), partition: message.pointee.partition)
        let offset = message.pointee.offset
        state.withLock { state in
            switch message.pointee.err {
            case RD_KAFKA_RESP_ERR_NO_ERROR:
                state.positions[partition] = offset + 1
                let value = UnsafeRawBufferPointer(start: message.pointee.payload, count: message.pointee.len)
                if partition.topic == versionsTopic {
                    let key = String(
                        decoding: UnsafeRawBufferPointer(start: message.pointee.key, count: message.pointee.key_len),
                        as: UTF8.self)
                    guard let digest = Digest(hex: key.split(separator: ":").last ?? "") else {
                        state.problem = state.problem ?? "\(partition), offset \(offset): the key '\(key)'"
                        return
                    }
                    state.versions[digest] = [UInt8](value)
                } else if let record = JournalRecord(value) {
                    state.entries[partition.partition, default: []].append(Entry(offset: offset, record: record))
                } else {
                    state.problem = state.problem ?? "\(partition), offset \(offset): no journal record"
                }
            case RD_KAFKA_RESP_ERR__PARTITION_EOF: state.positions[partition] = offset
            case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET, RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
                state.problem = state.problem ?? "\(partition) was trimmed before it was read"
            default: break
            }
        }
    }

    /// Everything that was committed by now, by shard.
    func catchUp(_ scene: Scene) throws -> (entries: [Int32: [Entry]], versions: [Digest: [UInt8]]) {
        let reader = try scene.cluster.reader()
        defer { reader.close() }
        var ends: [TopicPartition: Int64] = [:]
        for index in 0..<partitions {
            let partition = TopicPartition(topic: journal, partition: index)
            ends[partition] = try reader.rangeWhenLed(of: partition).end
        }
        let versions = TopicPartition(topic: versionsTopic, partition: 0)
        ends[versions] = try reader.rangeWhenLed(of: versions).end
        try wait(
            for: "the journal to be read", seconds: 90, context: "ends \(ends), \(state.withLock { $0.positions })"
        ) {
            state.withLock { state in state.problem != nil || ends.allSatisfy { (state.positions[$0] ?? 0) >= $1 } }
        }
        return try state.withLock { state in
            if let problem = state.problem { throw Missing("a readable journal: \(problem)") }
            return (state.entries, state.versions)
        }
    }

    func stop() throws {
        state.withLock { $0.stops = true }
        try wait(for: "the journal's reader to end") { state.withLock { $0.hasStopped } }
    }

    deinit { state.withLock { $0.stops = true } }
}
