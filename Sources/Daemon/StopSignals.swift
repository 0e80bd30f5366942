// SIGTERM, SIGINT and SIGHUP as something to wait for.
import Glibc

struct StopSignals {
    private var set = sigset_t()
    private let onHangup: (() -> Void)?

    /// Blocks them in this thread and all that it makes: they are heard by `wait` only. A hangup is the end of the terminal and stops, too,
    /// unless there is something else to do then.
    init(onHangup: (() -> Void)? = nil) {
        self.onHangup = onHangup
        sigemptyset(&set)
        for number in [SIGTERM, SIGINT, SIGHUP] { sigaddset(&set, number) }
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// True if one came within the time that is to stop.
    func wait(milliseconds: Int) -> Bool {
        var set = set
        var time = timespec(tv_sec: milliseconds / 1_000, tv_nsec: milliseconds % 1_000 * 1_000_000)
        let number = sigtimedwait(&set, nil, &time)
        if number == SIGHUP, let onHangup {
            onHangup()
            return false
        }
        return number > 0
    }
}
