// How a life ends: in order, with everything committed and a last snapshot, or by giving everything up.
import Model

extension WorkerLoop {
    /// Commits what is in hand and writes a last snapshot of every shard that changed since its last one.
    func finish() throws(WorkerFailure) {
        try settle(limit: Limits.settleMilliseconds)
        let until = ports.clock.elapsed() + Limits.lastSnapshotMilliseconds
        for active in shards where !active.shard.isReplaying && active.lastSnapshot != active.shard.sealed.batch {
            if let snapshot = active.snapshot, snapshot.batch != active.shard.sealed.batch {
                snapshot.drop(active.shard.engine)
                active.snapshot = nil
            }
            if active.snapshot == nil { beginSnapshot(active) }
        }
        while shards.contains(where: { $0.snapshot != nil }) && ports.clock.elapsed() < until {
            control.board.tick()
            for active in shards { continueSnapshot(active) }
            source.wait(timeout: 5)
        }
    }

    /// Gives everything up, whatever state it is in. Waits for the committer's call that is under way (at most 5 s, then it is left to
    /// itself), for a question of the end prober (2 s) and for the end of each client (at most 3 s).
    func tearDown() {
        for active in shards {
            active.snapshot?.drop(active.shard.engine)
            active.shard.forgetRecords(release: source.release)
        }
        shards = []
        committer.stop()
        let until = ports.clock.elapsed() + 5_000
        while !committer.hasEnded && ports.clock.elapsed() < until {
            control.board.tick()
            source.wait(timeout: 20)
        }
        source.close()
        reader.close()
    }
}
