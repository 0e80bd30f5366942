// Snapshots as files of one folder: the real SnapshotVault.
import Glibc
import Model
import Worker

/// May be used from any thread; several processes of a group share one folder. It holds nothing that changes.
package final class FileSnapshotVault: SnapshotVault {
    private let folder: SnapshotFolder

    /// Makes the folder if it is missing. `instance` differs between the processes of a group, `writer` between processes.
    package init(
        folder: String, instance: String, writer: String = FileSnapshotVault.process, calls: FileCalls = .system,
        lanes: any Lanes = ThreadLanes()
    ) throws(SnapshotFailure) {
        precondition(
            Limits.snapshotChunkBytes >= 2 * Limits.snapshotBufferBytes, "a chunk holds all that was held back")
        self.folder = try SnapshotFolder(folder, instance: instance, writer: writer, calls: calls, lanes: lanes)
    }

    /// A random number of this process.
    package static let process = String(UInt64.random(in: 0 ... .max), radix: 16)

    package func begin(_ identity: SnapshotIdentity) throws(SnapshotFailure) -> any SnapshotSink {
        try beginFile(identity)
    }

    package func beginFile(_ identity: SnapshotIdentity) throws(SnapshotFailure) -> FileSnapshotSink {
        FileSnapshotSink(try SnapshotWriter(identity, in: folder))
    }

    /// Waits until every snapshot that was published, dropped or let go of is on disk or gone, and one that is still held and not
    /// published, too: for whoever removes the folder next (Bench, tests).
    package func settle() { folder.waitForWriters() }

    package func list(group: String, shard: Int32) -> (usable: [SnapshotIdentity], damaged: [SnapshotFailure]) {
        var usable: [SnapshotIdentity] = []
        var damaged: [SnapshotFailure] = []
        do throws(SnapshotFailure) {
            for (_, content) in try examine(group, shard) {
                switch content {
                case .success(let identity): usable.append(identity)
                case .failure(let failure): damaged.append(failure)
                }
            }
        } catch { damaged.append(error) }
        return (usable, damaged)
    }

    /// Every snapshot of a shard, newest batch first, with header and footer verified.
    private func examine(_ group: String, _ shard: Int32) throws(SnapshotFailure)
        -> [(name: SnapshotName, content: Result<SnapshotIdentity, SnapshotFailure>)]
    {
        let part = SnapshotName.part(ofGroup: group)
        let names = try folder.names().compactMap { SnapshotName($0) }.filter { $0.group == part && $0.shard == shard }
        let newestFirst = names.sorted { $0.batch == $1.batch ? $0.text < $1.text : $0.batch > $1.batch }
        var found: [(name: SnapshotName, content: Result<SnapshotIdentity, SnapshotFailure>)] = []
        for name in newestFirst {
            do throws(SnapshotFailure) {
                // The owner may have removed it by now.
                guard let file = try open(name) else { continue }
                found.append((name, .success(file.identity)))
            } catch { found.append((name, .failure(error))) }
        }
        return found
    }

    /// nil if it is not there.
    private func open(_ name: SnapshotName) throws(SnapshotFailure) -> SnapshotFile? {
        let path = folder.file(name.text)
        guard let file = try SnapshotFile(path, folder.calls) else { return nil }
        guard SnapshotName(file.identity) == name else {
            throw .damaged(file: path, reason: "its name is not that of the snapshot in it")
        }
        return file
    }

    package func load(
        _ identity: SnapshotIdentity, body: (UnsafeRawBufferPointer) throws(SnapshotFailure) -> Void
    ) throws(SnapshotFailure) {
        let name = SnapshotName(identity)
        let path = folder.file(name.text)
        guard let file = try open(name) else { throw .io(file: path, reason: "there is no such snapshot") }
        guard file.identity == identity else {
            throw .damaged(file: path, reason: "it holds another journal record than the one that was asked for")
        }
        try SnapshotLoad(file, folder.lanes).run(body)
    }

    package func prune(
        group: String, shard: Int32, keep: Int, isCurrent: (SnapshotIdentity) -> Bool
    ) -> UInt64? {
        precondition(keep > 0, "one snapshot is always kept")
        let found: [(name: SnapshotName, content: Result<SnapshotIdentity, SnapshotFailure>)]
        // What cannot be listed is not removed, and no batch is named behind which the journal could be trimmed. A name that was just
        // given may be gone after a loss of power: what is listed counts once the folder is on disk.
        do throws(SnapshotFailure) {
            found = try examine(group, shard)
            try folder.sync()
        } catch { return nil }
        let current = found.filter { entry in
            guard case .success(let identity) = entry.content else { return false }
            return isCurrent(identity)
        }
        let kept = current.prefix(keep)
        guard kept.count == keep, let oldest = kept.last?.name.batch else { return nil }
        var left = oldest
        for (name, content) in found where name.batch < oldest {
            let isOurs: Bool
            switch content {
            case .success: isOurs = true
            // Too old to be of use, whatever it was.
            case .failure(.damaged): isOurs = true
            // A newer rfmd wrote it, or it cannot be told what it is.
            case .failure(.tooNew), .failure(.io): isOurs = false
            }
            guard isOurs, folder.calls.unlink(folder.file(name.text)) != 0, errno != ENOENT else { continue }
            if current.contains(where: { $0.name == name }) { left = min(left, name.batch) }
        }
        return left
    }

    package func keepEvidence(
        group: String, shard: Int32, batch: UInt64, bytes: [UInt8]
    ) throws(SnapshotFailure) -> String {
        let path = folder.file("evidence-\(SnapshotName.part(ofGroup: group))-\(shard)-\(batch)")
        guard let file = Descriptor(path, O_WRONLY | O_CREAT | O_TRUNC, mode: 0o600, folder.calls) else {
            throw .failed("cannot be created", path)
        }
        let content = ByteBuffer(capacity: bytes.count)
        content.append(contentsOf: bytes)
        try folder.calls.writeAll(file.number, content.bytes, of: path)
        try folder.calls.syncToDisk(file.number, of: path)
        return path
    }
}

/// One snapshot while it is written. Its owner alone calls it, from one thread at a time.
package final class FileSnapshotSink: SnapshotSink {
    private let writer: SnapshotWriter

    init(_ writer: SnapshotWriter) { self.writer = writer }

    deinit { writer.drop() }

    package var pending: Int { writer.pending }
    package var failure: SnapshotFailure? { writer.failure }
    package func write(_ chunk: ByteBuffer) { writer.write(chunk) }
    package func finish() { writer.finish() }
    package var isDurable: Bool { writer.has(.durable) }
    package func publish() { writer.publish() }
    package var isPublished: Bool { writer.has(.published) }
    package func drop() { writer.drop() }

    /// Waits until everything that was asked for is done, or the snapshot is lost (`failure`). For tests: a worker asks and never waits.
    package func settle() { writer.settle() }
}
