// What happens in a chaos run: a trace with times, how often each fault struck, what went wrong, and where it is kept.
import Foundation
import Synchronization
import TestSupport

final class ChaosRecord: Sendable {
    let seed: UInt64
    let minutes: Double
    /// Logs of every life of every daemon, and the trace. Deleted when nothing went wrong.
    let folder: URL
    private let began = Date()

    private struct State {
        var trace = ""
        var counts: [String: Int] = [:]
        var problems: [String] = []
    }

    private let state = Mutex(State())

    init(seed: UInt64, minutes: Double) throws {
        self.seed = seed
        self.minutes = minutes
        folder = Repository.root.appending(path: ".build/chaos/\(seed)-\(Int(began.timeIntervalSince1970))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    var seconds: Double { Date().timeIntervalSince(began) }
    var hasFailed: Bool { state.withLock { !$0.problems.isEmpty } }
    var counts: [String: Int] { state.withLock { $0.counts } }
    var problems: [String] { state.withLock { $0.problems } }

    /// A line of the trace.
    func note(_ what: String) {
        let time = seconds
        state.withLock { $0.trace += String(format: "%8.2f ", time) + what + "\n" }
    }

    func count(_ fault: String, _ amount: Int = 1) { state.withLock { $0.counts[fault, default: 0] += amount } }

    func fail(_ what: String) {
        note("FAILED: \(what)")
        state.withLock { $0.problems.append(what) }
    }

    /// Appends what a daemon's life logged.
    func keep(_ log: String, of daemon: String) throws {
        let file = folder.appending(path: "\(daemon).log")
        if !FileManager.default.fileExists(atPath: file.path) { try Data().write(to: file) }
        let handle = try FileHandle(forWritingTo: file)
        try handle.seekToEnd()
        try handle.write(contentsOf: Data("--- a life that ended \(Int(seconds)) s after the begin\n\(log)".utf8))
        try handle.close()
    }

    /// How often it struck, most often first.
    var figures: String {
        counts.filter { $0.value > 0 }.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map {
            "\($0.value) \($0.key)"
        }
        .joined(separator: ", ")
    }

    /// Keeps everything and says so, or removes it.
    func close(_ cluster: TestCluster) throws -> String? {
        guard hasFailed else {
            try FileManager.default.removeItem(at: folder)
            return nil
        }
        try Data(state.withLock { $0.trace }.utf8).write(to: folder.appending(path: "trace.txt"))
        try cluster.keep(in: folder.appending(path: "brokers"))
        return problems.joined(separator: "\n")
            + "\nseed \(seed); logs and the brokers' data are kept in \(folder.path)\n"
            + "To run it again: make chaos MINUTES=\(minutes.formatted()) SEED=\(seed)"
    }
}
