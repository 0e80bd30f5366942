// A snapshot on its way back from disk: a lane reads, verifies and unpacks its chunks ahead of whoever takes them.
import Model
import Worker

/// Shared by the one who takes the chunks and his lane, which does one chunk after the other as long as there is room. Everything that
/// changes is touched with `monitor` locked, but for what is marked as the lane's.
final class SnapshotLoad: @unchecked Sendable {
    /// Nothing more is unpacked while so many bytes wait: what the engine has for a few ms.
    static let bytesAhead = 4 << 20

    private let path: String
    private let lanes: any Lanes
    private let lane: any Lane

    // The lane's, and from the end on the taker's.
    private var walk: ChunkWalk?
    private let stored = ByteBuffer(capacity: 1 << 16)
    private let decompressor: Decompressor

    private let monitor = Monitor()
    private var ready: [ByteBuffer] = []
    private var readyBytes = 0
    /// Buffers to be used again.
    private var spare: [ByteBuffer] = []
    /// The lane does a chunk, or is to.
    private var isBusy = false
    /// All chunks are unpacked, or one could not be.
    private var isAtEnd = false
    private var failure: SnapshotFailure?
    private var isGivenUp = false

    init(_ file: SnapshotFile, _ lanes: any Lanes) throws(SnapshotFailure) {
        guard let decompressor = Decompressor() else {
            throw .io(file: file.path, reason: "there is no memory to unpack it")
        }
        self.decompressor = decompressor
        path = file.path
        walk = file.walk()
        self.lanes = lanes
        lane = lanes.lane("snapshot-reader", .normal)
    }

    /// Calls `body` with each chunk in order, once that chunk is verified. The file is closed and the lane done when this returns. To
    /// be called once.
    func run(_ body: (UnsafeRawBufferPointer) throws(SnapshotFailure) -> Void) throws(SnapshotFailure) {
        defer { end() }
        monitor.locked { callLane() }
        while let chunk = try next() {
            try body(chunk.bytes)
            giveBack(chunk)
        }
    }

    /// nil when all were taken. A failure comes after the chunks before it, however far ahead it was found.
    private func next() throws(SnapshotFailure) -> ByteBuffer? {
        let isThere = lanes.wait { monitor.locked { !ready.isEmpty || isAtEnd } }
        guard isThere else { throw .io(file: path, reason: "the load was given up") }
        let (chunk, found) = monitor.locked { () -> (ByteBuffer?, SnapshotFailure?) in
            guard !ready.isEmpty else { return (nil, failure) }
            let chunk = ready.removeFirst()
            readyBytes -= chunk.count
            callLane()
            return (chunk, nil)
        }
        if let found { throw found }
        return chunk
    }

    private func giveBack(_ chunk: ByteBuffer) { monitor.locked { spare.append(chunk) } }

    private func end() {
        monitor.locked { isGivenUp = true }
        // False: the process is dead, and so is the lane.
        _ = lanes.wait { monitor.locked { !isBusy } }
        walk = nil
        lane.end()
    }

    // MARK: The lane

    /// Only with `monitor` locked.
    private func callLane() {
        if isBusy || isAtEnd || isGivenUp || readyBytes >= SnapshotLoad.bytesAhead { return }
        isBusy = true
        lane.run { [self] in work() }
    }

    /// One chunk.
    private func work() {
        let (isOver, buffer) = monitor.locked { (isGivenUp, spare.popLast()) }
        var made: ByteBuffer?
        var failure: SnapshotFailure?
        if !isOver {
            do throws(SnapshotFailure) { made = try unpackNext(into: buffer ?? ByteBuffer(capacity: 1 << 16)) } catch {
                failure = error
            }
        }
        monitor.locked {
            if let made {
                ready.append(made)
                readyBytes += made.count
            } else {
                isAtEnd = true
                self.failure = failure
            }
            isBusy = false
            callLane()
        }
    }

    /// nil at the end.
    private func unpackNext(into content: ByteBuffer) throws(SnapshotFailure) -> ByteBuffer? {
        guard let found = try walk?.next(into: stored) else { return nil }
        try walk?.unpack(stored, found, with: decompressor, into: content)
        return content
    }
}
