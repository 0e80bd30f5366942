// Recovery from snapshots that are no use: each is told, and none is passed over in silence.
import Codec
import Engine
import Glibc
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
        let version = RecoveryTests.version(["t"])
        // The journal was trimmed behind batch 1, of which there is a snapshot.
        let genesis = Genesis(id: Digest(high: 1, low: 2), group: "rfmd", at: 0, emitFrom: .min, starts: ["t": 0])
        var record = JournalRecord(
            genesis: genesis, shard: 0, batch: 1, slices: [], positions: ["t": 5], version: version.digest, clock: 7,
            effects: .zero)
        let bytes = record.seal(after: .zero)
        try vault.publish(
            SnapshotIdentity(
                group: "rfmd", topics: ["t"], shard: 0, batch: 1, chain: record.chain, journalRecord: bytes), [])
        let log = FixedLog([bytes])
        let history = try JournalHistory.read(TopicPartition(topic: "journal", partition: 0), of: "rfmd", log) {}
        var book = VersionBook(source: "/rfmd/test")
        _ = try book.add(version, bytes: version.encoded)
        let observer = Notes()
        let recovery = RecoveryTests.recovery(version, vault, log, observer)
        #expect(throws: WorkerFailure.self) {
            _ = try recovery.recover(0, committed: [:], history: history, versions: [:], kept: nil, book: &book)
        }
        #expect(observer.events == [.snapshotUnusable(shard: 0, reason: "batch 1: there is no state in it")])
    }

    /// An rfmd before this one was stopped in a flood of deadlines: what it left undone is its own to do.
    @Test func whatAnotherEngineLeftUndoneIsRefused() throws {
        for isSettled in [true, false] {
            let folder = try TestFolder()
            let vault = try FileSnapshotVault(folder: folder.path, instance: "one")
            let (old, new) = (RecoveryTests.version(["t"], engine: Engine.number - 1), RecoveryTests.version(["t"]))
            var book = VersionBook(source: "/rfmd/test")
            for version in [old, new] { _ = try book.add(version, bytes: version.encoded) }
            let genesis = Genesis(id: Digest(high: 1, low: 2), group: "rfmd", at: 0, emitFrom: .min, starts: ["t": 0])
            let engine = Engine(rules: try old.ruleset(), key: genesis.id.low)
            RecoveryTests.letAllBeDue(engine)
            while isSettled && !engine.isSettled { engine.finishSlice(advancingTo: nil) }
            try #require(engine.isSettled == isSettled)
            var record = JournalRecord(
                genesis: genesis, shard: 0, batch: 1, slices: [], positions: ["t": 5], version: old.digest,
                clock: engine.clock, effects: .zero)
            let bytes = record.seal(after: .zero)
            let shard = Shard(
                index: 0, genesis: genesis, applier: RecordApplier(engine: engine, version: old), bounds: BatchBounds(),
                versionDigest: old.digest, versionBefore: nil, positions: ["t": 5],
                sealed: JournalPlace(batch: 1, chain: record.chain, record: bytes))
            let progress = try SnapshotProgress(shard, group: "rfmd", vault: vault, clock: TrustedClock())
            while case .writing = progress.step(engine, isCommitted: true) { usleep(1_000) }
            let log = FixedLog([bytes])
            let history = try JournalHistory.read(TopicPartition(topic: "journal", partition: 0), of: "rfmd", log) {}
            let recovery = RecoveryTests.recovery(new, vault, log, Notes())
            var text: String?
            do throws(WorkerFailure) {
                _ = try recovery.recover(0, committed: [:], history: history, versions: [:], kept: nil, book: &book)
            } catch { if case .refused(let refusal) = error { text = refusal } else { text = "\(error)" } }
            #expect((text == nil) == isSettled, "\(text ?? "recovered")")
            if let text { #expect(text.contains("was stopped while deadlines were due"), "\(text)") }
        }
    }

    /// More customers than one slice fires deadlines, and a clock that is behind the first of each.
    private static func letAllBeDue(_ engine: Engine) {
        let day: Int64 = 86_400_000
        for number in 0..<Limits.deadlinesPerSlice + 100 {
            var id = UInt64(number)
            withUnsafeBytes(of: &id) { id in
                let outcome = engine.apply(
                    EngineInput(kind: .purchase, customer: id, event: id, order: id, occurredAt: day, amount: 100),
                    at: day)
                #expect(outcome == .accepted)
            }
        }
        engine.finishSlice(advancingTo: 40 * day)
    }

    /// A version added an input, and what was read of it since is gone: with no snapshot after that the state cannot be made again.
    @Test func recordsOfAnAddedInputThatAreGoneAreTold() throws {
        let folder = try TestFolder()
        let vault = try FileSnapshotVault(folder: folder.path, instance: "one")
        let (old, new) = (RecoveryTests.version(["t"]), RecoveryTests.version(["t", "u"]))
        let genesis = Genesis(id: Digest(high: 1, low: 2), group: "rfmd", at: 0, emitFrom: .min, starts: ["t": 0])
        var first = JournalRecord(
            genesis: genesis, shard: 0, batch: 0, slices: [], positions: ["t": 0], version: old.digest, clock: nil,
            effects: .zero)
        var records = [first.seal(after: .zero)]
        var install = Slice(version: new.digest, reading: 5, endedAt: nil, ranges: [])
        install.installs = true
        let slice = Slice(version: new.digest, reading: 6, endedAt: nil, ranges: [0..<0, 3..<7])
        var second = JournalRecord(
            genesis: genesis, shard: 0, batch: 1, slices: [install, slice], positions: ["t": 0, "u": 7],
            version: new.digest, clock: nil, effects: .zero)
        records.append(second.seal(after: first.chain))
        for (kept, end, told) in [
            (Int64(3), Int64(7), nil), (4, 100, "records 3 to 3 of u[0] were deleted"),
            (0, 2, "u[0] ends at 2, but was read up to 7: it was deleted and made anew"),
        ] {
            let log = FixedLog(records, firsts: ["u": kept], ends: ["u": end])
            let history = try JournalHistory.read(TopicPartition(topic: "journal", partition: 0), of: "rfmd", log) {}
            var book = VersionBook(source: "/rfmd/test")
            for version in [old, new] { _ = try book.add(version, bytes: version.encoded) }
            // The rules of today do not name it any more.
            let recovery = RecoveryTests.recovery(old, vault, log, Notes())
            var text: String?
            do throws(WorkerFailure) {
                _ = try recovery.recover(0, committed: [:], history: history, versions: [:], kept: nil, book: &book)
            } catch { if case .refused(let refusal) = error { text = refusal } }
            #expect((text != nil) == (told != nil), "\(text ?? "recovered")")
            if let told { #expect(text?.contains(told) == true, "\(text ?? "")") }
        }
    }

    /// A journal belongs to one group; of two that began in it at once, to the one whose genesis lies first.
    @Test func theJournalOfAnotherGroupIsRefused() throws {
        let (ours, theirs) = (RecoveryTests.journal(of: "rfmd", 1), RecoveryTests.journal(of: "other", 2))
        let sound: [[[UInt8]]] = [[], ours, ours + [theirs[0]], [ours[0], theirs[0], ours[1]]]
        let foreign = [
            theirs, [theirs[0]], [theirs[0], ours[0]], [ours[0], theirs[0], theirs[1]], [theirs[1], ours[0]],
        ]
        func read(_ records: [[UInt8]]) throws(WorkerFailure) -> JournalHistory {
            try JournalHistory.read(TopicPartition(topic: "journal", partition: 0), of: "rfmd", FixedLog(records)) {}
        }
        for records in sound {
            #expect(try read(records).entries.map(\.bytes) == records.filter(ours.contains))
        }
        for records in foreign {
            do throws(WorkerFailure) {
                _ = try read(records)
                Issue.record("a journal of another group was read")
            } catch {
                guard case .refused(let text) = error else {
                    Issue.record("\(error)")
                    continue
                }
                #expect(
                    text.hasPrefix("journal[0] is the journal of the group 'other', and this is the group 'rfmd'"),
                    "\(text)")
            }
        }
    }

    /// A genesis and one batch.
    private static func journal(of group: String, _ id: UInt64) -> [[UInt8]] {
        let genesis = Genesis(id: Digest(high: id, low: id), group: group, at: 0, emitFrom: .min, starts: ["t": 0])
        var chain = Digest.zero
        return (0...1).map { batch in
            var record = JournalRecord(
                genesis: genesis, shard: 0, batch: UInt64(batch), slices: [], positions: ["t": Int64(batch)],
                version: .zero, clock: nil, effects: .zero)
            let bytes = record.seal(after: chain)
            chain = record.chain
            return bytes
        }
    }

    private static func version(_ topics: [String], engine: UInt32 = Engine.number) -> Version {
        Version(
            engineNumber: engine, ladders: Presets.fourTierLadders, warnings: Presets.fourTierWarnings,
            halfLives: [7 * 86_400_000, 28 * 86_400_000], zone: .utc, clockMode: .event, maxFuture: 600_000,
            money: MoneyRules(currency: "EUR", exponent: 2), mappings: topics.map { .native(topic: $0) })
    }

    private static func recovery(
        _ version: Version, _ vault: FileSnapshotVault, _ log: FixedLog, _ observer: Notes
    ) -> ShardRecovery {
        let options = WorkerOptions(
            number: 0, group: "rfmd", partitions: 1,
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

/// A journal of some records, beside inputs of a hundred.
private final class FixedLog: LogReader {
    private let records: [[UInt8]]
    /// First offsets that are kept, where that is not 0.
    private let firsts: [String: Int64]
    /// Ends, where that is not 100.
    private let ends: [String: Int64]

    init(_ records: [[UInt8]], firsts: [String: Int64] = [:], ends: [String: Int64] = [:]) {
        self.records = records
        self.ends = ends
        self.firsts = firsts
    }

    func range(of partition: TopicPartition) throws(TransportFailure) -> (first: Int64, end: Int64) {
        (
            firsts[partition.topic] ?? 0,
            partition.topic == "journal" ? Int64(records.count) : ends[partition.topic] ?? 100
        )
    }

    func openTransactions(in partitions: [TopicPartition]) -> [TopicPartition] { [] }

    func read(
        _ partition: TopicPartition, from: Int64, end: Int64, progress: () throws(TransportFailure) -> Void,
        body: (RawRecord) throws(TransportFailure) -> Void
    ) throws(TransportFailure) {
        for (offset, record) in records.enumerated() {
            var failure: TransportFailure?
            record.withUnsafeBytes { value in
                do throws(TransportFailure) {
                    try body(RawRecord(offset: Int64(offset), timestamp: nil, key: nil, value: value, message: nil))
                } catch { failure = error }
            }
            if let failure { throw failure }
        }
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
