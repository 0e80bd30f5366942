// How urgent a line is, and in which form lines leave the process.
import Glibc

/// syslog's priorities, as the journal knows them.
package enum LogLevel: Int32, Sendable, CaseIterable, Comparable {
    case error = 3
    case warning = 4
    case notice = 5
    case info = 6
    case debug = 7

    /// True if `left` is less urgent.
    package static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue > right.rawValue }

    /// What people read.
    var label: String {
        switch self {
        case .error: "ERROR"
        case .warning: "WARN"
        case .notice: "NOTICE"
        case .info: "INFO"
        case .debug: "DEBUG"
        }
    }
}

package enum LogFormat: Sendable, Equatable {
    /// Fields by sd_journal_sendv, each with its length.
    case journal
    /// `<4>message key=value`: what systemd reads from a pipe.
    case priority
    /// `2026-11-25T10:00:00.123Z WARN message key=value`.
    case text
    /// One JSON object a line.
    case json

    /// What standard error is, as far as the decision needs it.
    package struct Sink: Sendable {
        package var device: UInt64
        package var inode: UInt64
        package var isTerminal: Bool

        package init(device: UInt64, inode: UInt64, isTerminal: Bool) {
            self.device = device
            self.inode = inode
            self.isTerminal = isTerminal
        }
    }

    /// `journalStream` is `$JOURNAL_STREAM`: it is inherited, so only its device and inode tell whether it speaks of this stream.
    /// `invocation` is `$INVOCATION_ID`.
    package static func choose(journalStream: String?, invocation: String?, sink: Sink) -> LogFormat {
        if let journalStream {
            let parts = journalStream.split(separator: ":", omittingEmptySubsequences: false)
            if parts.count == 2, UInt64(parts[0]) == sink.device, UInt64(parts[1]) == sink.inode { return .journal }
        }
        return invocation != nil && !sink.isTerminal ? .priority : .text
    }

    /// Of this process and its standard error.
    package static func ofStandardError() -> LogFormat {
        var status = stat()
        guard fstat(STDERR_FILENO, &status) == 0 else { return .text }
        let sink = Sink(
            device: UInt64(status.st_dev), inode: UInt64(status.st_ino), isTerminal: isatty(STDERR_FILENO) == 1)
        return choose(
            journalStream: environment("JOURNAL_STREAM"), invocation: environment("INVOCATION_ID"), sink: sink)
    }

    private static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
}
