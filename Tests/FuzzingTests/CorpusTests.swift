// The corpus of every fuzz target, and inputs made of it by chance, through the same checks as under libFuzzer.
import Foundation
import Fuzzing
import TestSupport
import Testing

@Suite struct CorpusTests {
    /// Of one target; `make fuzz` finds them.
    private static func corpus(_ target: FuzzTarget) throws -> [(name: String, bytes: [UInt8])] {
        let folder = Repository.root.appending(path: "Tests/Corpus/\(target.name)")
        return try FileManager.default.contentsOfDirectory(atPath: folder.path()).sorted().map {
            ($0, [UInt8](try Data(contentsOf: folder.appending(path: $0))))
        }
    }

    private static func check(_ target: FuzzTarget, _ bytes: [UInt8], _ what: String) {
        do {
            try bytes.withUnsafeBytes { try target.check($0) }
        } catch {
            Issue.record("\(target.name), \(what): \(error)\n\(Data(bytes).base64EncodedString())")
        }
    }

    @Test(arguments: FuzzTarget.all.map(\.name))
    func everyInputOfTheCorpusHolds(name: String) throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        let corpus = try CorpusTests.corpus(target)
        #expect(corpus.count >= 5)
        for (name, bytes) in corpus { CorpusTests.check(target, bytes, name) }
    }

    /// A trap ends the process: its trace and the name of the test say where; `make fuzz` finds the input.
    @Test(arguments: FuzzTarget.all.map(\.name))
    func inputsMadeByChanceHold(name: String) throws {
        let target = try #require(FuzzTarget.all.first { $0.name == name })
        let corpus = try CorpusTests.corpus(target).map(\.bytes)
        for seed in UInt64(1)...4 {
            var mutator = Mutator(target, corpus: corpus, seed: seed)
            for number in 0..<500 { CorpusTests.check(target, mutator.next(), "seed \(seed), number \(number)") }
        }
    }

    /// All of them together stay small.
    @Test func theCorpusIsSmall() throws {
        let sizes = try FuzzTarget.all.flatMap { try CorpusTests.corpus($0).map(\.bytes.count) }
        #expect(sizes.reduce(0, +) < 200_000)
    }
}
