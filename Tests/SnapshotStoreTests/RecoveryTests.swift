// Recovery from snapshots that are no use: each is told, and none is passed over in silence.
import Codec
import Engine
import Model
import Rules
import Synchronization
import Testing

@testable import SnapshotStore
@testable import Worker

@Suite struct RecoveryTests {
    @Test func aSnapshotWithoutStateIsTold() throws {
        let folder = try TestFolder()
        let vault = try FileSnapshotVault(folder: folder.path, instance: "one")
        let version = Version(
            engineNumber: Engine.number, ladders: Presets.fourTierLadders, warnings: Presets.fourTierWarnings,
            halfLives: [7 * 86_400_000, 28 * 86_400_000], zone: .utc, clockMode: .event, maxFuture: 600_000,
            money: MoneyRules(currency: "EUR", exponent: 2), mappings: [.native(topic: "t")])
        // The journal was trimmed behind batch 1, of which there is a snapshot.
        let genesis = Genesis(id: Digest(high: 1, low: 2), at: 0, emitFrom: .min, starts: ["t": 0])
        var record = JournalRecord(
            genesis: genesis, shard: 0, batch: 1, slices: [], positions: ["t": 5], version: version.digest, clock: 7,
            effects: .zero)
        let bytes = record.seal(after: .zero)
        try vault.publish(
            SnapshotIdentity(
                group: "rfmd", topics: ["t"], shard: 0, batch: 1, chain: record.chain, journalRecord: bytes), [])
        let log = OneRecordLog(bytes)
        let history = try JournalHistory.read(TopicPartition(topic: "journal", partition: 0), log) {}
        var book = VersionBook(source: "/rfmd/test")
        _ = try book.add(version, bytes: version.encoded)
        let observer = Notes()
        let recovery = RecoveryTests.recovery(version, vault, log, observer)
        #expect(throws: WorkerFailure.self) {
            _ = try recovery.recover(0, committed: [:], history: history, versions: [:], kept: nil, book: &book)
        }
        #expect(observer.events == [.snapshotUnusable(shard: 0, reason: "batch 1: there is no state in it")])
    }

    private static func recovery(
        _ version: Version, _ vault: FileSnapshotVault, _ log: OneRecordLog, _ observer: Notes
    ) -> ShardRecovery {
        let options = WorkerOptions(
            number: 0, group: "rfmd",
            topics: OutputTopics(ladders: [:], warnings: "w", deadLetters: "d", journal: "journal", versions: "v"),
            format: .structured, source: "/rfmd/test", version: version, emitFrom: .min, snapshotEvery: 60_000,
            snapshotsKept: 2, rebuilds: false)
        let ports = WorkerPorts(
            source: { () throws(TransportFailure) in throw .fatal("not asked for") },
            sink: { () throws(TransportFailure) in throw .fatal("not asked for") },
            reader: { () throws(TransportFailure) in throw .fatal("not asked for") }, lanes: ThreadLanes(),
            vault: vault,
            housekeeper: NoHousekeeper(), clock: TrustedClock(), randomID: { Digest(high: 3, low: 4) },
            observer: observer)
        return ShardRecovery(options: options, ports: ports, reader: log, progress: {}, pause: {}, tick: {})
    }
}

/// A log of one record, beside inputs that hold more.
private final class OneRecordLog: LogReader {
    private let record: [UInt8]

    init(_ record: [UInt8]) { self.record = record }

    func range(of partition: TopicPartition) throws(TransportFailure) -> (first: Int64, end: Int64) {
        (0, partition.topic == "journal" ? 1 : 100)
    }

    func read(
        _ partition: TopicPartition, from: Int64, end: Int64, progress: () throws(TransportFailure) -> Void,
        body: (RawRecord) throws(TransportFailure) -> Void
    ) throws(TransportFailure) {
        var failure: TransportFailure?
        record.withUnsafeBytes { value in
            do throws(TransportFailure) {
                try body(RawRecord(offset: 0, timestamp: nil, key: nil, value: value, message: nil))
            } catch { failure = error }
        }
        if let failure { throw failure }
    }

    func close() {}
}

private final class NoHousekeeper: Housekeeper {
    func tidy(
        group: String, shard: Int32, genesis: Digest, keep: Int, journal: TopicPartition, offsets: [UInt64: Int64]
    ) {}
}

private final class Notes: WorkerObserver {
    private let list = Mutex<[WorkerEvent]>([])

    var events: [WorkerEvent] { list.withLock { $0 } }

    func observe(_ event: WorkerEvent, worker: Int) { list.withLock { $0.append(event) } }
}
