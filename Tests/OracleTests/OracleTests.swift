// rfmd replay against Tests/Oracle, a second implementation in Python that shares no code with the engine.
import Foundation
import Testing

/// Where compare.py lies, and what it needs to know.
enum Oracle {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    static let data = ProcessInfo.processInfo.environment["RFMD_TEST_DATA"]
    static let binary =
        ProcessInfo.processInfo.environment["RFMD_BINARY"] ?? root.appending(path: ".build/release/rfmd").path

    /// Runs compare.py. Its exit code, and all that it printed: on a difference how to see it again.
    static func compare(_ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", root.appending(path: "Tests/Oracle/compare.py").path] + arguments
        process.environment = ProcessInfo.processInfo.environment.merging(["RFMD_BINARY": binary]) { $1 }
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: text, as: UTF8.self))
    }
}

@Suite("State and every decision equal an independent oracle", .serialized)
struct OracleTests {
    /// Every zone, rule form, kind of bad record and collision that Tests/Oracle/random_events.py knows.
    @Test("made-up workloads", arguments: [1, 11, 21, 31, 41, 51])
    func randomWorkloads(firstSeed: Int) throws {
        let run = try Oracle.compare(["--seed", "\(firstSeed)", "--seeds", "10"])
        #expect(run.status == 0, "\(run.output)")
    }

    @Test(
        "real data",
        .enabled(if: Oracle.data != nil, "set RFMD_TEST_DATA to the folder that holds cdnow/ and online_retail/"),
        arguments: ["cdnow", "online_retail"])
    func realData(name: String) throws {
        let run = try Oracle.compare(["--dataset", name])
        #expect(run.status == 0, "\(run.output)")
    }

    /// A comparison that cannot fail shows nothing: the oracle is told another rule than rfmd's.
    @Test("a difference is seen and told")
    func differenceIsSeen() throws {
        let run = try Oracle.compare(["--seed", "7", "--mutate"])
        #expect(run.status == 1, "\(run.output)")
        #expect(run.output.contains("to see it again: python3 Tests/Oracle/compare.py --seed 7"))
    }
}
