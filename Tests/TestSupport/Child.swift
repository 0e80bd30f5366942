// Processes that tests start, and that end with the tests at the latest, also when those are killed.
import Foundation
import Synchronization

/// Starts every process on one thread that never ends: the kernel kills a process that asked for it (setpriv --pdeathsig) when the thread
/// that started it ends, and threads that run tests come and go.
enum Spawner {
    /// Handed from the thread that asks to the one that starts and back, one at a time.
    private final class Job: @unchecked Sendable {
        let process: Process
        let isDone = DispatchSemaphore(value: 0)
        var failure: (any Error)?

        init(_ process: Process) { self.process = process }
    }

    private static let jobs = Mutex<[Job]>([])
    private static let arrived = DispatchSemaphore(value: 0)
    private static let thread: Void = {
        // `swift test` may be killed and leave its runner behind: then the runner ends, and the kernel its children.
        let parent = getppid()
        Thread.detachNewThread {
            while getppid() == parent { sleep(1) }
            _exit(1)
        }
        Thread.detachNewThread(work)
    }()

    private static let work: @Sendable () -> Void = {
        while true {
            arrived.wait()
            let job = jobs.withLock { $0.removeFirst() }
            do { try job.process.run() } catch { job.failure = error }
            job.isDone.signal()
        }
    }

    /// Runs `process` with this program.
    static func run(_ process: Process, _ program: String, _ arguments: [String]) throws {
        _ = thread
        process.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
        process.arguments = ["--pdeathsig", "KILL", "--", program] + arguments
        let job = Job(process)
        jobs.withLock { $0.append(job) }
        arrived.signal()
        job.isDone.wait()
        if let failure = job.failure { throw failure }
    }
}

/// A process in the background whose output goes to a file.
package final class Child: @unchecked Sendable {
    package let process = Process()
    package var pid: pid_t { process.processIdentifier }

    package init(_ program: String, _ arguments: [String], environment: [String: String], log: URL) throws {
        process.environment = environment
        if !FileManager.default.fileExists(atPath: log.path) { try Data().write(to: log) }
        let output = try FileHandle(forWritingTo: log)
        try output.seekToEnd()
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try Spawner.run(process, program, arguments)
    }

    package func signal(_ number: Int32) { if process.isRunning { kill(pid, number) } }

    /// The exit status; for one that was ended by a signal its negative number.
    package func waitForEnd(seconds: Double = 60, context: () -> String = { "" }) throws -> Int32 {
        try wait(for: "process \(pid) to end", seconds: seconds, context: context()) { !process.isRunning }
        return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    }

    deinit { if process.isRunning { kill(pid, SIGKILL) } }
}
