// A shard at work, with what this assignment knows about its commits and snapshots.
import Codec
import Model

final class ActiveShard {
    let shard: Shard
    /// The last batch that is known to be committed.
    private(set) var committed: UInt64
    /// Where the journal's records lie: of every batch that the recovery read, and of those since that may have a snapshot.
    private(set) var journalOffsets: [UInt64: Int64]
    var snapshot: SnapshotProgress?
    /// The newest batch that has a snapshot.
    private(set) var lastSnapshot: UInt64?
    private var nextSnapshotAt: Int64
    private let snapshotEvery: Int64
    private let clock: TrustedClock
    private var isTidyingDue = false

    init(_ recovered: ShardRecovery.Recovered, snapshotEvery: Int64, clock: TrustedClock) {
        shard = recovered.shard
        // What is applied again is committed already.
        committed = recovered.shard.replaying.last?.batch ?? recovered.shard.sealed.batch
        journalOffsets = recovered.journalOffsets
        if case .snapshot(let batch) = recovered.point { lastSnapshot = batch }
        self.snapshotEvery = snapshotEvery
        self.clock = clock
        nextSnapshotAt = clock.elapsed() + snapshotEvery
    }

    /// The batch that was in flight is committed, and its journal record lies at `offset`.
    func noteCommitted(offset: Int64) {
        committed = shard.sealed.batch
        // A snapshot is begun when its batch is sealed, so no other batch can get one.
        if snapshot?.batch == committed { journalOffsets[committed] = offset }
    }

    var isSnapshotDue: Bool { snapshot == nil && clock.elapsed() >= nextSnapshotAt }

    /// When one is begun: also one that fails is not tried again before.
    func planNextSnapshot() { nextSnapshotAt = clock.elapsed() + snapshotEvery }

    func noteSnapshot(_ batch: UInt64) {
        lastSnapshot = batch
        isTidyingDue = true
    }

    /// True once after a snapshot got its name: the owner tidies up after a later commit of the same generation.
    func takeTidying() -> Bool {
        defer { isTidyingDue = false }
        return isTidyingDue
    }
}
