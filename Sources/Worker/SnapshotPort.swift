// The place where shards keep their snapshots, as a worker sees it.
import Model

/// What a snapshot is of. `journalRecord` is that batch's whole record, so that it can be compared with the committed journal.
package struct SnapshotIdentity: Equatable, Sendable {
    package var group: String
    /// The shard's input topics in the order of their names.
    package var topics: [String]
    package var shard: Int32
    package var batch: UInt64
    /// The digest chained over all journal records up to this one.
    package var chain: Digest
    package var journalRecord: [UInt8]

    package init(
        group: String, topics: [String], shard: Int32, batch: UInt64, chain: Digest, journalRecord: [UInt8]
    ) {
        self.group = group
        self.topics = topics
        self.shard = shard
        self.batch = batch
        self.chain = chain
        self.journalRecord = journalRecord
    }
}

package enum SnapshotFailure: Error, Equatable, Sendable {
    /// The file cannot be used: `reason` says what is wrong with it and where.
    case damaged(file: String, reason: String)
    /// The file was written by a newer rfmd.
    case tooNew(file: String, version: UInt32)
    /// The disk said no.
    case io(file: String, reason: String)

    package var text: String {
        switch self {
        case .damaged(let file, let reason), .io(let file, let reason): "\(file): \(reason)"
        case .tooNew(let file, let version): "\(file): its format \(version) is newer than this rfmd reads"
        }
    }
}

/// A snapshot while it is written: a temporary file behind a thread of its own.
package protocol SnapshotSink: AnyObject, Sendable {
    /// Bytes handed over and not yet written.
    var pending: Int { get }
    /// The first thing that went wrong, if any; the snapshot is then of no use and is to be dropped.
    var failure: SnapshotFailure? { get }
    /// Hands over one chunk (compressed, checksummed and written in order by the other thread). Never waits. The caller must not touch
    /// the buffer any more. At most Limits.snapshotChunkBytes; the caller bounds `pending`. After a failure or `drop` it is discarded.
    func write(_ chunk: ByteBuffer)
    /// No chunk follows. Never waits; `isDurable` tells when the file is on disk.
    func finish()
    /// The temporary file is complete and synced.
    var isDurable: Bool { get }
    /// Gives the file its final name (its batch is committed). Only when `isDurable`. Never waits: the other thread renames and syncs
    /// the folder, and `isPublished` or `failure` tells. Not taken back by `drop` or by letting go of the sink.
    func publish()
    /// The final name is on disk.
    var isPublished: Bool { get }
    /// Forgets the temporary file: the other thread removes it. So does letting go of the sink.
    func drop()
}

package protocol SnapshotVault: AnyObject, Sendable {
    func begin(_ identity: SnapshotIdentity) throws(SnapshotFailure) -> any SnapshotSink
    /// Identities of the complete snapshots of a shard, newest batch first; files that cannot be read are reported, not hidden.
    func list(group: String, shard: Int32) -> (usable: [SnapshotIdentity], damaged: [SnapshotFailure])
    /// Calls `body` with each chunk in order, after its checksum was verified. A later chunk may still be damaged: what `body` made of
    /// the ones before is of no use if this throws.
    func load(_ identity: SnapshotIdentity, body: (UnsafeRawBufferPointer) throws(SnapshotFailure) -> Void)
        throws(SnapshotFailure)
    /// Keeps the newest `keep` of a shard's snapshots for which `isCurrent` is true and, once there are so many, removes whatever of
    /// the shard is older. Returns the oldest batch that is kept, behind which the journal may be trimmed; nil while there are fewer,
    /// so that there are always `keep` ways back. `isCurrent` says whether a snapshot is of this journal: after a rebuild batches are
    /// counted anew, and those of the genesis before must not push these out.
    func prune(group: String, shard: Int32, keep: Int, isCurrent: (SnapshotIdentity) -> Bool) -> UInt64?
    /// Keeps evidence of a defect beside the snapshots, under a name made of `shard` and `batch`; returns the path.
    func keepEvidence(group: String, shard: Int32, batch: UInt64, bytes: [UInt8]) throws(SnapshotFailure) -> String
}
