// A disk that is full, slow, broken or gone: the snapshot is lost, and nothing else.
import Glibc
import Model
import TestSupport
import Testing
import Worker

@testable import SnapshotStore

@Suite struct DiskFaultTests {
    let folder: TestFolder

    init() throws { folder = try TestFolder() }

    private func vault(_ calls: FileCalls) throws -> FileSnapshotVault {
        try FileSnapshotVault(folder: folder.path, instance: "one", calls: calls)
    }

    /// Whose disk takes nothing until `gate` is opened.
    private func vault(writingThrough gate: Gate) throws -> FileSnapshotVault {
        var calls = FileCalls.system
        calls.write = { descriptor, bytes, count in
            gate.pass()
            return Glibc.write(descriptor, bytes, count)
        }
        return try vault(calls)
    }

    /// Hands over `chunks` and asks for the rest; returns the failure.
    private func failure(_ vault: FileSnapshotVault, chunks: Int = 3) throws -> SnapshotFailure? {
        let sink = try vault.beginFile(identity(batch: 1))
        for number in 0..<chunks { sink.write(chunk([UInt8](repeating: UInt8(number), count: 1_000))) }
        sink.finish()
        sink.settle()
        if sink.isDurable {
            sink.publish()
            sink.settle()
        }
        #expect(sink.failure == nil || sink.pending == 0)
        #expect(sink.isPublished == (sink.failure == nil))
        sink.drop()
        vault.settle()
        #expect(folder.openDescriptors == 0)
        return sink.failure
    }

    /// A snapshot whose name a loss of power may still take back is not one of those that are kept.
    @Test func nothingIsPrunedForANameThatIsNotOnDisk() throws {
        let real = try vault(.system)
        for batch: UInt64 in [1, 2] { try real.publish(identity(batch: batch), []) }
        var calls = FileCalls.system
        calls.sync = { _ in
            errno = EIO
            return -1
        }
        #expect(try vault(calls).prune(group: "rfmd", shard: 3, keep: 1) { _ in true } == nil)
        #expect(folder.snapshots.count == 2)
    }

    private static func isIO(_ failure: SnapshotFailure?, _ reason: String) -> Bool {
        guard case .io(_, let text) = failure else { return false }
        return text == reason
    }

    /// The header, three chunks, the footer: each fails once, by an error or by a disk that takes nothing.
    @Test(arguments: 0..<5, [ENOSPC, EIO, EFBIG, EDQUOT, 0])
    func everyWriteFails(at place: Int, with code: Int32) throws {
        let counter = Counter()
        var calls = FileCalls.system
        calls.write = { descriptor, bytes, count in
            if counter.next() != place { return Glibc.write(descriptor, bytes, count) }
            errno = code
            return code == 0 ? 0 : -1
        }
        let reason = code == 0 ? "the disk takes nothing" : String(cString: strerror(code))
        #expect(DiskFaultTests.isIO(try failure(try vault(calls)), "cannot be written: \(reason)"))
        #expect(folder.names == [])
    }

    @Test func shortAndInterruptedWritesAreContinued() throws {
        let counter = Counter()
        var calls = FileCalls.system
        calls.write = { descriptor, bytes, count in
            if counter.next() % 3 == 0 {
                errno = EINTR
                return -1
            }
            return Glibc.write(descriptor, bytes, min(count, 7))
        }
        let vault = try vault(calls)
        #expect(try failure(vault) == nil)
        #expect(try vault.chunks(of: identity(batch: 1)).map(\.count) == [1_000, 1_000, 1_000])
    }

    /// A disk that says yes and writes something else is found out before anything relies on the file.
    @Test(arguments: 0..<5)
    func everyWriteLies(at place: Int) throws {
        let counter = Counter()
        var calls = FileCalls.system
        calls.write = { descriptor, bytes, count in
            if counter.next() != place { return Glibc.write(descriptor, bytes, count) }
            var copy = [UInt8](UnsafeRawBufferPointer(start: bytes, count: count))
            copy[count / 2] ^= 1
            return Glibc.write(descriptor, copy, count)
        }
        guard case .damaged = try failure(try vault(calls)) else {
            Issue.record("write \(place) lied, and nobody noticed")
            return
        }
        #expect(folder.names == [])
    }

    @Test func syncOfTheFileFails() throws {
        var calls = FileCalls.system
        calls.sync = { _ in
            errno = EIO
            return -1
        }
        #expect(DiskFaultTests.isIO(try failure(try vault(calls)), "cannot be synced to disk: Input/output error"))
        #expect(folder.names == [])
    }

    @Test func syncOfTheFolderFails() throws {
        let counter = Counter()
        var calls = FileCalls.system
        calls.sync = { descriptor in
            if counter.next() == 0 { return fsync(descriptor) }
            errno = EIO
            return -1
        }
        let vault = try vault(calls)
        #expect(DiskFaultTests.isIO(try failure(vault), "cannot be synced to disk: Input/output error"))
        // Its batch is committed and the file is whole: it may be used if it is still there after a crash.
        #expect(vault.batches() == [1] && folder.names.count == 1)
    }

    @Test func renameFails() throws {
        var calls = FileCalls.system
        calls.rename = { _, _ in
            errno = EROFS
            return -1
        }
        #expect(DiskFaultTests.isIO(try failure(try vault(calls)), "cannot be renamed: Read-only file system"))
        #expect(folder.names == [])
    }

    /// Another process has taken the temporary file for abandoned.
    @Test func theTemporaryFileIsRemovedUnderTheWriter() throws {
        let path = folder.path
        var calls = FileCalls.system
        calls.rename = { from, to in
            for name in TestFolder.names(path) { unlink("\(path)/\(name)") }
            return Glibc.rename(from, to)
        }
        #expect(DiskFaultTests.isIO(try failure(try vault(calls)), "cannot be renamed: No such file or directory"))
        #expect(folder.names == [])
    }

    @Test func aSlowDiskDelaysNobodyAndIsSeenInPending() throws {
        let gate = Gate()
        let vault = try vault(writingThrough: gate)
        let sink = try vault.beginFile(identity(batch: 1))
        for number in 1...50 { sink.write(chunk([UInt8](repeating: 1, count: 10 * number))) }
        #expect(sink.pending == 10 * 50 * 51 / 2, "nothing can be written yet")
        sink.finish()
        #expect(!sink.isDurable)
        gate.open()
        sink.settle()
        #expect(sink.pending == 0 && sink.isDurable)
        sink.publish()
        sink.settle()
        #expect(try vault.chunks(of: identity(batch: 1)).count == 50)
    }

    @Test func droppedWhileTheDiskHangs() throws {
        let gate = Gate()
        let vault = try vault(writingThrough: gate)
        do {
            let sink = try vault.beginFile(identity(batch: 1))
            sink.write(chunk([1]))
            sink.drop()
            #expect(sink.pending == 0)
        }
        gate.open()
        vault.settle()
        #expect(folder.names == [] && folder.openDescriptors == 0)
    }

    /// A limit on the size of files would else end the process (SIGXFSZ); with the signal blocked it is an error like others.
    @Test func theWriterTakesNoSignals() throws {
        let problems = Problems()
        var calls = FileCalls.system
        calls.write = { descriptor, bytes, count in
            var blocked = sigset_t()
            pthread_sigmask(SIG_BLOCK, nil, &blocked)
            for signal in [SIGXFSZ, SIGTERM, SIGHUP] where sigismember(&blocked, signal) != 1 {
                problems.add("signal \(signal) reaches the writer")
            }
            for fault in [SIGSEGV, SIGILL, SIGTRAP] where sigismember(&blocked, fault) != 0 {
                problems.add("a fault of the writer (\(fault)) ends the process without a word")
            }
            return Glibc.write(descriptor, bytes, count)
        }
        #expect(try failure(try vault(calls)) == nil)
        #expect(problems.all == [])
    }

    @Test func aChunkThatIsTooLong() throws {
        let vault = try vault(.system)
        let sink = try vault.beginFile(identity(batch: 1))
        let long = ByteBuffer(capacity: Limits.snapshotChunkBytes + 1)
        _ = long.appendBytes(atMost: Limits.snapshotChunkBytes + 1) { place in
            place.initializeMemory(as: UInt8.self, repeating: 0, count: Limits.snapshotChunkBytes + 1)
            return Limits.snapshotChunkBytes + 1
        }
        sink.write(long)
        sink.settle()
        #expect(DiskFaultTests.isIO(sink.failure, "a chunk of 134217729 bytes is longer than 134217728"))
        vault.settle()
        #expect(folder.names == [])
    }

    @Test func anIdentityThatIsTooLong() throws {
        var long = identity(batch: 1)
        long.journalRecord = [UInt8](repeating: 1, count: Limits.snapshotIdentityBytes)
        #expect(throws: SnapshotFailure.self) { _ = try vault(.system).begin(long) }
        #expect(folder.names == [])
    }

    /// A real disk that is really full, where the tests may mount one.
    @Test(.enabled(if: Tmpfs.canMount, "a file system can only be mounted by root, outside a container's limits"))
    func theDiskIsFull() throws {
        let disk = try Tmpfs(bytes: 1 << 20)
        var random = RandomSource(seed: 5)
        let vault = try FileSnapshotVault(folder: disk.path, instance: "one")
        try vault.publish(identity(batch: 1), [random.bytes(100_000)])
        let sink = try vault.beginFile(identity(batch: 2))
        for _ in 0..<20 { sink.write(chunk(random.bytes(100_000))) }
        sink.finish()
        sink.settle()
        #expect(DiskFaultTests.isIO(sink.failure, "cannot be written: No space left on device"))
        #expect(sink.pending == 0 && !sink.isDurable)
        vault.settle()
        // The room is free again, and what was there before is whole.
        #expect(vault.batches() == [1])
        try vault.publish(identity(batch: 3), [random.bytes(700_000)])
        #expect(vault.batches() == [3, 1])
        #expect(try vault.chunks(of: identity(batch: 1)).map(\.count) == [100_000])
        #expect(vault.prune(group: "rfmd", shard: 3, keep: 1) { _ in true } == 3)
    }
}

/// Counts calls from any thread: 0, 1, 2 ...
final class Counter: @unchecked Sendable {
    private let monitor = Monitor()
    private var count = 0

    func next() -> Int {
        monitor.locked {
            defer { count += 1 }
            return count
        }
    }
}

/// Holds every thread that passes until it is opened.
final class Gate: @unchecked Sendable {
    private let monitor = Monitor()
    private var isOpen = false

    func pass() { monitor.locked { while !isOpen { monitor.wait() } } }

    func open() {
        monitor.locked {
            isOpen = true
            monitor.signal()
        }
    }
}

/// A small file system in memory.
final class Tmpfs {
    let path: String

    init(bytes: Int) throws {
        let path = "/tmp/rfmd-tmpfs-\(UInt64.random(in: 0 ... .max))"
        guard mkdir(path, 0o700) == 0 else { throw TestFolder.Broken(what: "mkdir: \(errno)") }
        guard mount("none", path, "tmpfs", 0, "size=\(bytes)") == 0 else {
            let code = errno
            rmdir(path)
            throw TestFolder.Broken(what: "mount: \(code)")
        }
        self.path = path
    }

    deinit {
        umount2(path, Int32(MNT_DETACH))
        rmdir(path)
    }

    static let canMount: Bool = {
        do {
            _ = try Tmpfs(bytes: 1 << 16)
            return true
        } catch { return false }
    }()
}
