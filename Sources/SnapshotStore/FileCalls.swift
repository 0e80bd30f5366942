// The system calls that a snapshot's safety rests on, and their errors as sentences.
import Glibc
import Worker

/// What is to be known of an open file.
package struct FileStatus: Sendable {
    package var size: Int
    /// Seconds since 1970, by the file system's clock.
    package var modified: Int
    package var isFile: Bool

    package init(size: Int, modified: Int, isFile: Bool) {
        self.size = size
        self.modified = modified
        self.isFile = isFile
    }
}

/// The system calls of this target that touch files: what tests let fail and what a simulated disk stands in for. Each behaves as the
/// one of the system that it is called after, errno included.
package struct FileCalls: Sendable {
    package var open: @Sendable (String, Int32, mode_t) -> Int32 = { Glibc.open($0, $1, $2) }
    package var close: @Sendable (Int32) -> Void = { _ = Glibc.close($0) }
    /// nil with errno set.
    package var status: @Sendable (Int32) -> FileStatus? = { FileCalls.systemStatus($0) }
    package var pread: @Sendable (Int32, UnsafeMutableRawPointer, Int, Int) -> Int = { Glibc.pread($0, $1, $2, $3) }
    package var write: @Sendable (Int32, UnsafeRawPointer, Int) -> Int = { Glibc.write($0, $1, $2) }
    package var sync: @Sendable (Int32) -> Int32 = { fsync($0) }
    /// Locks a file as a whole for whoever holds it open, or fails at once.
    package var lock: @Sendable (Int32) -> Int32 = { flock($0, LOCK_EX | LOCK_NB) }
    /// A hint; it may do nothing.
    package var advise: @Sendable (Int32, Int32) -> Void = { posix_fadvise($0, 0, 0, $1) }
    package var rename: @Sendable (String, String) -> Int32 = { Glibc.rename($0, $1) }
    package var unlink: @Sendable (String) -> Int32 = { Glibc.unlink($0) }
    /// Makes a folder for its owner alone.
    package var makeFolder: @Sendable (String) -> Int32 = { mkdir($0, 0o700) }
    /// 0 if this is a folder, or a link to one, that may be listed and written to; ENOTDIR if it is something else.
    package var checkFolder: @Sendable (String) -> Int32 = { FileCalls.systemCheckFolder($0) }
    /// Names of everything in a folder; nil with errno set.
    package var names: @Sendable (String) -> [String]? = { FileCalls.systemNames($0) }

    package static let system = FileCalls()

    package init() {}

    private static func systemStatus(_ descriptor: Int32) -> FileStatus? {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        return FileStatus(
            size: Int(status.st_size), modified: status.st_mtim.tv_sec, isFile: status.st_mode & S_IFMT == S_IFREG)
    }

    private static func systemCheckFolder(_ path: String) -> Int32 {
        var status = stat()
        if stat(path, &status) != 0 { return -1 }
        if status.st_mode & S_IFMT == S_IFDIR { return access(path, R_OK | W_OK | X_OK) }
        errno = ENOTDIR
        return -1
    }

    private static func systemNames(_ path: String) -> [String]? {
        guard let folder = opendir(path) else { return nil }
        defer { closedir(folder) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(folder) else { break }
            names.append(
                withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
        }
        return errno == 0 ? names : nil
    }

    /// Writes everything, in as many pieces as it takes.
    func writeAll(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer, of file: String) throws(SnapshotFailure) {
        var rest = bytes[...]
        while let start = UnsafeRawBufferPointer(rebasing: rest).baseAddress, !rest.isEmpty {
            let written = write(descriptor, start, rest.count)
            if written > 0 {
                rest = rest.dropFirst(written)
            } else if written == 0 {
                throw .io(file: file, reason: "cannot be written: the disk takes nothing")
            } else if errno != EINTR {
                throw .failed("cannot be written", file)
            }
        }
    }

    /// Waits until what was written, or the names in a folder, are on disk. Never tried twice: after a failure the kernel may have
    /// dropped what was not written, and would say yes.
    func syncToDisk(_ descriptor: Int32, of file: String) throws(SnapshotFailure) {
        if sync(descriptor) != 0 { throw .failed("cannot be synced to disk", file) }
    }
}

extension SnapshotFailure {
    /// Of the system call before, by errno.
    static func failed(_ what: String, _ file: String) -> SnapshotFailure {
        let code = errno
        return .io(file: file, reason: "\(what): \(String(cString: strerror(code)))")
    }
}

/// An open file, closed when nobody holds it.
final class Descriptor: @unchecked Sendable {
    // A number that never changes; whoever uses it holds this object.
    let number: Int32
    private let close: @Sendable (Int32) -> Void
    private let readStatus: @Sendable (Int32) -> FileStatus?

    /// A file, as open(2) opens it; nil with errno set. Never follows a link, never waits for the other end of a pipe.
    convenience init?(_ path: String, _ flags: Int32, mode: mode_t = 0, _ calls: FileCalls) {
        self.init(opened: calls.open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode), calls)
    }

    /// A folder, which may be a link to one; nil with errno set.
    convenience init?(folder path: String, _ calls: FileCalls) {
        self.init(opened: calls.open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), calls)
    }

    private init?(opened: Int32, _ calls: FileCalls) {
        if opened < 0 { return nil }
        number = opened
        close = calls.close
        readStatus = calls.status
    }

    deinit { close(number) }

    /// nil with errno set.
    var status: FileStatus? { readStatus(number) }
}
