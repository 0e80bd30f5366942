// A worker's ports with no broker behind them: records are made as they are taken or before a clock runs, and transactions are kept as
// far as recovery needs them.
import Glibc
import Model
import Synchronization
import Worker

/// One input topic whose partitions all hold the same workload, one member a partition. What it commits outlives a worker.
///
/// Sendable because everything that changes is touched with the lock held.
final class MemoryCluster: Sendable {
    static let input = "shop.events"
    static let outputs = OutputTopics(
        ladders: ["tier": "tier", "lifecycle": "lifecycle"], warnings: "warnings", deadLetters: "letters",
        journal: "journal", versions: "versions")

    let workload: Workload
    private struct Committed {
        var positions: [TopicPartition: Int64] = [:]
        var records: [TopicPartition: [(key: [UInt8]?, value: [UInt8]?)]] = [:]
        /// Records from this number on have not arrived.
        var limit: Int
    }
    private let committed: Mutex<Committed>
    fileprivate let prepared: PreparedRecords?

    /// Records whose numbers are in `prepared` are made now and not when they are taken.
    init(_ workload: Workload, limit: Int, prepared numbers: Range<Int>? = nil) {
        self.workload = workload
        prepared = numbers.map { PreparedRecords(workload, $0) }
        committed = Mutex(Committed(limit: limit))
    }

    /// Lets records arrive, up to this number.
    func arrive(upTo limit: Int) { committed.withLock { $0.limit = limit } }

    var limit: Int { committed.withLock { $0.limit } }

    func positions(_ partitions: [TopicPartition]) -> [TopicPartition: Int64] {
        committed.withLock { committed in committed.positions.filter { partitions.contains($0.key) } }
    }

    func records(_ partition: TopicPartition) -> [(key: [UInt8]?, value: [UInt8]?)] {
        committed.withLock { $0.records[partition] ?? [] }
    }

    /// A record of a transaction that is kept.
    struct Kept {
        var partition: TopicPartition
        var key: [UInt8]?
        var value: [UInt8]?
        var isTracked: Bool
    }

    /// What recovery reads: journal and versions.
    static func kept(_ run: MessageRun) -> [Kept] {
        run.messages.compactMap { message in
            let topic = run.topics[message.topic]
            guard topic == outputs.journal || topic == outputs.versions else { return nil }
            return Kept(
                partition: TopicPartition(topic: topic, partition: message.partition),
                key: message.key.map { [UInt8](run.bytes[$0]) }, value: message.value.map { [UInt8](run.bytes[$0]) },
                isTracked: message.isTracked)
        }
    }

    /// Returns the offsets of the tracked records.
    func commit(_ records: [Kept], _ inputs: InputPositions) -> [Int64] {
        committed.withLock { committed in
            var offsets: [Int64] = []
            for record in records {
                if record.isTracked { offsets.append(Int64(committed.records[record.partition]?.count ?? 0)) }
                committed.records[record.partition, default: []].append((record.key, record.value))
            }
            for (partition, position) in inputs.positions { committed.positions[partition] = position }
            return offsets
        }
    }
}

/// Records in memory; nobody changes them.
private final class PreparedRecords: @unchecked Sendable {
    let numbers: Range<Int>
    private let bytes: UnsafeMutableRawPointer

    init(_ workload: Workload, _ numbers: Range<Int>) {
        self.numbers = numbers
        bytes = .allocate(byteCount: max(1, numbers.count) * Workload.recordBytes, alignment: 64)
        let writer = RecordWriter()
        for number in numbers { writer.write(workload.event(number), number: number, to: record(number)) }
    }

    deinit { bytes.deallocate() }

    func record(_ number: Int) -> UnsafeMutableRawPointer {
        bytes + (number - numbers.lowerBound) * Workload.recordBytes
    }
}

private final class MemoryMembership: Membership {}

/// Called on the worker's thread before each record is applied, with its number.
typealias RecordProbe = @Sendable (Int64) -> Void

final class MemorySource: RecordSource {
    private let cluster: MemoryCluster
    private let partition: TopicPartition
    private let probe: RecordProbe
    private let writer = RecordWriter()
    private var isAssigned = false
    private var position: Int64 = 0
    private let woken = Woken()

    private final class Woken: Sendable {
        let flag = Atomic<Bool>(false)
    }

    /// Records that one `take` gives out at most.
    private static let most = 4_096

    /// Records of one `take`, whose memory is used again when the last is released; nil: those that were made before stay.
    private struct Chunk {
        let bytes: UnsafeMutableRawPointer?
        var left: Int
    }

    /// Records are released in the order in which they were taken.
    private var chunks: [Chunk] = []
    private var spare: [UnsafeMutableRawPointer] = []

    init(_ cluster: MemoryCluster, worker: Int, probe: @escaping RecordProbe) {
        self.cluster = cluster
        partition = TopicPartition(topic: MemoryCluster.input, partition: Int32(worker))
        self.probe = probe
    }

    func poll(timeout: Int32) -> GroupEvent? {
        if isAssigned { return nil }
        isAssigned = true
        return .assigned([partition], membership: MemoryMembership())
    }

    func assign(_ positions: [TopicPartition: Int64]) { position = positions[partition] ?? 0 }

    func unassign() {
        for chunk in chunks { chunk.bytes?.deallocate() }
        for bytes in spare { bytes.deallocate() }
        (chunks, spare) = ([], [])
    }

    func close() { unassign() }

    func wait(timeout: Int32) {
        var left = Int(timeout) * 5
        while left > 0 && position >= cluster.limit && !woken.flag.exchange(false, ordering: .acquiring) {
            usleep(200)
            left -= 1
        }
    }

    var wake: @Sendable () -> Void {
        { [woken] in woken.flag.store(true, ordering: .releasing) }
    }

    func take(_ partition: TopicPartition, limit: Int, into records: inout [RawRecord]) -> Int64? {
        var count = min(limit, cluster.limit - Int(position), MemorySource.most)
        if count <= 0 { return position }
        let first = Int(position)
        if let prepared = cluster.prepared {
            if prepared.numbers.contains(first) {
                count = min(count, prepared.numbers.upperBound - first)
                chunks.append(Chunk(bytes: nil, left: count))
                for number in first..<first + count { add(number, prepared.record(number), to: &records) }
                return nil
            }
            if first < prepared.numbers.lowerBound { count = min(count, prepared.numbers.lowerBound - first) }
        }
        let bytes =
            spare.popLast()
            ?? UnsafeMutableRawPointer.allocate(byteCount: MemorySource.most * Workload.recordBytes, alignment: 64)
        chunks.append(Chunk(bytes: bytes, left: count))
        for index in 0..<count {
            let record = bytes + index * Workload.recordBytes
            writer.write(cluster.workload.event(first + index), number: first + index, to: record)
            add(first + index, record, to: &records)
        }
        return nil
    }

    private func add(_ number: Int, _ record: UnsafeMutableRawPointer, to records: inout [RawRecord]) {
        records.append(
            RawRecord(
                offset: Int64(number), timestamp: cluster.workload.event(number).time,
                key: UnsafeRawBufferPointer(start: record + RecordWriter.idRange.lowerBound, count: Workload.idBytes),
                value: UnsafeRawBufferPointer(start: record, count: Workload.recordBytes), message: nil))
        position = Int64(number) + 1
    }

    func release(_ records: ArraySlice<RawRecord>) {
        var released = records.count
        while released > 0 {
            let count = min(released, chunks[0].left)
            chunks[0].left -= count
            released -= count
            if chunks[0].left == 0, let bytes = chunks.removeFirst().bytes { spare.append(bytes) }
        }
    }

    func headers(of record: RawRecord) -> [RecordHeader] {
        probe(record.offset)
        return []
    }

    func end(of partition: TopicPartition) -> EndAnswer? { nil }

    func committed(_ partitions: [TopicPartition]) -> [TopicPartition: Int64] { cluster.positions(partitions) }
}

final class MemorySink: TransactionSink {
    private let cluster: MemoryCluster

    private var records: [MemoryCluster.Kept] = []

    init(_ cluster: MemoryCluster) { self.cluster = cluster }

    func initialize(cancelled: () -> Bool) {}
    func produce(_ run: MessageRun) { records += MemoryCluster.kept(run) }
    func commit(_ inputs: InputPositions) -> CommitOutcome {
        defer { records = [] }
        return .committed(offsets: cluster.commit(records, inputs))
    }
    func abort(_ inputs: InputPositions) { records = [] }
    func rest() {}
    func close() {}
}

final class MemoryReader: LogReader {
    private let cluster: MemoryCluster

    init(_ cluster: MemoryCluster) { self.cluster = cluster }

    func range(of partition: TopicPartition) -> (first: Int64, end: Int64) {
        if partition.topic == MemoryCluster.input { return (0, Int64(cluster.limit)) }
        return (0, Int64(cluster.records(partition).count))
    }

    func openTransactions(in partitions: [TopicPartition]) -> [TopicPartition] { [] }

    func read(
        _ partition: TopicPartition, from: Int64, end: Int64, progress: () throws(TransportFailure) -> Void,
        body: (RawRecord) throws(TransportFailure) -> Void
    ) throws(TransportFailure) {
        let records = cluster.records(partition)
        for offset in max(0, from)..<min(end, Int64(records.count)) {
            try progress()
            let (key, value) = records[Int(offset)]
            let bytes = (key ?? []) + (value ?? [])
            let split = key?.count ?? 0
            let buffer = ByteBuffer(capacity: bytes.count)
            buffer.append(contentsOf: bytes)
            try body(
                RawRecord(
                    offset: offset, timestamp: nil,
                    key: key == nil ? nil : UnsafeRawBufferPointer(rebasing: buffer.bytes[..<split]),
                    value: value == nil ? nil : UnsafeRawBufferPointer(rebasing: buffer.bytes[split...]), message: nil))
            withExtendedLifetime(buffer) {}
        }
    }

    func close() {}
}
