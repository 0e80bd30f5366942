// Publishes a worker's status, and tells what went on for a while as one event instead of many.
import Codec
import Engine
import Model

struct WorkerTelling {
    private static let statusMilliseconds: Int64 = 200
    private static let summaryMilliseconds: Int64 = 10_000
    /// How long an input's end may stay unknown before it is told, ms.
    private static let silenceMilliseconds: Int64 = 15_000

    private var nextStatusAt: Int64 = 0
    private var nextSummaryAt: Int64 = 0
    private var told = [UInt64](repeating: 0, count: 32)
    private var jump: TrustedClock.Jump?
    /// Inputs that have never answered in this life, and since when that is known.
    private var unanswered: [TopicPartition: Int64] = [:]
    private var silence = Reminder()

    /// Called once a round; does something a few times a second.
    mutating func tell(_ loop: WorkerLoop) {
        let now = loop.ports.clock.elapsed()
        guard now >= nextStatusAt else { return }
        nextStatusAt = now + WorkerTelling.statusMilliseconds
        publish(loop)
        tellJump(loop)
        tellSilence(loop, now)
        guard now >= nextSummaryAt else { return }
        nextSummaryAt = now + WorkerTelling.summaryMilliseconds
        tellRejected(loop)
    }

    /// At the end of a life: what was counted is not lost.
    mutating func tellLast(_ loop: WorkerLoop) {
        publish(loop)
        tellRejected(loop)
    }

    private mutating func publish(_ loop: WorkerLoop) {
        let shards = loop.shards.map { active in
            WorkerStatus.Shard(
                index: active.shard.index, batch: active.committed, clock: active.shard.engine.clock,
                customers: active.shard.engine.customerCount, stateBytes: active.shard.engine.stateBytes,
                lag: WorkerTelling.lag(active, loop.source), isReplaying: active.shard.isReplaying)
        }
        var fresh = RecordCounts()
        tellLimits(loop)
        for active in loop.shards {
            fresh.add(active.shard.counts)
            active.shard.counts = RecordCounts()
        }
        loop.control.board.update {
            $0.shards = shards
            $0.counts.add(fresh)
        }
        for (reason, count) in fresh.reasons.enumerated() { told[reason] += count }
    }

    private func tellLimits(_ loop: WorkerLoop) {
        for reason in RejectionReason.ofTheState {
            var met = loop.shards.filter { $0.shard.counts[reason] > 0 }.map(\.shard.index)
            if met.isEmpty { continue }
            loop.control.board.update { status in
                met.removeAll { !status.limitsReached.insert(.init(shard: $0, reason: reason)).inserted }
            }
            if !met.isEmpty { loop.observe(.limitReached(reason, shards: met)) }
        }
    }

    /// Records that are not yet committed; nil if it is not known where an input ends.
    private static func lag(_ active: ActiveShard, _ source: any RecordSource) -> Int64? {
        var lag: Int64 = 0
        for input in active.shard.inputs {
            guard let end = source.end(of: input.partition) else { return nil }
            // Behind the last record there may be control records, which nobody applies.
            if input.readUpTo >= end.offset && input.waiting == 0 { continue }
            lag += max(0, end.offset - input.position)
        }
        return lag + Int64(active.shard.pending.records)
    }

    private mutating func tellRejected(_ loop: WorkerLoop) {
        var reasons: [RejectionReason: UInt64] = [:]
        for reason in RejectionReason.allCases where told[Int(reason.rawValue)] > 0 {
            reasons[reason] = told[Int(reason.rawValue)]
            told[Int(reason.rawValue)] = 0
        }
        if !reasons.isEmpty { loop.observe(.rejected(reasons)) }
    }

    private mutating func tellJump(_ loop: WorkerLoop) {
        let jump = loop.ports.clock.jump
        if let jump, self.jump == nil { loop.observe(.clockJumped(by: jump.by)) }
        self.jump = jump
    }

    private mutating func tellSilence(_ loop: WorkerLoop, _ now: Int64) {
        var silent: [TopicPartition] = []
        var longest: Int64 = 0
        for partition in loop.shards.flatMap({ $0.shard.inputs.map(\.partition) }) {
            let since: Int64
            if let answer = loop.source.end(of: partition) {
                unanswered[partition] = nil
                since = loop.ports.clock.now() - answer.askedAt
            } else {
                since = now - (unanswered[partition] ?? now)
                unanswered[partition] = now - since
            }
            if since <= WorkerTelling.silenceMilliseconds { continue }
            silent.append(partition)
            longest = max(longest, since)
        }
        if silent.isEmpty {
            if silence.end() && !loop.shards.isEmpty { loop.observe(.inputsAnswer) }
        } else if silence.isDue(at: now) {
            loop.observe(.inputsSilent(silent, milliseconds: longest))
        }
    }
}
