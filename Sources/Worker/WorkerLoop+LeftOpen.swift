// Before anything is recovered, what a broker left open of an earlier life of this worker is ended (docs/decisions/0010).
import Model
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
    /// on behind it, and the next commit would show it. An aborted transaction in the same places ends the latter and does nothing to the former.
    /// When it is not known whether something is open, or some still is after a few tries, the recovery goes on: it waits for the end of its
    /// journal in any case.
    func settledPositions(
        of inputs: [TopicPartition], shards: [Int32], _ membership: any Membership,
        _ pause: () throws(TransportFailure) -> Void
    ) throws(WorkerFailure) -> [TopicPartition: Int64] {
        if inputs.isEmpty { return [:] }
        let outputs = options.topics.partitions(shards: shards, ladders: current.rules.ladders.map(\.source.name))
        var since = ports.clock.elapsed()
        var looks = 0
        var abortsLeft = WorkerLoop.mostAborts
        while true {
            let open: [TopicPartition]?
            let committed: [TopicPartition: Int64]?
            do throws(TransportFailure) {
                open = try answered { () throws(TransportFailure) in try reader.openTransactions(in: outputs) }
                committed = try answered { () throws(TransportFailure) in try source.committed(inputs) }
            } catch { throw .transport(error) }
            if let committed, open?.isEmpty == true { return committed }
            looks += 1
            // One answer that took long is none that came late.
            let isLate = looks > 1 && ports.clock.elapsed() - since >= WorkerLoop.leftOpenMilliseconds
            if isLate, let committed, open == nil || abortsLeft == 0 { return committed }
            if isLate && abortsLeft > 0 {
                try abortLeftOpen(open ?? [], committed == nil ? inputs : [], membership, pause)
                abortsLeft -= 1
                (since, looks) = (ports.clock.elapsed(), 0)
            }
            do throws(TransportFailure) { try pause() } catch { throw .transport(error) }
        }
    }

    /// nil if there is no answer yet, or none that is final.
    private func answered<Answer>(_ ask: () throws(TransportFailure) -> Answer) throws(TransportFailure) -> Answer? {
        do throws(TransportFailure) { return try ask() } catch {
            switch error {
            case .retriable, .missing: return nil
            case .abort, .fatal, .fenced: throw error
            }
        }
    }

    /// With any positions of `inputs`: in their transaction those of the lost one end.
    private func abortLeftOpen(
        _ open: [TopicPartition], _ inputs: [TopicPartition], _ membership: any Membership,
        _ pause: () throws(TransportFailure) -> Void
    ) throws(WorkerFailure) {
        observe(.leftOpen(open))
        committer.abort(in: open, InputPositions(positions: inputs.map { ($0, 0) }, membership: membership))
        let until = ports.clock.elapsed() + Limits.settleMilliseconds
        while try takeResult() == nil {
            if ports.clock.elapsed() > until {
                throw .transport(
                    .abort("what was left open could not be aborted in \(Limits.settleMilliseconds / 1_000) s"))
            }
            do throws(TransportFailure) { try pause() } catch { throw .transport(error) }
        }
    }
}
