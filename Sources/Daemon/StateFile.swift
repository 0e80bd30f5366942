// The file of `--state`: it is there whole, or as it was before.
import Glibc
import Model

struct StateFile {
    private let path: String
    /// Beside the file, and renamed to it; nil for what is no regular file, such as /dev/stdout or a pipe.
    private let temporary: String?

    /// Fails now if it could not be written later: a long run is not for nothing.
    init(_ path: String) throws(FileFailure) {
        self.path = path
        var status = stat()
        // A link, too, is written through and not replaced.
        let isReplaceable = lstat(path, &status) == 0 ? status.st_mode & S_IFMT == S_IFREG : errno == ENOENT
        temporary = isReplaceable && !path.hasSuffix("/") ? "\(path).\(getpid()).tmp" : nil
        let output = try opened()
        close(output.descriptor)
        if let temporary { unlink(temporary) }
    }

    /// One regular file, whatever its names; what is not there yet is none.
    static func isSame(_ one: String, _ other: String) -> Bool {
        var first = stat()
        var second = stat()
        guard stat(one, &first) == 0, stat(other, &second) == 0, first.st_mode & S_IFMT == S_IFREG else { return false }
        return first.st_dev == second.st_dev && first.st_ino == second.st_ino
    }

    private func opened() throws(FileFailure) -> (descriptor: Int32, output: Output) {
        let flags = temporary == nil ? O_WRONLY | O_CREAT | O_CLOEXEC : O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC
        let descriptor = open(temporary ?? path, flags, 0o644)
        guard descriptor >= 0 else { throw failure() }
        return (descriptor, Output(descriptor: descriptor, name: "'\(path)'"))
    }

    private func failure() -> FileFailure {
        FileFailure(message: "cannot write '\(path)': \(String(cString: strerror(errno)))")
    }

    func write(_ body: (Output) -> Void) throws(FileFailure) {
        let (descriptor, output) = try opened()
        var status = stat()
        // What is no regular file has no length.
        if temporary == nil && fstat(descriptor, &status) == 0 && status.st_mode & S_IFMT == S_IFREG {
            _ = ftruncate(descriptor, 0)
        }
        body(output)
        output.flush()
        let problem = close(descriptor) == 0 ? output.failure.map { FileFailure(message: $0) } : failure()
        if let problem {
            if let temporary { unlink(temporary) }
            throw problem
        }
        if let temporary, rename(temporary, path) != 0 {
            let problem = failure()
            unlink(temporary)
            throw problem
        }
    }
}
