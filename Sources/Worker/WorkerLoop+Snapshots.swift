// Snapshots, a little between slices.

extension WorkerLoop {
    /// `active` was just sealed.
    func beginSnapshot(_ active: ActiveShard) {
        active.planNextSnapshot()
        do throws(SnapshotFailure) {
            active.snapshot = try SnapshotProgress(
                active.shard, group: options.group, vault: ports.vault, clock: ports.clock)
        } catch { observe(.snapshotFailed(shard: active.shard.index, reason: error.text)) }
    }

    func continueSnapshot(_ active: ActiveShard) {
        guard let snapshot = active.snapshot else { return }
        switch snapshot.step(active.shard.engine, isCommitted: active.committed >= snapshot.batch) {
        case .writing: return
        case .published(let milliseconds):
            active.noteSnapshot(snapshot.batch)
            observe(
                .snapshotWritten(
                    shard: active.shard.index, batch: snapshot.batch, customers: snapshot.customers,
                    milliseconds: milliseconds))
        case .failed(let failure):
            snapshot.drop(active.shard.engine)
            observe(.snapshotFailed(shard: active.shard.index, reason: failure.text))
        }
        active.snapshot = nil
    }
}
