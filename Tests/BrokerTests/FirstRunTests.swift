// The commands of README.md, "With Kafka", word for word but for the broker's address and the folder they are run in.
import Foundation
import TestSupport
import Testing

extension BrokerTests {
    @Suite struct FirstRun {
        /// The lines of code of the section.
        private func commands() throws -> [String] {
            let text = try Repository.text("README.md")
            let start = try #require(text.range(of: "\n## With Kafka\n"))
            let end = try #require(text.range(of: "\n## ", range: start.upperBound..<text.endIndex))
            return text[start.upperBound..<end.lowerBound].components(separatedBy: "\n").filter { $0.hasPrefix("    ") }
        }

        @Test func theFirstRunIsAsTold() throws {
            let cluster = try TestCluster(brokers: 1)
            try cluster.start()
            let folder = try TemporaryFolder()
            let binary = try Repository.binary()
            let commands = try commands().map {
                "cd \(folder.url.path) && exec "
                    + $0.trimmingCharacters(in: .whitespaces)
                    .replacingOccurrences(of: "localhost:9092", with: cluster.bootstrap)
                    .replacingOccurrences(of: ".build/release/rfmd", with: binary)
                    .replacingOccurrences(of: "docs/", with: "\(Repository.root.path)/docs/")
            }
            // The first two start a broker: the test has one.
            try #require(commands.count == 6)
            let topic = try Command.run("bash", ["-c", commands[2]])
            #expect(topic.status == 0, "\(topic.outputText)\(topic.errorText)")

            let log = folder.url("log")
            var environment = ProcessInfo.processInfo.environment
            environment["BOOTSTRAP"] = cluster.bootstrap
            let daemon = try Child("/bin/bash", ["-c", commands[3]], environment: environment, log: log)
            func said() -> String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }
            try wait(for: "rfmd to be ready", seconds: 60, context: said()) { said().contains("ready") }

            let sent = try Command.run("bash", ["-c", commands[4].replacingOccurrences(of: "exec sed", with: "sed")])
            #expect(sent.status == 0, "\(sent.outputText)\(sent.errorText)")
            let seen = try Command.run("bash", ["-c", commands[5] + " --max-messages 3 --timeout-ms 30000"])
            let tiers = seen.outputText.components(separatedBy: "\n").filter { $0.contains("rfm.tier.changed.v1") }
            #expect(tiers.count == 3, "\(seen.outputText)\(seen.errorText)\(said())")
            #expect(tiers.contains { $0.contains("\"subject\":\"ann\"") && $0.contains("\"to\":\"high_value\"") })

            daemon.signal(SIGINT)
            #expect(try daemon.waitForEnd(seconds: 60, context: { said() }) == 0)
            #expect(said().contains("stopped records=11 accepted=8 duplicates=1 skipped=1 rejected=1"))
            #expect(FileManager.default.fileExists(atPath: folder.url("rfmd-state").path))
        }
    }
}
