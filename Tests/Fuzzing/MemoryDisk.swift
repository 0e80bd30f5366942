// One folder of files in memory behind the system calls of a snapshot vault, and lanes that work when they are told to.
import Glibc
import Model
import SnapshotStore
import Worker

/// Used by one thread: its lanes do nothing by themselves.
final class MemoryDisk: @unchecked Sendable {
    var files: [String: [UInt8]] = [:]
    private var open: [Int32: String] = [:]
    private var nextDescriptor: Int32 = 100
    private let lanes = WaitingLanes()

    func vault() -> FileSnapshotVault {
        do throws(SnapshotFailure) {
            return try FileSnapshotVault(folder: "/disk", instance: "one", writer: "1", calls: calls, lanes: lanes)
        } catch { preconditionFailure(error.text) }
    }

    /// Publishes a snapshot; nil if the vault says that it cannot be.
    func publish(_ identity: SnapshotIdentity, _ chunks: [[UInt8]], in vault: FileSnapshotVault) -> String? {
        let before = Set(files.keys)
        do throws(SnapshotFailure) {
            let sink = try vault.beginFile(identity)
            for chunk in chunks {
                let buffer = ByteBuffer()
                buffer.append(contentsOf: chunk)
                sink.write(buffer)
            }
            sink.finish()
            lanes.work()
            guard sink.isDurable else { return nil }
            sink.publish()
            lanes.work()
            return sink.isPublished ? files.keys.first { !before.contains($0) } : nil
        } catch { return nil }
    }

    private var calls: FileCalls {
        var calls = FileCalls()
        calls.open = { [self] path, flags, _ in
            if files[path] == nil {
                if flags & O_DIRECTORY == 0 && flags & O_CREAT == 0 {
                    errno = ENOENT
                    return -1
                }
                if flags & O_CREAT != 0 { files[path] = [] }
            }
            nextDescriptor += 1
            open[nextDescriptor] = path
            return nextDescriptor
        }
        calls.close = { [self] in open[$0] = nil }
        calls.status = { [self] descriptor in
            files[open[descriptor] ?? ""].map { FileStatus(size: $0.count, modified: 0, isFile: true) }
        }
        calls.pread = { [self] descriptor, target, count, offset in
            let bytes = files[open[descriptor] ?? ""] ?? []
            let part = bytes[min(offset, bytes.count)..<min(offset + count, bytes.count)]
            part.withUnsafeBytes {
                target.copyMemory(from: $0.baseAddress ?? UnsafeRawPointer(target), byteCount: $0.count)
            }
            return part.count
        }
        calls.write = { [self] descriptor, bytes, count in
            files[open[descriptor] ?? ""]?.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: count))
            return count
        }
        calls.sync = { _ in 0 }
        calls.lock = { _ in 0 }
        calls.advise = { _, _ in }
        calls.rename = { [self] from, to in
            files[to] = files.removeValue(forKey: from)
            for (descriptor, path) in open where path == from { open[descriptor] = to }
            return 0
        }
        calls.unlink = { [self] in files.removeValue(forKey: $0) == nil ? -1 : 0 }
        calls.makeFolder = { _ in 0 }
        calls.checkFolder = { _ in 0 }
        calls.names = { [self] folder in files.keys.map { String($0.dropFirst(folder.utf8.count + 1)) } }
        return calls
    }
}

private final class WaitingLanes: Lanes, @unchecked Sendable {
    private var queue: [@Sendable () -> Void] = []

    func lane(_ name: String, _ priority: LanePriority) -> any Lane { WaitingLane { [self] in queue.append($0) } }

    func work() { while !queue.isEmpty { queue.removeFirst()() } }

    func wait(until isDone: () -> Bool) -> Bool {
        while !isDone() {
            if queue.isEmpty { return false }
            queue.removeFirst()()
        }
        return true
    }
}

private final class WaitingLane: Lane, @unchecked Sendable {
    private let add: (@escaping @Sendable () -> Void) -> Void

    init(_ add: @escaping (@escaping @Sendable () -> Void) -> Void) { self.add = add }

    func run(_ work: @escaping @Sendable () -> Void) { add(work) }

    func end() {}
}
