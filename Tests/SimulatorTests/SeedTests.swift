// Seeds as tests: a block of them is green, a seed is the same run every time, and every deliberate defect is found.
//
// They run in this process and in a debug build: there, arithmetic, exclusive access and assertions are checked in every line of the
// daemon. `make simulate` runs many more on the release build.
import Foundation
import TestSupport
import Testing

@testable import Simulator

@Suite struct SeedTests {
    @Test(arguments: [UInt64](0..<20)) func promisesHold(block: UInt64) {
        for seed in block * 20 + 1...block * 20 + 20 {
            let outcome = Simulation.run(seed)
            #expect(outcome.passed, "make simulate SEED=\(seed): \(outcome.problems)")
            #expect(outcome.statistics.steps > 0)
        }
    }

    /// Seeds that once found something: a snapshot's name that power took back, an input made anew, records that are gone of an input that
    /// nobody reads any more, a journal that is trimmed while it is read, a clock that is right for a moment.
    @Test(arguments: [49_903, 37_482, 59_270, 94_102, 3_016_188, 3_081_452] as [UInt64])
    func whatWasFoundStaysMended(seed: UInt64) {
        let outcome = Simulation.run(seed)
        #expect(outcome.passed, "make simulate SEED=\(seed): \(outcome.problems)")
    }

    /// What never happens in a run is not tested by it.
    @Test func theFaultsDoStrike() {
        var all = Statistics()
        for seed: UInt64 in 1...60 { all.add(Simulation.run(seed).statistics) }
        for (count, what) in [
            (all.kills, "kills"), (all.resets, "resets"), (all.fromSnapshot, "recoveries from a snapshot"),
            (all.fromGenesis, "from the genesis"), (all.fromMemory, "from memory"), (all.replayed, "batches again"),
            (all.unusable, "snapshots lost"), (all.rebuilds, "rebuilds"), (all.refusals, "refusals"),
            (all.jumps, "jumps"), (all.versions, "versions"), (all.letters, "letters"), (all.events, "events"),
        ] { #expect(count > 5, "\(what): \(count)") }
    }

    @Test func aSeedIsTheSameRunEveryTime() {
        for seed: UInt64 in 1...5 {
            var traces: [[String]] = [[], []]
            let outcomes = (0...1).map { run in Simulation.run(seed) { traces[run].append($0) } }
            #expect(traces[0] == traces[1] && traces[0].count > 20, "seed \(seed)")
            #expect(outcomes[0].digest == outcomes[1].digest)
        }
    }

    /// Swift's hashing differs in each process: what depends on it shows here.
    @Test func aSeedIsTheSameRunInEveryProcess() throws {
        for seed in 1...5 {
            let runs = try (0...1).map { _ in try Command.run(Self.program(), ["--seed", "\(seed)"]) }
            #expect(runs[0].status == 0 && runs[0].output == runs[1].output, "seed \(seed)")
            #expect(runs[0].outputText.hasSuffix("1 passed, 0 failed\n"))
        }
    }

    /// rfmd-simulate of this build lies beside the tests.
    static func program() throws -> String {
        try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe").replacing(/[^\/]*$/, with: "")
            + "rfmd-simulate"
    }

    @Test(arguments: Mutation.allCases) func everyDefectIsFound(mutation: Mutation) {
        let seeds = 1...UInt64(mutation.seeds)
        #expect(
            seeds.contains { !Simulation.run($0, mutation: mutation).passed },
            "\(mutation.rawValue) is not found in \(mutation.seeds) seeds")
    }

    @Test func theDocumentationTellsEveryDefectAndItsSeeds() throws {
        let rows = try Repository.text("docs/simulation.md").matches(of: /(?m)^\| `(\w+)` \| .* \| (\d+) \|$/)
        let told = Dictionary(uniqueKeysWithValues: rows.map { (String($0.1), Int($0.2) ?? 0) })
        #expect(told == Dictionary(uniqueKeysWithValues: Mutation.allCases.map { ($0.rawValue, $0.seeds) }))
    }
}
