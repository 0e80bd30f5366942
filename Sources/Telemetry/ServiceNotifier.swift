// What the service manager is told: sd_notify(3). Without $NOTIFY_SOCKET every call does nothing.
import CSystemd
import Glibc
import Synchronization

package final class ServiceNotifier: Sendable {
    private let lastStatus = Mutex<String?>(nil)

    package init() {}

    /// us within which `watchdog()` must be called; nil if the service manager does not watch this process. Half of it is a
    /// good interval.
    package var watchdogMicroseconds: UInt64? {
        var interval: UInt64 = 0
        return sd_watchdog_enabled(0, &interval) > 0 ? interval : nil
    }

    /// Start-up is over: records flow.
    package func ready() { send("READY=1") }

    /// What the service does now, for `systemctl status`; sent when it changes.
    package func status(_ text: String) {
        let line = String(text.map { $0.isNewline ? " " : $0 })
        let isNew = lastStatus.withLock { last in
            defer { last = line }
            return last != line
        }
        if isNew { send("STATUS=\(line)") }
    }

    package func stopping() { send("STOPPING=1") }

    /// Every loop of the process was seen alive.
    package func watchdog() { send("WATCHDOG=1") }

    /// Starting or stopping takes at least so much longer from now on.
    package func extendTimeout(microseconds: UInt64) { send("EXTEND_TIMEOUT_USEC=\(microseconds)") }

    /// The error that ends the process.
    package func failed(errno code: Int32) { send("ERRNO=\(code)") }

    /// A service manager that does not listen is no reason to stop working, so the answer is not looked at.
    private func send(_ state: String) { _ = sd_notify(0, state) }
}
