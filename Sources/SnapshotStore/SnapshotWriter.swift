// One snapshot on its way to disk, and the lane that takes it there.
import Glibc
import Model
import Worker

/// Shared by a sink, which asks, and its lane, which does. The lane ends with the snapshot: published, dropped or failed; the
/// temporary file is then gone. Everything that changes is touched with `monitor` locked, but `output`, which is the lane's.
final class SnapshotWriter: @unchecked Sendable {
    /// How far the file is, or is to come.
    enum Stage: Int, Comparable {
        case writing, durable, published

        static func < (left: Stage, right: Stage) -> Bool { left.rawValue < right.rawValue }
    }

    private enum Step {
        case begin
        case write([ByteBuffer])
        case complete
        case publish
        /// Nothing more will be done.
        case end
    }

    private let folder: SnapshotFolder
    private let lane: any Lane
    private let monitor = Monitor()
    private var queue: [ByteBuffer] = []
    private var pendingBytes = 0
    private var wanted = Stage.writing
    private var reached = Stage.writing
    private var hasBegun = false
    private var isDropped = false
    private var firstFailure: SnapshotFailure?
    /// True while the lane does something, or is to look for something to do.
    private var isBusy = false
    private var hasEnded = false
    private let output: SnapshotOutput

    /// Begins at once.
    init(_ identity: SnapshotIdentity, in folder: SnapshotFolder) throws(SnapshotFailure) {
        self.folder = folder
        output = try SnapshotOutput(identity, in: folder)
        folder.writerBegins()
        lane = folder.lanes.lane("snapshot-writer", .background)
        monitor.locked { callLane() }
    }

    /// Only with `monitor` locked.
    private func callLane() {
        if isBusy || hasEnded { return }
        isBusy = true
        lane.run { [self] in work() }
    }

    // MARK: For the sink

    var pending: Int { monitor.locked { pendingBytes } }

    var failure: SnapshotFailure? { monitor.locked { firstFailure } }

    func has(_ stage: Stage) -> Bool { monitor.locked { reached >= stage } }

    func write(_ chunk: ByteBuffer) {
        monitor.locked {
            precondition(wanted == .writing, "no chunk follows finish")
            if isDropped || firstFailure != nil { return }
            queue.append(chunk)
            pendingBytes += chunk.count
            callLane()
        }
    }

    func finish() { want(.durable) }

    func publish() {
        precondition(failure != nil || has(.durable), "a snapshot is published when it is durable")
        want(.published)
    }

    private func want(_ stage: Stage) {
        monitor.locked {
            wanted = max(wanted, stage)
            callLane()
        }
    }

    func drop() {
        monitor.locked {
            // What is published is committed: it stays.
            if wanted == .published { return }
            isDropped = true
            discardQueue()
            callLane()
        }
    }

    /// Waits until everything that was asked for is done, or the snapshot is lost.
    func settle() {
        monitor.locked {
            // A snapshot that is dropped or published is settled when the lane has closed the file.
            while !hasEnded && (isBusy || isDropped || wanted == .published || !queue.isEmpty || reached < wanted) {
                monitor.wait()
            }
        }
    }

    // MARK: The lane

    private func work() {
        do throws(SnapshotFailure) {
            while let step = nextStep() {
                switch step {
                case .begin: try output.begin()
                case .write(let chunks): try write(chunks)
                case .complete:
                    try output.complete()
                    reach(.durable)
                case .publish:
                    try output.publish()
                    reach(.published)
                case .end: return end()
                }
            }
        } catch {
            fail(error)
            end()
        }
    }

    /// What is to be done next; nil when that is nothing for now.
    private func nextStep() -> Step? {
        monitor.locked {
            if isDropped || reached == .published { return .end }
            if !hasBegun {
                hasBegun = true
                return .begin
            }
            if !queue.isEmpty {
                defer { queue = [] }
                return .write(queue)
            }
            if wanted > reached { return reached == .writing ? .complete : .publish }
            isBusy = false
            monitor.signal()
            return nil
        }
    }

    private func end() {
        output.discard()
        monitor.locked {
            hasEnded = true
            isBusy = false
            monitor.signal()
        }
        folder.writerEnds()
        lane.end()
    }

    private func write(_ chunks: [ByteBuffer]) throws(SnapshotFailure) {
        for chunk in chunks {
            if monitor.locked({ isDropped }) { return }
            try output.write(chunk)
            monitor.locked { pendingBytes = max(0, pendingBytes - chunk.count) }
        }
    }

    private func reach(_ stage: Stage) { monitor.locked { reached = stage } }

    private func fail(_ failure: SnapshotFailure) {
        monitor.locked {
            firstFailure = failure
            discardQueue()
        }
    }

    private func discardQueue() {
        queue = []
        pendingBytes = 0
    }
}

/// The file itself. One thread at a time uses it.
private final class SnapshotOutput: @unchecked Sendable {
    private let folder: SnapshotFolder
    private let identity: SnapshotIdentity
    private let header: ByteBuffer
    private let compressor: Compressor
    private let name: TemporaryName
    /// Open, and so locked, until the file has its final name or is gone.
    private var file: Descriptor?
    private var isPublished = false

    private var fileBytes = 0
    private var contentBytes: UInt64 = 0
    private var chunks: UInt64 = 0
    private var digest = Digest.zero

    private var path: String { folder.file(name.text) }

    init(_ identity: SnapshotIdentity, in folder: SnapshotFolder) throws(SnapshotFailure) {
        self.folder = folder
        self.identity = identity
        guard let header = SnapshotFormat.header(identity) else {
            throw .io(
                file: folder.path,
                reason:
                    "the identity of a snapshot is longer than \(Limits.snapshotIdentityBytes) bytes (journal record and topics)"
            )
        }
        guard let compressor = Compressor() else {
            throw .io(file: folder.path, reason: "there is no memory to write a snapshot")
        }
        self.header = header
        self.compressor = compressor
        let created = try folder.createTemporary(group: identity.group)
        name = created.name
        file = created.file
    }

    private var opened: Descriptor {
        guard let file else { preconditionFailure("the file is closed") }
        return file
    }

    func begin() throws(SnapshotFailure) {
        try folder.removeAbandoned(besides: name, opened)
        try append(header.bytes)
        digest = Digest(of: UnsafeRawBufferPointer(rebasing: header.bytes.dropLast(SnapshotFormat.digestBytes)))
    }

    private func append(_ bytes: UnsafeRawBufferPointer) throws(SnapshotFailure) {
        try folder.calls.writeAll(opened.number, bytes, of: path)
        fileBytes += bytes.count
    }

    func write(_ chunk: ByteBuffer) throws(SnapshotFailure) {
        guard chunk.count <= Limits.snapshotChunkBytes else {
            throw .io(file: path, reason: "a chunk of \(chunk.count) bytes is longer than \(Limits.snapshotChunkBytes)")
        }
        guard let (bytes, digest) = compressor.chunk(chunk.bytes, index: chunks) else {
            throw .io(file: path, reason: "a chunk cannot be compressed")
        }
        try append(bytes)
        chunks += 1
        contentBytes += UInt64(chunk.count)
        self.digest = SnapshotFormat.chain(self.digest, digest)
    }

    /// Ends the file and reads it back: the snapshots before it may be removed because of it.
    func complete() throws(SnapshotFailure) {
        let total = UInt64(fileBytes + SnapshotFormat.footerBytes)
        let footer = SnapshotFooter(chunks: chunks, fileBytes: total, contentBytes: contentBytes, digest: digest)
            .encoded
        try append(footer.bytes)
        try folder.calls.syncToDisk(opened.number, of: path)
        // What is on disk now is read from there and not from memory, as far as the system follows the advice.
        folder.calls.advise(opened.number, POSIX_FADV_DONTNEED)
        guard let written = try SnapshotFile(path, folder.calls), written.identity == identity else {
            throw .io(file: path, reason: "is not there any more after it was written")
        }
        try written.verify()
    }

    func publish() throws(SnapshotFailure) {
        if folder.calls.rename(path, folder.file(SnapshotName(identity).text)) != 0 {
            throw .failed("cannot be renamed", path)
        }
        isPublished = true
        try folder.sync()
    }

    /// Closes the file, and removes it unless it has its final name. The last call.
    func discard() {
        if !isPublished { _ = folder.calls.unlink(path) }
        file = nil
    }
}
