// The system calls that a snapshot's safety rests on, and their errors as sentences.
import Glibc
import Worker

/// Calls that tests let fail. Each behaves as the one of the system that it is called after, errno included.
package struct FileCalls: Sendable {
    package var write: @Sendable (Int32, UnsafeRawPointer, Int) -> Int
    package var sync: @Sendable (Int32) -> Int32
    package var rename: @Sendable (String, String) -> Int32

    package static let system = FileCalls(
        write: { Glibc.write($0, $1, $2) }, sync: { fsync($0) }, rename: { Glibc.rename($0, $1) })

    package init(
        write: @escaping @Sendable (Int32, UnsafeRawPointer, Int) -> Int, sync: @escaping @Sendable (Int32) -> Int32,
        rename: @escaping @Sendable (String, String) -> Int32
    ) {
        self.write = write
        self.sync = sync
        self.rename = rename
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

    /// A file, as open(2) opens it; nil with errno set. Never follows a link, never waits for the other end of a pipe.
    init?(_ path: String, _ flags: Int32, mode: mode_t = 0) {
        let opened = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode)
        if opened < 0 { return nil }
        number = opened
    }

    /// A folder, which may be a link to one; nil with errno set.
    init?(folder path: String) {
        let opened = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if opened < 0 { return nil }
        number = opened
    }

    deinit { close(number) }

    var status: stat? {
        var status = stat()
        return fstat(number, &status) == 0 ? status : nil
    }
}

extension stat {
    var isFile: Bool { st_mode & S_IFMT == S_IFREG }
    var isFolder: Bool { st_mode & S_IFMT == S_IFDIR }
}
