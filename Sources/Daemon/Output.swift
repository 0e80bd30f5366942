// Buffered writing to a file descriptor.
import Glibc
import Model
import Synchronization

/// A file that cannot be read or written, for people.
struct FileFailure: Error {
    var message: String
}

final class Output {
    private let descriptor: Int32
    private let name: String
    let buffer = ByteBuffer(capacity: 1 << 17)
    private(set) var failure: String?
    /// The failure is that its reader went away.
    private(set) var isUnread = false

    init(descriptor: Int32, name: String) {
        self.descriptor = descriptor
        self.name = name
    }

    static func standard() -> Output { Output(descriptor: STDOUT_FILENO, name: "standard output") }
    static func error() -> Output { Output(descriptor: STDERR_FILENO, name: "standard error") }

    /// Writes what is in the buffer if it is long.
    func flushIfLong() { if buffer.count > 1 << 16 { flush() } }

    func flush() {
        var written = 0
        while written < buffer.count && failure == nil {
            let count = write(descriptor, buffer.base + written, buffer.count - written)
            if count > 0 {
                written += count
            } else if errno == EPIPE {
                // Who reads has seen enough, as `head` has.
                (failure, isUnread) = ("nobody reads \(name) any more", true)
            } else if errno != EINTR {
                failure = "cannot write to \(name): \(String(cString: strerror(errno)))"
            }
        }
        buffer.removeAll()
    }
}

func printError(_ text: String) {
    let output = Output.error()
    output.buffer.append(text: text)
    output.flush()
}

/// Why something did not come to standard output. Whatever else went well, the program then fails.
private let outputFailure = Mutex<String?>(nil)

func printOut(_ text: String) {
    let output = Output.standard()
    output.buffer.append(text: text)
    output.flush()
    if let failure = output.failure { outputFailure.withLock { $0 = $0 ?? failure } }
}

/// True if nobody can read what `printOut` writes.
var outputIsLost: Bool { outputFailure.withLock { $0 != nil } }

/// The first failure of `printOut` since the last call.
func takeOutputFailure() -> String? {
    outputFailure.withLock { failure in
        defer { failure = nil }
        return failure
    }
}
