// rfmd-simulate as people use it: counts, exit codes, and the command that repeats a failure.
import Foundation
import TestSupport
import Testing

@Suite struct CommandTests {
    @Test func itCountsAndSaysHowToRepeat() throws {
        let program = try SeedTests.program()
        let good = try Command.run(program, ["--seeds", "12", "--first", "5"])
        #expect(good.status == 0)
        #expect(good.outputText.hasSuffix("12 passed, 0 failed\n"))
        #expect(good.outputText.contains("seeds a second"))

        let bad = try Command.run(program, ["--seeds", "12", "--mutation", "commitBeforeFlush"])
        #expect(bad.status == 1)
        let failed = try #require(bad.outputText.firstMatch(of: /repeat it by 'make simulate SEED=(\d+) MUTATION=/))
        let count = bad.outputText.matches(of: /repeat it by/).count
        #expect(bad.outputText.hasSuffix("\(12 - count) passed, \(count) failed\n"))

        let again = try Command.run(program, ["--seed", String(failed.1), "--mutation", "commitBeforeFlush"])
        #expect(again.status == 1)
        #expect(again.outputText.hasSuffix("0 passed, 1 failed\n"))
    }

    /// A broken invariant ends the process that runs the seed: here a signal does.
    @Test func aSeedThatTrapsIsNamedAndTheOthersGoOn() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("", to: "output")
        let process = Process()
        process.executableURL = URL(filePath: try SeedTests.program())
        process.arguments = ["--seeds", "40", "--jobs", "1"]
        process.standardOutput = try FileHandle(forWritingTo: URL(filePath: path))
        try process.run()
        var part: pid_t?
        while part == nil && process.isRunning {
            part = try CommandTests.children(of: process.processIdentifier).first { try CommandTests.isAtWork($0) }
            usleep(1_000)
        }
        kill(try #require(part), SIGABRT)
        process.waitUntilExit()
        let output = try String(contentsOfFile: path, encoding: .utf8)
        #expect(process.terminationStatus == 1)
        #expect(output.matches(of: /seed \d+: trapped; repeat it by 'make simulate SEED=\d+'/).count == 1)
        #expect(output.hasSuffix("39 passed, 1 failed\n"), "\(output)")
    }

    private static func children(of process: pid_t) throws -> [pid_t] {
        let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")
        return try threads.flatMap { thread in
            let path = "/proc/\(process)/task/\(thread)/children"
            return try String(contentsOfFile: path, encoding: .utf8).split(separator: " ").compactMap { pid_t($0) }
        }
    }

    /// It has computed for a tenth of a second: its seeds have begun.
    private static func isAtWork(_ process: pid_t) throws -> Bool {
        let fields = try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8).split(separator: " ")
        return (Int(fields[13]) ?? 0) * 10 >= sysconf(Int32(_SC_CLK_TCK))
    }

    @Test(arguments: [["--seeds"], ["--seeds", "many"], ["--jobs", "0"], ["--mutation", "none"], ["--what", "1"]])
    func itRefusesWhatItDoesNotUnderstand(arguments: [String]) throws {
        let result = try Command.run(try SeedTests.program(), arguments)
        #expect(result.status == 64)
        #expect(result.errorText.contains("usage: rfmd-simulate"))
    }
}
