// README.md and the documents: their commands do what they say. Those that need a broker are run by BrokerTests/FirstRunTests.
import Foundation
import TestSupport
import Testing

@Suite struct ReadmeTests {
    @Test func theReplayIsAsTold() throws {
        let line = try #require(
            try Repository.text("README.md").split(separator: "\n").first { $0.contains("rfmd replay --config") })
        let folder = try TemporaryFolder()
        let command = line.replacing(".build/release/rfmd", with: try Repository.binary())
            .replacing("--state state.ndjson", with: "--state \(folder.url("state.ndjson").path)")
        let result = try Command.run("bash", ["-c", "cd \(Repository.root.path) && \(command)"])
        #expect(result.status == 0, "\(result.errorText)")
        // "Eleven events of three customers go in, and fifteen changes come out, seven of them long after the last event".
        #expect(
            result.errorText.contains("{\"consumed\":11,\"accepted\":8,\"duplicates\":1,\"rejected\":1,\"skipped\":1,"))
        #expect(result.errorText.contains("\"reason\":\"unknown_currency\""))
        let changes = result.outputText.split(separator: "\n")
        #expect(changes.count == 15)
        #expect(changes.filter { $0.contains("\"cause\":{\"kind\":\"deadline\"") }.count == 7)
        let ann = changes.filter { $0.contains("\"subject\":\"ann\"") }.compactMap {
            $0.firstMatch(of: /"(?:to|warning)":"(\w+)"/).map { String($0.1) }
        }
        #expect(ann.suffix(6) == ["high_value", "overdue", "slipping", "ordinary", "lost", "dormant"])
        let state = try String(contentsOf: folder.url("state.ndjson"), encoding: .utf8)
        #expect(state.split(separator: "\n").count == 2, "nothing of eve was accepted")
    }

    @Test func everyVerbThatIsNamedExists() throws {
        let binary = try Repository.binary()
        let overview = try Command.run(binary, ["help"]).outputText
        let verbs = Set(overview.matches(of: #/(?m)^  (\w+) /#).map { String($0.1) })
        #expect(verbs.contains("replay") && verbs.count > 7)
        var count = 0
        for path in try Repository.files("docs", endings: [".md"]) + ["README.md", "Config/rfmd.yaml"] {
            for match in try Repository.text(path).matches(of: #/(?:`|    |release/)rfmd (\w+)/#) {
                count += 1
                let verb = String(match.1)
                #expect(verbs.contains(verb) || verb == "VERB", "\(path): rfmd \(verb)")
            }
        }
        #expect(count > 8)
    }
}
