// The log of the process: one line or journal entry per thing told, from any thread.
import CSystemd
import Glibc
import Synchronization

/// Clocks of the log, in ms; tests bring their own.
package struct LogClock: Sendable {
    package var wall: @Sendable () -> Int64
    package var monotonic: @Sendable () -> Int64

    package init(wall: @escaping @Sendable () -> Int64, monotonic: @escaping @Sendable () -> Int64) {
        self.wall = wall
        self.monotonic = monotonic
    }

    package static let system = LogClock(
        wall: { LogClock.read(CLOCK_REALTIME) }, monotonic: { LogClock.read(CLOCK_MONOTONIC) })

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }
}

/// Healthy running tells nothing; what is told again and again is told once in 10 s, with the number of times in between, and once more at the end.
package final class Logger: Sendable {
    /// ms between two lines of one repeated message.
    package static let repeatInterval: Int64 = 10_000
    /// Messages that are remembered; beyond it the one told longest ago is forgotten.
    static let rememberedMessages = 256

    private let format: LogFormat
    private let minimum: LogLevel
    private let descriptor: Int32
    private let clock: LogClock
    private let repeats = Mutex<[String: Repeat]>([:])

    private struct Repeat {
        var toldAt: Int64
        var suppressed: Int
        /// The last that was held back.
        var held: LogEntry?
    }

    package init(
        format: LogFormat = .ofStandardError(), minimum: LogLevel = .info, descriptor: Int32 = STDERR_FILENO,
        clock: LogClock = .system
    ) {
        self.format = format
        self.minimum = minimum
        self.descriptor = descriptor
        self.clock = clock
    }

    /// `message` is the same text each time; what differs goes into `fields`. Errors and warnings with one `id` (default: the
    /// message) are told at most once in `repeatInterval`.
    package func log(
        _ level: LogLevel, _ message: String, _ fields: [(String, String)] = [], id: String? = nil,
        file: String = #fileID,
        line: Int = #line
    ) {
        if level < minimum { return }
        var entry = LogEntry(
            level: level, message: message, fields: fields.map { (name: $0.0, value: $0.1) }, at: clock.wall(),
            file: file, line: line)
        if level >= .warning {
            guard let suppressed = take(id ?? message, entry) else { return }
            entry.note(suppressed: suppressed)
        }
        write(entry)
    }

    /// Tells the last of each message that was held back: the end of a process must not hide why.
    package func flush() {
        let held = repeats.withLock { repeats in
            let held = repeats.values.compactMap { repeated in
                repeated.held.map { (entry: $0, suppressed: repeated.suppressed - 1) }
            }
            for id in repeats.keys {
                repeats[id]?.held = nil
                repeats[id]?.suppressed = 0
            }
            return held
        }
        for (var entry, suppressed) in held.sorted(by: { $0.entry.at < $1.entry.at }) {
            entry.note(suppressed: suppressed)
            write(entry)
        }
    }

    package func error(_ message: String, _ fields: [(String, String)] = [], file: String = #fileID, line: Int = #line)
    {
        log(.error, message, fields, file: file, line: line)
    }

    package func warning(
        _ message: String, _ fields: [(String, String)] = [], file: String = #fileID, line: Int = #line
    ) {
        log(.warning, message, fields, file: file, line: line)
    }

    package func notice(_ message: String, _ fields: [(String, String)] = [], file: String = #fileID, line: Int = #line)
    {
        log(.notice, message, fields, file: file, line: line)
    }

    package func info(_ message: String, _ fields: [(String, String)] = [], file: String = #fileID, line: Int = #line) {
        log(.info, message, fields, file: file, line: line)
    }

    package func debug(_ message: String, _ fields: [(String, String)] = [], file: String = #fileID, line: Int = #line)
    {
        log(.debug, message, fields, file: file, line: line)
    }

    /// How often `id` was held back since it was last told, if it may be told now; nil if it may not.
    private func take(_ id: String, _ entry: LogEntry) -> Int? {
        let now = clock.monotonic()
        return repeats.withLock { repeats in
            if let known = repeats[id] {
                if now - known.toldAt < Logger.repeatInterval {
                    repeats[id]?.suppressed += 1
                    repeats[id]?.held = entry
                    return nil
                }
            } else if repeats.count >= Logger.rememberedMessages,
                let oldest = repeats.min(by: { $0.value.toldAt < $1.value.toldAt })
            {
                repeats[oldest.key] = nil
            }
            let suppressed = repeats[id]?.suppressed ?? 0
            repeats[id] = Repeat(toldAt: now, suppressed: 0)
            return suppressed
        }
    }

    private func write(_ entry: LogEntry) {
        if format == .journal && sendToJournal(entry.journalFields) { return }
        // What the journal did not take is still read from standard error.
        var line = entry.line(format)
        line.withUTF8 { bytes in
            var written = 0
            while written < bytes.count, let base = bytes.baseAddress {
                let count = Glibc.write(descriptor, base + written, bytes.count - written)
                if count > 0 { written += count } else if errno != EINTR { return }
            }
        }
    }

    private func sendToJournal(_ fields: [[UInt8]]) -> Bool {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: fields.reduce(0) { $0 + $1.count }, alignment: 1)
        defer { bytes.deallocate() }
        var at = 0
        let vectors = fields.map { field in
            defer { at += field.count }
            let part = UnsafeMutableRawBufferPointer(rebasing: bytes[at..<at + field.count])
            part.copyBytes(from: field)
            return iovec(iov_base: part.baseAddress, iov_len: field.count)
        }
        return sd_journal_sendv(vectors, Int32(vectors.count)) == 0
    }
}
