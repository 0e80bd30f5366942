// The machine's clock, as far as it can be believed.
import Glibc
import Synchronization

/// Follows the real-time clock as long as it agrees with the monotonic one. After a jump it goes on at the monotonic rate, and
/// takes the new time over when that has held for `agreement`. May be read from any thread.
package final class TrustedClock: Sendable {
    package struct Jump: Sendable, Equatable {
        /// How far the machine's clock is off, ms; positive: it is ahead.
        package var by: Int64
    }

    private struct State {
        /// real - monotonic that is believed, ms.
        var offset: Int64
        /// Another one that was seen, and since when (monotonic ms).
        var candidate: (offset: Int64, since: Int64)?
    }

    /// A difference of up to this is drift or slewing, and followed.
    private static let tolerance: Int64 = 500
    private let agreement: Int64
    private let state: Mutex<State>
    private let sources: @Sendable () -> (real: Int64, monotonic: Int64)
    private let interval: @Sendable () -> Int64
    private let pause: @Sendable (Int64) -> Void

    /// `interval` is monotonic and stands still while the machine sleeps; `pause` waits for so many ms.
    package init(
        agreement: Int64 = 30_000,
        sources: @escaping @Sendable () -> (real: Int64, monotonic: Int64) = TrustedClock.machine,
        interval: @escaping @Sendable () -> Int64 = TrustedClock.monotonic,
        pause: @escaping @Sendable (Int64) -> Void = { usleep(useconds_t($0) * 1_000) }
    ) {
        self.agreement = agreement
        self.sources = sources
        self.interval = interval
        self.pause = pause
        let now = sources()
        state = Mutex(State(offset: now.real - now.monotonic))
    }

    package static let machine: @Sendable () -> (real: Int64, monotonic: Int64) = {
        (milliseconds(CLOCK_REALTIME), milliseconds(CLOCK_BOOTTIME))
    }

    private static func milliseconds(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }

    /// ms since 1970.
    package func now() -> Int64 {
        let (real, monotonic) = sources()
        return state.withLock { state in
            let offset = real - monotonic
            if abs(offset - state.offset) <= TrustedClock.tolerance {
                state.offset = offset
                state.candidate = nil
            } else if let candidate = state.candidate, abs(candidate.offset - offset) <= TrustedClock.tolerance {
                if monotonic - candidate.since >= agreement {
                    state.offset = offset
                    state.candidate = nil
                }
            } else {
                state.candidate = (offset, monotonic)
            }
            return monotonic + state.offset
        }
    }

    /// A jump that is not believed (yet).
    package var jump: Jump? {
        state.withLock { state in state.candidate.map { Jump(by: $0.offset - state.offset) } }
    }

    /// ms for waiting and intervals; their beginning means nothing.
    package func elapsed() -> Int64 { interval() }

    /// Waits on the calling thread.
    func sleep(_ milliseconds: Int64) { pause(milliseconds) }

    /// The machine's own: ms for waiting and intervals, for code that is never simulated.
    package static func monotonic() -> Int64 { milliseconds(CLOCK_MONOTONIC) }
}
