// The committer: owns the transactional producer, on a lane of its own, and commits one sealed batch at a time.
import Codec
import Model
import Rules
import Synchronization

/// One job at a time: the owner puts it in, the committer's lane works on it, the owner takes the result.
///
/// Sendable because only `state` is touched from both sides; `sink` and `writer` belong to the lane.
final class Committer: @unchecked Sendable {
    private enum Job: Sendable {
        case initialize
        case commit(SealedBatch)
        case abort([TopicPartition], InputPositions)
    }

    private struct State {
        var isBusy = false
        /// The result is there, and a transaction that began now would be refused at first.
        var isResting = false
        var result: CommitResult?
        var stops = false
        var hasEnded = false
    }

    private let state = Mutex(State())
    private let lane: any Lane
    private let sink: any TransactionSink
    private let writer: BatchWriter
    private let wake: @Sendable () -> Void

    /// `wake` is called from the lane when a result is there, and when the next batch may come.
    init(
        sink: any TransactionSink, lane: any Lane, topics: OutputTopics, format: EventEncoder.Format,
        wake: @escaping @Sendable () -> Void
    ) {
        self.sink = sink
        self.lane = lane
        self.wake = wake
        writer = BatchWriter(sink, topics: topics, format: format)
    }

    /// True if nothing is in flight, no result waits, and the next batch may come.
    var isIdle: Bool { state.withLock { !$0.isBusy && !$0.isResting && $0.result == nil } }

    func initialize() { submit(.initialize) }

    func commit(_ batch: SealedBatch) { submit(.commit(batch)) }

    /// Aborts a transaction that touches these partitions and positions.
    func abort(in partitions: [TopicPartition], _ inputs: InputPositions) { submit(.abort(partitions, inputs)) }

    private func submit(_ job: Job) {
        state.withLock {
            precondition(!$0.isBusy && $0.result == nil, "one batch at a time")
            $0.isBusy = true
        }
        lane.run { [self] in
            // What was not begun when the owner gave up is not begun any more.
            if state.withLock({ $0.stops }) { return }
            let result = work(job)
            var rests = false
            if case .commit = job, case .committed = result { rests = true }
            state.withLock {
                $0.result = result
                $0.isBusy = false
                $0.isResting = rests
            }
            wake()
            if !rests { return }
            sink.rest()
            state.withLock { $0.isResting = false }
            wake()
        }
    }

    /// The result of what was submitted, once.
    func takeResult() -> CommitResult? {
        state.withLock { state in
            defer { state.result = nil }
            return state.result
        }
    }

    /// Ends the lane and destroys the producer, without waiting for either. What is in flight is left to the broker: it was
    /// committed, or a later producer of the same name aborts it. `hasEnded` tells when the lane is done.
    func stop() {
        state.withLock { $0.stops = true }
        lane.run { [self] in
            sink.close()
            state.withLock { $0.hasEnded = true }
            wake()
        }
        lane.end()
    }

    var hasEnded: Bool { state.withLock { $0.hasEnded } }

    private func work(_ job: Job) -> CommitResult {
        do throws(TransportFailure) {
            switch job {
            case .initialize:
                try sink.initialize { self.state.withLock { $0.stops } }
                return .committed(CommitReport())
            case .commit(let batch): return try commitNow(batch)
            case .abort(let partitions, let inputs):
                try writer.abort(in: partitions, inputs)
                return .committed(CommitReport())
            }
        } catch { return .failed(error) }
    }

    private func commitNow(_ batch: SealedBatch) throws(TransportFailure) -> CommitResult {
        let offsets = try writer.commit(batch)
        var report = CommitReport(events: writer.events, letters: writer.letters, truncated: writer.truncated)
        // The journal records alone are tracked, one of each part.
        for (part, offset) in zip(batch.parts, offsets) { report.journalOffsets[part.shard] = offset }
        return .committed(report)
    }
}
