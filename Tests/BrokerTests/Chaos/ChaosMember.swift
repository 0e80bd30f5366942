// One daemon of a chaos run, on a host of its own, and what is done to it.
import Foundation
import Synchronization
import TestSupport

/// Faults of a daemon, with how often of a hundred they are drawn.
enum DaemonFault: String, CaseIterable {
    case kill = "daemon killed (-9)"
    case stop = "daemon stopped (SIGTERM)"
    case zombie = "daemon frozen for longer than its session"
    case stall = "daemon frozen for longer than its transaction"
    case cut = "daemon cut from the network for longer than its session"
    case slow = "daemon's network slow and lossy"
    case disk = "snapshot folder full"

    var odds: Int {
        switch self {
        case .kill: 80
        case .stop: 3
        case .zombie: 4
        case .stall: 3
        case .cut: 3
        case .slow: 4
        case .disk: 3
        }
    }
}

/// Its thread alone touches its process while faults go on, and the run's thread after that.
final class ChaosMember: @unchecked Sendable {
    /// The session ends after 6 s, a transaction after 10 s (Scene.Options).
    private static let overSession = 8.0
    private static let overTransaction = 13.0

    let name: String
    private let record: ChaosRecord
    private let network: Network?
    private let disk: SmallDisk?
    private let yaml: String
    private var dice: RandomSource
    private(set) var process: DaemonProcess

    init(
        _ name: String, _ yaml: String, _ record: ChaosRecord, network: Network?, disk: SmallDisk?, dice: RandomSource
    ) throws {
        (self.name, self.yaml, self.record, self.network, self.disk) = (name, yaml, record, network, disk)
        self.dice = dice
        process = try ChaosMember.start(yaml, name, network)
    }

    private static func start(_ yaml: String, _ name: String, _ network: Network?) throws -> DaemonProcess {
        try DaemonProcess(yaml, on: network.map { ($0, name) })
    }

    /// One fault after the other until `isOver`.
    func suffer(until isOver: () -> Bool) throws {
        while !isOver() {
            // Usually it does some work first; now and then it is hit while it starts.
            if !dice.one(in: 4) {
                let limit = Date().addingTimeInterval(20)
                while process.isRunning, !process.isReady, Date() < limit, !isOver() { usleep(20_000) }
                // Short lives, and now and then one in which it gets on.
                pause(Double(dice.int(0...(dice.one(in: 4) ? 6_000 : 1_500))) / 1_000, isOver)
            } else {
                pause(Double(dice.int(0...500)) / 1_000, isOver)
            }
            if isOver() { return }
            if try startAgainIfFenced() { continue }
            if process.isReady { record.count("lives that became ready") }
            try strike(draw(), isOver)
        }
    }

    /// Does what the service manager does, for one end that is not a fault: a network that holds back a member's request to join and lets it
    /// arrive behind the repetition lets the broker take them for two processes. Any other end is a failure.
    func startAgainIfFenced() throws -> Bool {
        if process.isRunning { return false }
        let code = try process.waitForEnd()
        guard code == 1, process.log.contains("the group took another process of the name") else {
            throw Missing("\(name) to go on: it ended with \(code)\n\(process.log.suffix(2_000))")
        }
        record.note("\(name): fenced, started again")
        record.count("daemon fenced by its own late request and started again")
        try restart()
        return true
    }

    /// Waits until it is at work. A request that was held back while there were faults may arrive only now.
    func awaitRunning() throws {
        try wait(for: "\(name) to run", seconds: 120, context: String(process.log.suffix(2_000))) {
            try !startAgainIfFenced() && process.status.hasPrefix("running; ")
        }
    }

    private func draw() -> DaemonFault {
        var number = dice.int(1...100)
        return DaemonFault.allCases.first {
            number -= $0.odds
            return number <= 0
        } ?? .kill
    }

    private func strike(_ fault: DaemonFault, _ isOver: () -> Bool) throws {
        switch fault {
        case .kill:
            try process.kill9()
            note(fault)
            pause(Double(dice.int(0...3)) * 0.2, isOver)
            try restart()
        case .stop:
            process.signal(SIGTERM)
            note(fault)
            // In order, although what it has in hand may not be committed any more.
            try wait(for: "\(name) to stop", seconds: 90) { !process.isRunning }
            if try process.waitForEnd() == 0 { try restart() } else { _ = try startAgainIfFenced() }
        case .zombie: freeze(fault, ChaosMember.overSession, isOver)
        case .stall: freeze(fault, ChaosMember.overTransaction, isOver)
        case .cut, .slow:
            guard let network else { return }
            var quality = Network.Quality(isCut: fault == .cut)
            if fault == .slow {
                quality.delayMilliseconds = Int64(dice.int(5...300))
                quality.lossPercent = UInt64(dice.int(0...15))
            }
            note(fault)
            network.set(name, quality)
            pause(fault == .cut ? ChaosMember.overSession : Double(dice.int(4...12)), isOver)
            network.set(name, Network.Quality())
        case .disk:
            guard let disk else { return }
            note(fault)
            try disk.fill()
            pause(Double(dice.int(3...8)), isOver)
            try disk.empty()
        }
    }

    private func freeze(_ fault: DaemonFault, _ seconds: Double, _ isOver: () -> Bool) {
        process.signal(SIGSTOP)
        note(fault)
        pause(seconds, isOver)
        process.signal(SIGCONT)
    }

    private func note(_ fault: DaemonFault) {
        record.note("\(name): \(fault.rawValue)")
        record.count(fault.rawValue)
    }

    private func restart() throws {
        try keepLog()
        process = try ChaosMember.start(yaml, name, network)
    }

    private func keepLog() throws {
        let log = process.log
        for (text, what) in ChaosMember.recoveries {
            record.count(what, log.components(separatedBy: text).count - 1)
        }
        try record.keep(log, of: name)
    }

    /// What a log tells of the way back.
    private static let recoveries = [
        ("from=\"snapshot of batch", "shards recovered from a snapshot"),
        ("from=genesis", "shards recovered from the genesis"),
        ("the worker recovers from the last commit", "recoveries in a life"),
        ("snapshot could not be written", "snapshots that could not be written"),
    ]

    /// The length of a fault, or of work between two.
    private func pause(_ seconds: Double, _ isOver: () -> Bool) {
        let end = Date().addingTimeInterval(seconds)
        while Date() < end, !isOver() { usleep(20_000) }
    }

    /// SIGTERM in peace: everything is committed and the code is 0.
    func stop() throws {
        let result = Result { try process.stop() }
        try keepLog()
        try result.get()
    }

    func keepLastLog() throws { try keepLog() }
}

/// A file system of a few MB for the snapshot folder, where this process may mount one.
final class SmallDisk: @unchecked Sendable {
    private let folder: URL

    init?(_ folder: URL) {
        SmallDisk.removeOld()
        guard getuid() == 0, mount("tmpfs", folder.path, "tmpfs", 0, "size=32m") == 0 else { return nil }
        self.folder = folder
    }

    /// Takes the last byte.
    func fill() throws {
        let file = folder.appending(path: "filler")
        let descriptor = open(file.path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        guard descriptor >= 0 else { throw Missing("a file that fills \(folder.path)") }
        defer { close(descriptor) }
        var size = 1 << 20
        let zeros = [UInt8](repeating: 0, count: size)
        while size > 0 {
            if write(descriptor, zeros, size) <= 0 { size /= 2 }
        }
    }

    func empty() throws { try FileManager.default.removeItem(at: folder.appending(path: "filler")) }

    deinit { umount2(folder.path, Int32(MNT_DETACH)) }

    /// Removes the disks of test processes that were killed.
    private static func removeOld() {
        let mounts = (try? String(contentsOfFile: "/proc/mounts", encoding: .utf8)) ?? ""
        for line in mounts.split(separator: "\n") {
            let path = line.split(separator: " ").dropFirst().first.map(String.init) ?? ""
            guard let match = path.firstMatch(of: /rfmd-test-(\d+)-[0-9A-F-]{36}$/), let owner = pid_t(match.1),
                kill(owner, 0) != 0, errno == ESRCH
            else { continue }
            umount2(path, Int32(MNT_DETACH))
        }
        TemporaryFolder.removeOld()
    }
}
