// SIGTERM and SIGINT as something to wait for.
import Glibc

struct StopSignals {
    private var set = sigset_t()

    /// Blocks both in this thread and all that it makes: they are heard by `wait` only.
    init() {
        sigemptyset(&set)
        sigaddset(&set, SIGTERM)
        sigaddset(&set, SIGINT)
        pthread_sigmask(SIG_BLOCK, &set, nil)
    }

    /// True if one came within the time.
    func wait(milliseconds: Int) -> Bool {
        var set = set
        var time = timespec(tv_sec: milliseconds / 1_000, tv_nsec: milliseconds % 1_000 * 1_000_000)
        return sigtimedwait(&set, nil, &time) > 0
    }
}
