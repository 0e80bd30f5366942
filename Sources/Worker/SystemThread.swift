// Threads of the operating system.
import CThread
import Glibc

/// Starts threads that hear no signal but those of their own faults: signals are for the thread that expects them, and a file size
/// limit (SIGXFSZ) is to be an error of the call and not the end.
package struct SystemThread: Sendable {
    private let handle: pthread_t

    /// Runs `body` on a thread of its own. `join` must be called once. `name`, of 15 bytes at most, is what `top -H` and a debugger show.
    package init(_ name: String, _ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil, SystemThread.entry, Unmanaged.passRetained(Body(name, body)).toOpaque())
        precondition(failure == 0, "a thread cannot be started")
        handle = thread
    }

    /// Runs `body` on a thread of its own that nobody waits for.
    package static func detached(_ name: String, _ body: @escaping @Sendable () -> Void) {
        pthread_detach(SystemThread(name, body).handle)
    }

    /// The calling thread gets a tenth of the processor where a usual one wants it too. On Linux a thread has a nice value of its own.
    package static func giveWay() { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 10) }

    /// Waits until it has ended.
    package func join() { pthread_join(handle, nil) }

    private final class Body: Sendable {
        let name: String
        let run: @Sendable () -> Void

        init(_ name: String, _ run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    private static let entry: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { opaque in
        guard let opaque else { preconditionFailure("a thread is started with its body") }
        var signals = sigset_t()
        sigfillset(&signals)
        // A fault of the thread itself is to be told with its backtrace.
        for fault in [SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGBUS, SIGSEGV] { sigdelset(&signals, fault) }
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        let body = Unmanaged<Body>.fromOpaque(opaque).takeRetainedValue()
        rfmd_name_thread(body.name)
        body.run()
        return nil
    }
}
