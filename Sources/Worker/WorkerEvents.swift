// What a worker tells the people who run it: each thing once, when it happens; a healthy worker at work says nothing.
import Codec

package enum WorkerEvent: Sendable, Equatable {
    case assigned(shards: [Int32])
    case revoked(lost: Bool)
    /// Other members have other inputs, or had: waiting until the group deals out anew.
    case assignmentUnusable(missing: TopicPartition)
    /// `batches` of the journal are applied again from there.
    case recovered(shard: Int32, from: RecoveryPoint, batches: Int)
    /// Everything committed before is applied: the shard works on new records.
    case live(shard: Int32, batch: UInt64)
    /// State that could not be recovered was given up; `lost` says why.
    case rebuilt(shard: Int32, lost: String)
    case versionInForce(shard: Int32, version: String)
    case snapshotUnusable(shard: Int32, reason: String)
    case snapshotFailed(shard: Int32, reason: String)
    case snapshotWritten(shard: Int32, batch: UInt64, customers: Int, milliseconds: Int64)
    /// Transactions are open in these output partitions and do not end, or the group's positions do not become stable: what this worker may have left
    /// there is aborted.
    case leftOpen([TopicPartition])
    /// The brokers cannot be reached, or can again (nil).
    case connection(problem: String?)
    /// The worker gives up its shards and clients and recovers; it begins after `delay` ms.
    case reset(reason: String, delay: Int64)
    /// Rejected records since the last such event, by reason.
    case rejected([RejectionReason: UInt64])
    /// These shards hold as much as they may, and refuse what would add to it: told when it is met first.
    case limitReached(RejectionReason, shards: [Int32])
    /// Dead letters that had to be cut short.
    case truncated(letters: Int)
    /// The machine's clock jumped by so many ms, and is not believed.
    case clockJumped(by: Int64)
    /// Nobody answers where these partitions end, the first of them for so many ms: their shards' clocks stand still. Told again, less and
    /// less often.
    case inputsSilent([TopicPartition], milliseconds: Int64)
    /// All inputs can be read again.
    case inputsAnswer
}

package enum RecoveryPoint: Sendable, Equatable {
    /// Begun just now.
    case newGenesis
    case genesis
    case snapshot(batch: UInt64)
    /// It was not given away: its state is still here.
    case memory(batch: UInt64)
}

package protocol WorkerObserver: Sendable {
    func observe(_ event: WorkerEvent, worker: Int)
}

/// How a worker's life ended.
package enum WorkerEnding: Sendable, Equatable {
    /// It was asked to, and everything in hand is committed.
    case stopped
    /// It was asked to, and could not commit what was in hand: that is applied again at the next start.
    case stoppedUncommitted(String)
    /// Another process with the same instance name has taken over.
    case fenced(String)
    /// Starting would lose or mix up something; the text says what, and the way out.
    case refused(String)
    /// What was applied again differs from what was committed.
    case defect(String)
}
