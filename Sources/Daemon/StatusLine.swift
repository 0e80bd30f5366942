// What a daemon says of itself: one line while it runs, and its totals when it stops.
import Codec
import Worker

enum StatusLine {
    /// For `systemctl status`.
    static func text(_ workers: [WorkerStatus]) -> String {
        if let problem = workers.compactMap(\.connectionProblem).first { return "waiting for a broker: \(problem)" }
        let shards = workers.flatMap(\.shards)
        let lags = shards.map(\.lag)
        let lag = lags.contains(nil) ? "unknown" : String(lags.compactMap { $0 }.reduce(0, +))
        let phases = Set(workers.map(\.phase.rawValue)).sorted().joined(separator: ", ")
        let replaying = shards.filter(\.isReplaying).count
        let (counts, totals) = sum(workers)
        var line =
            "\(phases); \(shards.count) shards\(replaying > 0 ? " (\(replaying) catching up)" : ""), "
            + "\(shards.map(\.customers).reduce(0, +)) customers, lag \(lag); "
            + "records \(counts.consumed), events \(totals.events), dead letters \(totals.letters)"
        // What a healthy daemon does not show.
        if totals.recoveries > 0 { line += ", recoveries \(totals.recoveries)" }
        for reason in RejectionReason.ofTheState where counts[reason] > 0 {
            let full = workers.flatMap(\.limitsReached).filter { $0.reason == reason }.count
            line += ", \(reason.name) \(counts[reason]) in \(full) shards"
        }
        if totals.snapshotWaits > 0 { line += ", waits for a slow snapshot \(totals.snapshotWaits)" }
        return line
    }

    /// For the last line of the log.
    static func totals(_ workers: [WorkerStatus]) -> [(String, String)] {
        let (counts, totals) = sum(workers)
        return [
            ("records", counts.consumed), ("accepted", counts.accepted), ("duplicates", counts.duplicates),
            ("skipped", counts.skipped), ("rejected", counts.rejected), ("refunds_unmatched", counts.unmatchedRefunds),
            ("events", totals.events), ("dead_letters", totals.letters), ("batches", totals.batches),
            ("recoveries", totals.recoveries), ("snapshot_waits", totals.snapshotWaits),
            ("refused_at_limits", RejectionReason.ofTheState.reduce(0) { $0 + counts[$1] }),
        ].map { ($0.0, String($0.1)) }
    }

    private static func sum(_ workers: [WorkerStatus]) -> (RecordCounts, WorkerStatus.Totals) {
        var counts = RecordCounts()
        var totals = WorkerStatus.Totals()
        for worker in workers {
            counts.add(worker.counts)
            totals.add(worker.totals)
        }
        return (counts, totals)
    }
}
