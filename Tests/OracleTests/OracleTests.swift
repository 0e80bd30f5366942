// rfmd replay against Tests/Oracle, a second implementation in Python that shares no code with the engine.
import Foundation
import TestSupport
import Testing

/// The folder of the real data sets.
private let data = ProcessInfo.processInfo.environment["RFMD_TEST_DATA"]

/// Runs compare.py: exit code 1, the difference and how to see it again on its standard error, if there is one.
private func compare(_ arguments: [String]) throws -> Command {
    let script = Repository.root.appendingPathComponent("Tests/Oracle/compare.py").path
    return try Command.run("python3", [script, "--binary", Repository.binary()] + arguments)
}

@Suite("State and every decision equal an independent oracle")
struct OracleTests {
    /// Every zone, rule form, kind of bad record and collision that Tests/Oracle/random_events.py knows.
    @Test("made-up workloads", arguments: [(1, 11), (21, 31), (41, 51)])
    func randomWorkloads(firstSeeds: (Int, Int)) async throws {
        try await agrees(
            ["--seed", "\(firstSeeds.0)", "--seeds", "10"], ["--seed", "\(firstSeeds.1)", "--seeds", "10"])
    }

    @Test(
        "real data",
        .enabled(if: data != nil, "set RFMD_TEST_DATA to the folder that holds cdnow/ and online_retail/"))
    func realData() async throws {
        try await agrees(["--dataset", "cdnow"], ["--dataset", "online_retail"])
    }

    /// Both at once: each is one process that does nothing but calculate.
    private func agrees(_ one: [String], _ other: [String]) async throws {
        async let first = compare(one)
        async let second = compare(other)
        for run in try await [first, second] { #expect(run.status == 0, "\(run.errorText)") }
    }

    /// A comparison that cannot fail shows nothing: here the oracle is told other rules than rfmd.
    @Test("a difference is seen, and how to see it again is told")
    func differenceIsSeen() throws {
        let run = try compare(["--seed", "7", "--mutate"])
        #expect(run.status == 1, "\(run.outputText) \(run.errorText)")
        #expect(run.errorText.contains("to see it again: python3 Tests/Oracle/compare.py --seed 7 --mutate"))
    }
}
