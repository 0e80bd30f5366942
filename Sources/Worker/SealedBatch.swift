// What goes from the owner of the shards to its committer, and what comes back.
import Codec
import Model

/// What the owner of the shards hands over: everything of one batch.
///
/// Sendable because it changes hands whole: the owner does not touch the buffers again.
struct SealedBatch: @unchecked Sendable {
    struct Part {
        var shard: Int32
        /// The genesis' id.
        var genesis: Digest
        var batch: UInt64
        var effects: ByteBuffer
        var sections: [(from: Int, version: Digest)]
        var letters: [DeadLetter]
        var journal: [UInt8]
        var positions: [(TopicPartition, Int64)]
    }

    var parts: [Part]
    var membership: any Membership
    /// Versions that are to be written to rfm.versions with this batch.
    var versions: [(digest: Digest, bytes: [UInt8])]
    /// How to write the effects of each version.
    var encoders: [Digest: EventEncoder]
}

package enum CommitResult: Sendable, Equatable {
    case committed(CommitReport)
    case failed(TransportFailure)
}

package struct CommitReport: Sendable, Equatable {
    /// Events and letters sent, and letters that were cut short.
    package var events = 0
    package var letters = 0
    package var truncated = 0
    /// Where the journal records lie, by shard.
    package var journalOffsets: [Int32: Int64] = [:]
}
