// Something to wait on that both librdkafka and other threads can ring: a pipe.
import Glibc

final class Bell: Sendable {
    private let output: Int32
    /// Where a byte is written to ring.
    let input: Int32

    init() {
        var ends: [Int32] = [0, 0]
        precondition(pipe(&ends) == 0, "no pipe can be made: too many files are open")
        for end in ends {
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
        }
        (output, input) = (ends[0], ends[1])
    }

    deinit {
        close(output)
        close(input)
    }

    /// A full pipe rings already.
    func ring() {
        var one: UInt8 = 1
        _ = write(input, &one, 1)
    }

    /// Waits at most `timeout` ms for a ring since the last wait.
    func wait(timeout: Int32) {
        var descriptor = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
        guard poll(&descriptor, 1, timeout) > 0 else { return }
        var bytes: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)
        while read(output, &bytes, 32) == 32 {}
    }
}
