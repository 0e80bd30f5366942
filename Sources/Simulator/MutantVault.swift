// A folder of snapshots with a defect (Mutation.swift says which).
import Codec
import Model
import Worker

final class MutantVault: SnapshotVault, @unchecked Sendable {
    private let real: any SnapshotVault
    private let mutation: Mutation
    private let world: World
    /// What `list` said in place of the truth.
    private var truth: [(told: SnapshotIdentity, real: SnapshotIdentity)] = []

    init(_ real: any SnapshotVault, _ mutation: Mutation, _ world: World) {
        self.real = real
        self.mutation = mutation
        self.world = world
    }

    func begin(_ identity: SnapshotIdentity) throws(SnapshotFailure) -> any SnapshotSink {
        let sink = try real.begin(identity)
        return mutation == .abortedSnapshot ? HastySink(sink) : sink
    }

    func list(group: String, shard: Int32) -> (usable: [SnapshotIdentity], damaged: [SnapshotFailure]) {
        let (usable, damaged) = real.list(group: group, shard: shard)
        if mutation == .firedAgain { return (usable, damaged) }
        // Whatever the file says, it is taken for the committed batch of that number.
        let log = world.cluster.log(TopicPartition(topic: World.outputs.journal, partition: shard))
        var committed: [UInt64: (Digest, [UInt8])] = [:]
        for (_, entry) in log.committed(from: log.start) {
            guard let value = entry.value, let record = JournalRecord(value) else { continue }
            if record.batch == 0 { committed = [:] }
            committed[record.batch] = (record.chain, [UInt8](value))
        }
        let told = usable.map { identity -> SnapshotIdentity in
            guard let (chain, record) = committed[identity.batch] else { return identity }
            var told = identity
            (told.chain, told.journalRecord) = (chain, record)
            truth.append((told, identity))
            return told
        }
        return (told, damaged)
    }

    func load(_ identity: SnapshotIdentity, body: (UnsafeRawBufferPointer) throws(SnapshotFailure) -> Void)
        throws(SnapshotFailure)
    {
        var identity = truth.last { $0.told == identity }?.real ?? identity
        if mutation == .firedAgain {
            let older = real.list(group: identity.group, shard: identity.shard).usable.last {
                $0.batch < identity.batch
            }
            identity = older ?? identity
        }
        try real.load(identity, body: body)
    }

    func prune(group: String, shard: Int32, keep: Int, isCurrent: (SnapshotIdentity) -> Bool) -> UInt64? {
        real.prune(group: group, shard: shard, keep: keep, isCurrent: isCurrent)
    }

    func keepEvidence(group: String, shard: Int32, batch: UInt64, bytes: [UInt8]) throws(SnapshotFailure) -> String {
        try real.keepEvidence(group: group, shard: shard, batch: batch, bytes: bytes)
    }
}

/// Publishes as soon as the file is on disk.
private final class HastySink: SnapshotSink, @unchecked Sendable {
    private let real: any SnapshotSink
    private var isHanded = false

    init(_ real: any SnapshotSink) { self.real = real }

    private func hurry() {
        if isHanded || real.failure != nil || !real.isDurable { return }
        isHanded = true
        real.publish()
    }

    var pending: Int { real.pending }
    var failure: SnapshotFailure? {
        hurry()
        return real.failure
    }
    func write(_ chunk: ByteBuffer) { real.write(chunk) }
    func finish() { real.finish() }
    var isDurable: Bool {
        hurry()
        return real.isDurable
    }
    func publish() { hurry() }
    var isPublished: Bool { isHanded && real.isPublished }
    func drop() { real.drop() }
}
