// The daemon as the service manager sees it: a process with a notify socket, signals and an exit code.
import Foundation
import Synchronization
import TestSupport

final class DaemonProcess {
    private let child: Child
    private let folder: TemporaryFolder
    private let manager: ServiceManager
    private let logFile: URL

    /// Starts `rfmd run` with this configuration, on this host if there are several, with this fault in it.
    init(
        _ yaml: String, arguments: [String] = [], on host: (network: Network, name: String)? = nil,
        fault: PlannedFault? = nil
    ) throws {
        folder = try TemporaryFolder()
        logFile = folder.url("log")
        let path = try folder.write(yaml, to: "rfmd.yaml")
        manager = try ServiceManager(folder.url("notify").path)
        var environment = ProcessInfo.processInfo.environment
        for name in ["JOURNAL_STREAM", "INVOCATION_ID"] { environment[name] = nil }
        environment["NOTIFY_SOCKET"] = manager.path
        if let fault { environment.merge(try fault.environment) { $1 } }
        var command = (program: try Repository.binary(), arguments: ["run", "--config", path] + arguments)
        if let host { command = host.network.command(on: host.name, command.program, command.arguments) }
        child = try Child(command.program, command.arguments, environment: environment, log: logFile)
    }

    var log: String { (try? String(contentsOf: logFile, encoding: .utf8)) ?? "" }
    var pid: pid_t { child.pid }
    var isRunning: Bool { child.process.isRunning }
    var isReady: Bool { manager.messages.contains("READY=1") }
    /// What it said last that it does.
    var status: String { manager.messages.last { $0.hasPrefix("STATUS=") }.map { String($0.dropFirst(7)) } ?? "" }

    private var lastWords: String { "the daemon (status '\(status)') said:\n\(log.suffix(4_000))" }

    @discardableResult
    func awaitReady(seconds: Double = 90) throws -> DaemonProcess {
        try wait(for: "READY=1", seconds: seconds, context: lastWords) {
            guard isRunning || isReady else { throw Missing("the daemon ended before it was ready; \(lastWords)") }
            return isReady
        }
        return self
    }

    func awaitStatus(_ part: String, seconds: Double = 60) throws {
        try wait(for: "a status with '\(part)'", seconds: seconds, context: lastWords) {
            manager.messages.contains { $0.hasPrefix("STATUS=") && $0.contains(part) }
        }
    }

    /// Waits until what it says now begins so.
    func awaitNow(_ beginning: String, seconds: Double = 60) throws {
        try wait(for: "the status '\(beginning)'", seconds: seconds, context: lastWords) {
            guard isRunning else { throw Missing("the daemon ended; \(lastWords)") }
            return status.hasPrefix(beginning)
        }
    }

    /// Waits until the log holds `text` at least `count` times.
    func awaitLog(_ text: String, count: Int = 1, seconds: Double = 60) throws {
        try wait(for: "'\(text)' in the log (\(count) times)", seconds: seconds, context: lastWords) {
            log.components(separatedBy: text).count > count
        }
    }

    func signal(_ number: Int32) { child.signal(number) }

    func kill9() throws {
        child.signal(SIGKILL)
        _ = try child.waitForEnd()
    }

    /// SIGTERM; everything in hand is committed when it returns.
    func stop(seconds: Double = 60) throws {
        child.signal(SIGTERM)
        let code = try waitForEnd(seconds: seconds)
        if code != 0 { throw Missing("exit code 0 after SIGTERM, it was \(code); \(lastWords)") }
        if log.contains("without a last commit") { throw Missing("a last commit; \(lastWords)") }
    }

    func waitForEnd(seconds: Double = 60) throws -> Int32 {
        try child.waitForEnd(seconds: seconds, context: { self.lastWords })
    }
}

/// Stands in for systemd: receives what a service tells, on a thread of its own, so that the service never waits.
private final class ServiceManager: Sendable {
    let path: String
    private let received = Received()

    /// What the thread and the tests share.
    private final class Received: Sendable {
        let messages = Mutex<[String]>([])
        let stops = Atomic<Bool>(false)
    }

    var messages: [String] { received.messages.withLock { $0 } }

    init(_ path: String) throws {
        self.path = path
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard descriptor >= 0, path.utf8.count < 108 else { throw Missing("a socket with a short name") }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0 else { throw Missing("a notify socket at \(path)") }
        Thread.detachNewThread { [received] in ServiceManager.receive(descriptor, received) }
    }

    private static func receive(_ descriptor: Int32, _ received: Received) {
        var patience = timeval(tv_sec: 0, tv_usec: 200_000)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var bytes = [UInt8](repeating: 0, count: 4_096)
        while !received.stops.load(ordering: .relaxed) {
            let count = recv(descriptor, &bytes, bytes.count, 0)
            if count <= 0 { continue }
            let text = String(decoding: bytes.prefix(count), as: UTF8.self)
            if text != "WATCHDOG=1" { received.messages.withLock { $0.append(text) } }
        }
        close(descriptor)
    }

    deinit {
        received.stops.store(true, ordering: .relaxed)
        unlink(path)
    }
}
