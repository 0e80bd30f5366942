// The program among others: closed and full standard streams, limits of the system, crashes.
import Foundation
import TestSupport
import Testing

@Suite struct ProcessTests {
    private func shell(_ script: String) throws -> Command {
        try Command.run("/bin/sh", ["-c", script.replacing("RFMD", with: "'\(try Repository.binary())'")])
    }

    @Test(arguments: [
        "man", "help", "version", "completion bash", "run --help", "bench engine --customers 10 --events 10",
        "demo --duration 1s",
    ])
    func whatCannotBePrintedIsAFailure(verb: String) throws {
        let full = try shell("exec RFMD \(verb) > /dev/full")
        #expect(full.status == 1, "\(verb)")
        #expect(full.errorText == "rfmd: cannot write to standard output: No space left on device\n", "\(verb)")
    }

    @Test func aClosedStandardOutputIsAFailure() throws {
        let closed = try shell("exec RFMD version >&-")
        #expect(closed.status == 1)
        #expect(closed.errorText == "rfmd: cannot write to standard output: Bad file descriptor\n")
    }

    @Test(arguments: ["demo", "run --config CONFIG"])
    func limitsThatAreTooLowAreNamed(verb: String) throws {
        let folder = try TemporaryFolder()
        let path = try folder.write(
            "kafka: { bootstrap: \"127.0.0.1:1\" }\ninputs: [{ topic: t }]\nsnapshots: { folder: \(folder.url.path) }\n",
            to: "c.yaml")
        let verb = verb.replacing("CONFIG", with: path)
        let files = try shell("ulimit -n 20; exec RFMD \(verb)")
        #expect(files.status == 1)
        #expect(
            files.errorText.contains("only 20 files may be open, and at least 256 are needed"), "\(files.errorText)")
        let memory = try shell("ulimit -v 400000; exec RFMD \(verb)")
        #expect(memory.status == 1)
        #expect(
            memory.errorText.contains("only 390 MiB of addresses are allowed, and at least 2048 MiB"),
            "\(memory.errorText)")
    }

    /// No memory: one line, and the end by a signal; also with what the unit sets.
    @Test(arguments: ["", "SWIFT_BACKTRACE=enable=no"]) func aCrashPrintsNoStackTrace(environment: String) throws {
        let crash = try shell(
            "ulimit -v 200000; \(environment) RFMD bench engine --customers 10000000 --events 10; echo $? >&2")
        let lines = crash.errorText.split(separator: "\n")
        #expect(
            lines.contains(
                "rfmd: ended by a defect, or because there is no memory left. SWIFT_BACKTRACE=enable=yes shows where."))
        #expect(!crash.errorText.contains("Backtrace") && !crash.errorText.contains("Thread 0"), "\(crash.errorText)")
        #expect(lines.last.flatMap { Int($0) }.map { $0 > 128 } == true, "\(crash.errorText)")
    }
}
