// One test's corner of the cluster: a group, input and output topics of its own, a snapshot folder, and configurations for them.
import Foundation
import KafkaTransport
import TestSupport
import Worker

/// A record as it was read back.
struct StoredRecord {
    var partition: TopicPartition
    var offset: Int64
    var timestamp: Int64?
    var key: [UInt8]?
    var value: [UInt8]?
    var headers: [RecordHeader]

    var valueText: String { String(decoding: value ?? [], as: UTF8.self) }

    func header(_ name: String) -> String? {
        headers.first { $0.name == name }?.value.map { String(decoding: $0, as: UTF8.self) }
    }
}

final class Scene {
    let cluster: TestCluster
    let name: String
    let inputs: [String]
    let partitions: Int32
    let folder: TemporaryFolder
    /// Ladders besides the preset's.
    let addedLadders: [String]

    var group: String { name }
    var outputs: OutputTopics {
        var ladders: [String: String] = [:]
        for ladder in ["tier", "lifecycle"] + addedLadders { ladders[ladder] = "\(name).\(ladder)" }
        return OutputTopics(
            ladders: ladders, warnings: "\(name).warnings", deadLetters: "\(name).dead-letters",
            journal: "\(name).journal",
            versions: "\(name).versions")
    }
    var eventTopics: [String] { outputs.ladders.values.sorted() + [outputs.warnings] }

    /// `inputs` are made unless they exist, as topics that keep everything.
    init(
        _ label: String, cluster: TestCluster? = nil, inputs: [String]? = nil, partitions: Int32 = 2,
        ladders: [String] = [],
        creates: Bool = true
    ) throws {
        self.cluster = try cluster ?? Kafka.shared.get()
        name = "\(label)-\(UUID().uuidString.prefix(6).lowercased())"
        self.inputs = inputs ?? ["\(name).events"]
        self.partitions = partitions
        addedLadders = ladders
        folder = try TemporaryFolder()
        if creates {
            try self.cluster.create(self.inputs, partitions: partitions, configuration: [("retention.ms", "-1")])
        }
    }

    struct Options {
        var instance = "a"
        var clock = "event"
        var emitFrom: String? = "earliest"
        var snapshotEvery = "1s"
        var snapshotsKept = 2
        /// YAML of ladders, warnings and what else a test sets.
        var more = ""
        var inputYAML: String?
        var preset = "four-tier"
        var properties: [(String, String)] = [
            ("session.timeout.ms", "6000"), ("heartbeat.interval.ms", "1000"), ("transaction.timeout.ms", "10000"),
        ]
        var bootstrap: String?
        var group: String?
    }

    func yaml(_ change: (inout Options) -> Void = { _ in }) -> String {
        var options = Options()
        change(&options)
        let topics = [
            "dead_letters": outputs.deadLetters, "journal": outputs.journal, "versions": outputs.versions,
            "warnings": outputs.warnings,
        ]
        .merging(outputs.ladders.filter { options.preset != "none" || addedLadders.contains($0.key) }) { $1 }
        let properties = options.properties.map { "\($0.0): \"\($0.1)\"" }.joined(separator: ", ")
        return """
            instance: \(options.instance)
            kafka: { bootstrap: "\(options.bootstrap ?? cluster.bootstrap)", group: \(options.group ?? group), properties: { \(properties) } }
            inputs:
            \(options.inputYAML ?? inputs.map { "  - { topic: \($0) }" }.joined(separator: "\n"))
            time: { clock: \(options.clock) }
            preset: \(options.preset)
            outputs: { topics: { \(topics.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)" }.joined(separator: ", ")) } }
            snapshots: { folder: \(folder.url.path), every: \(options.snapshotEvery), keep: \(options.snapshotsKept) }
            \(options.emitFrom.map { "emit_from: \($0)" } ?? "")
            \(options.more)

            """
    }

    func start(
        _ change: (inout Options) -> Void = { _ in }, arguments: [String] = [], fault: PlannedFault? = nil
    ) throws -> DaemonProcess {
        try DaemonProcess(yaml(change), arguments: arguments, fault: fault)
    }

    func producer() throws -> TestProducer { try TestProducer(cluster.bootstrap) }

    // MARK: Reading

    /// Every committed record of a topic, partition by partition.
    func read(_ topic: String, partitions: Int32? = nil) throws -> [StoredRecord] {
        let reader = try cluster.reader()
        defer { reader.close() }
        var records: [StoredRecord] = []
        for index in 0..<(partitions ?? self.partitions) {
            let partition = TopicPartition(topic: topic, partition: index)
            let (first, end) = try reader.rangeWhenLed(of: partition)
            try reader.read(
                partition, from: first, end: end, progress: {},
                body: { (raw: RawRecord) throws(TransportFailure) in
                    records.append(
                        StoredRecord(
                            partition: partition, offset: raw.offset, timestamp: raw.timestamp,
                            key: raw.key.map { [UInt8]($0) },
                            value: raw.value.map { [UInt8]($0) }, headers: reader.headers(of: raw)))
                })
        }
        return records
    }

    /// All output events.
    func events() throws -> [StoredRecord] { try eventTopics.flatMap { try read($0) } }

    /// Waits until the group has committed everything that the inputs hold. `meanwhile` is called before each look.
    func awaitDrained(
        _ daemon: DaemonProcess, group: String? = nil, inputs: [String]? = nil, seconds: Double = 120,
        meanwhile: () throws -> Void = {}
    ) throws {
        let positions = try GroupPositions(cluster.bootstrap, group: group ?? self.group)
        let reader = try cluster.reader()
        defer { reader.close() }
        let all = (inputs ?? self.inputs).flatMap { topic in
            (0..<partitions).map { TopicPartition(topic: topic, partition: $0) }
        }
        let ends = try Dictionary(uniqueKeysWithValues: all.map { ($0, try reader.rangeWhenLed(of: $0).end) })
        var last: [TopicPartition: Int64] = [:]
        try wait(
            for: "everything to be committed", seconds: seconds,
            context: "ends \(ends)\ncommitted \(last)\nstatus \(daemon.status)\n\(daemon.log.suffix(4_000))"
        ) {
            try meanwhile()
            guard let committed = positions.committed(all) else { return false }
            last = committed
            return ends.allSatisfy { (committed[$0] ?? 0) == $1 }
        }
    }

    /// Waits until the output events satisfy `condition`.
    func awaitEvents(
        _ what: String, _ daemon: DaemonProcess, seconds: Double = 60, _ condition: ([StoredRecord]) -> Bool
    ) throws {
        try wait(for: what, seconds: seconds, context: "\(daemon.status)\n\(daemon.log.suffix(4_000))") {
            condition(try events())
        }
    }
}
