// Before anything is recovered, what a broker left open of an earlier life of this worker is ended (docs/decisions/0010).
import Rules

extension WorkerLoop {
    /// Markers are written within moments; after so many ms it is more than that.
    private static let leftOpenMilliseconds: Int64 = 5_000
    /// A broker may leave open what was to end the open one, too.
    private static let mostAborts = 3

    /// Committed positions of the inputs, as soon as they are stable and no transaction is open where these shards write.
    ///
    /// This producer is initialized, so its coordinator knows of no open transaction of its name. What stays open all the same is either
    /// another member's, who has yet to end it, or it is this producer's own, completed without its markers: then no recovery could read
    /// on behind it, and the next commit would show it. An aborted transaction in the same places ends the latter and does nothing to the former,
    /// which is waited for as long as that takes.
    func settledPositions(
        of inputs: [TopicPartition], shards: [Int32], _ membership: any Membership,
        _ pause: () throws(TransportFailure) -> Void
    ) throws(WorkerFailure) -> [TopicPartition: Int64] {
        if inputs.isEmpty { return [:] }
        let outputs = options.topics.partitions(shards: shards, ladders: current.rules.ladders.map(\.source.name))
        var until = ports.clock.elapsed() + WorkerLoop.leftOpenMilliseconds
        var abortsLeft = WorkerLoop.mostAborts
        while true {
            let (open, committed): ([TopicPartition], [TopicPartition: Int64]?)
            do throws(TransportFailure) {
                open = abortsLeft == 0 ? [] : try openPartitions(among: outputs, pause)
                committed = try stablePositions(inputs)
            } catch { throw .transport(error) }
            if let committed, open.isEmpty { return committed }
            if abortsLeft > 0 && ports.clock.elapsed() >= until {
                observe(.leftOpen(open))
                // Whatever positions: in their transaction those of the lost one end.
                committer.abort(
                    in: outputs, InputPositions(positions: inputs.map { ($0, 0) }, membership: membership))
                while try takeResult() == nil { try wait(pause) }
                abortsLeft -= 1
                until = ports.clock.elapsed() + WorkerLoop.leftOpenMilliseconds
            }
            try wait(pause)
        }
    }

    private func wait(_ pause: () throws(TransportFailure) -> Void) throws(WorkerFailure) {
        do throws(TransportFailure) { try pause() } catch { throw .transport(error) }
    }

    private func openPartitions(
        among partitions: [TopicPartition], _ pause: () throws(TransportFailure) -> Void
    ) throws(TransportFailure) -> [TopicPartition] {
        try retrying(pause) { () throws(TransportFailure) in try reader.open(among: partitions) }
    }

    /// nil if a transaction with some of them is open.
    private func stablePositions(_ inputs: [TopicPartition]) throws(TransportFailure) -> [TopicPartition: Int64]? {
        do throws(TransportFailure) { return try source.committed(inputs) } catch {
            guard case .retriable = error else { throw error }
            return nil
        }
    }
}
