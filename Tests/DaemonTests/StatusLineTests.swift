// What a daemon says of itself while it runs and when it stops.
import Codec
import Testing

@testable import Daemon
@testable import Worker

@Suite struct StatusLineTests {
    private func worker() -> WorkerStatus {
        var status = WorkerStatus()
        status.phase = .running
        status.shards = [0, 1].map {
            WorkerStatus.Shard(
                index: $0, batch: 7, clock: 1_000, customers: 50, stateBytes: 1_024, lag: 3, isReplaying: $0 == 1)
        }
        for _ in 0..<10 { status.counts.count(.accepted) }
        status.counts.count(.duplicate)
        status.totals.batches = 4
        status.totals.events = 5
        status.totals.letters = 2
        return status
    }

    @Test func aHealthyDaemonSaysHowMuchItHasDone() {
        #expect(
            StatusLine.text([worker(), worker()])
                == "running; 4 shards (2 catching up), 200 customers, lag 12; records 22, events 10, dead letters 4")
    }

    @Test func whatIsNotHealthyIsTold() {
        var troubled = worker()
        troubled.totals.recoveries = 1
        troubled.totals.snapshotWaits = 9
        troubled.shards[0].lag = nil
        for _ in 0..<3 { troubled.counts.count(.rejected(Rejection(.limitBytes))) }
        troubled.counts.count(.rejected(Rejection(.notJSON)))
        troubled.limitsReached = [.init(shard: 0, reason: .limitBytes), .init(shard: 1, reason: .limitBytes)]
        #expect(
            StatusLine.text([troubled])
                == "running; 2 shards (1 catching up), 100 customers, lag unknown; records 15, events 5, "
                + "dead letters 2, recoveries 1, limit_bytes 3 in 2 shards, waits for a slow snapshot 9")
        troubled.connectionProblem = "refused"
        #expect(StatusLine.text([worker(), troubled]) == "waiting for a broker: refused")
    }

    @Test func theTotalsOfAllWorkersAreTheLastWord() {
        let totals = StatusLine.totals([worker(), worker()]).map { "\($0.0)=\($0.1)" }.joined(separator: " ")
        #expect(
            totals == "records=22 accepted=20 duplicates=2 skipped=0 rejected=0 refunds_unmatched=0 events=10 "
                + "dead_letters=4 batches=8 recoveries=0 snapshot_waits=0 refused_at_limits=0")
    }
}
