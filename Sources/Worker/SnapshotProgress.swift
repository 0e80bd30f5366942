// One snapshot of one shard on its way to disk, in parts between slices.
import Engine
import Model

final class SnapshotProgress {
    /// What one part may take, ms.
    private static let partMilliseconds: Int64 = 2
    /// A slice that fires so many deadlines ends with a stop by itself: the part behind it is one chunk, for no record comes between.
    private static let manyDeadlines: UInt64 = 500

    let batch: UInt64
    let customers: Int
    private let sink: any SnapshotSink
    private let bounds: BatchBounds
    private let clock: TrustedClock
    private let startedAt: Int64
    /// Deadlines that the engine had fired when the last part was written.
    private var fired: UInt64
    private var isEncoded = false
    private var isPublishing = false

    enum State: Equatable {
        case writing
        /// It has its final name.
        case published(milliseconds: Int64)
        case failed(SnapshotFailure)
    }

    /// Begins at the state as it is: `shard` was just sealed, and nothing was applied since.
    init(_ shard: Shard, group: String, vault: any SnapshotVault, clock: TrustedClock) throws(SnapshotFailure) {
        precondition(shard.pending.isEmpty, "a snapshot's point is the end of a batch")
        batch = shard.sealed.batch
        bounds = shard.bounds
        self.clock = clock
        startedAt = clock.elapsed()
        fired = shard.engine.firedDeadlines
        customers = shard.engine.customerCount
        sink = try vault.begin(
            SnapshotIdentity(
                group: group, topics: shard.inputs.map(\.partition.topic), shard: shard.index,
                batch: shard.sealed.batch,
                chain: shard.sealed.chain, journalRecord: shard.sealed.record))
        let header = ByteBuffer(capacity: 256)
        header.append(shard.versionBefore ?? .zero)
        shard.engine.beginSnapshot(into: header)
        sink.write(header)
    }

    /// Takes the first chunk apart: the version before, if one is needed, and the engine's own header.
    static func split(header: UnsafeRawBufferPointer) throws(Engine.DamagedState) -> (
        versionBefore: Digest?, engine: UnsafeRawBufferPointer
    ) {
        do throws(ByteReader.Damaged) {
            var reader = ByteReader(header)
            let digest = try reader.readDigest()
            return (digest == .zero ? nil : digest, try reader.readBytes(reader.remaining))
        } catch { throw Engine.DamagedState(reason: "the header is cut off") }
    }

    /// True if no slice may be applied before the writer has caught up.
    func isFull(_ engine: Engine) -> Bool { engine.snapshotHeld + sink.pending > bounds.snapshotBufferBytes }

    /// Hands over the next part, and gives the file its name when it is on disk and its batch is committed.
    func step(_ engine: Engine, isCommitted: Bool) -> State {
        if let failure = sink.failure { return .failed(failure) }
        // Unless what is held back piles up.
        let isLate =
            engine.firedDeadlines - fired >= SnapshotProgress.manyDeadlines
            && engine.snapshotHeld < bounds.snapshotBufferBytes / 8
        fired = engine.firedDeadlines
        let until = clock.elapsed() + (isLate ? 0 : SnapshotProgress.partMilliseconds)
        while !isEncoded && sink.pending < bounds.snapshotBufferBytes / 2 {
            encodeChunk(of: engine)
            if clock.elapsed() >= until { break }
        }
        if sink.isPublished { return .published(milliseconds: clock.elapsed() - startedAt) }
        if sink.isDurable && isCommitted && !isPublishing {
            isPublishing = true
            sink.publish()
        }
        return .writing
    }

    private func encodeChunk(of engine: Engine) {
        let chunk = ByteBuffer(capacity: bounds.snapshotPartBytes + 4_096)
        let goesOn = engine.continueSnapshot(into: chunk, limit: bounds.snapshotPartBytes)
        if chunk.count > 0 { sink.write(chunk) }
        if !goesOn {
            engine.endSnapshot()
            sink.finish()
            isEncoded = true
        }
    }

    func drop(_ engine: Engine) {
        engine.endSnapshot()
        sink.drop()
    }
}
