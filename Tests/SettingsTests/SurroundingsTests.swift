// What is found before anything is asked of Kafka: names, addresses, files, and what does not fit together.
import Foundation
import Settings
import TestSupport
import Testing

@testable import Daemon

@Suite struct SurroundingsTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func told(kafka: String = "bootstrap: b", _ more: String = "inputs: [{ topic: t }]\n") -> String {
        do throws(SettingsProblems) {
            _ = try Configuration.load(text: "kafka: { \(kafka) }\n\(more)", file: "f")
        } catch { return error.problems.map { "\($0.key): \($0.message)" }.joined(separator: "\n") }
        return ""
    }

    @Test(arguments: [
        "localhost", "a:1,b:65535", "127.0.0.1:9092 , x.y-z_1:2", "[::1]:9092", "[fe80::1%eth0]", "PLAINTEXT://h:1",
    ])
    func addressesThatAreTaken(address: String) {
        #expect(told(kafka: "bootstrap: \"\(address)\"") == "")
    }

    @Test(arguments: [
        "localhost:port", "localhost:0", "localhost:65536", "localhost:", ":9092", "a:1,,b:2", "a b:1", "::1", "[::1",
        "[::1]9092", "a:1/",
    ])
    func addressesThatAreNone(address: String) {
        #expect(told(kafka: "bootstrap: \"\(address)\"").hasPrefix("kafka.bootstrap: '"), "\(address)")
    }

    @Test func topicsHaveKafkasNames() {
        let long = String(repeating: "t", count: 250)
        for name in ["bad topic!", "a b/", "^all", ".", "..", "主题", long] {
            #expect(told("inputs: [{ topic: \"\(name)\" }]\n").hasPrefix("inputs[0].topic: "), "\(name)")
            #expect(
                told("inputs: [{ topic: t }]\noutputs: { topics: { tier: \"\(name)\" } }\n").hasPrefix(
                    "outputs.topics.tier: "),
                "\(name)")
        }
        #expect(told("inputs: [{ topic: a.B_c-9 }, { topic: ... }]\n") == "")
    }

    @Test func instancesAndGroupsCanBeSentToKafka() {
        #expect(told("inputs: [{ topic: t }]\ninstance: \"a b/c\\n\"\n").hasPrefix("instance: 'a b/c"))
        #expect(
            told("inputs: [{ topic: t }]\ninstance: \(String(repeating: "a", count: 201))\n").hasPrefix(
                "instance: is longer"))
        #expect(told(kafka: "bootstrap: b, group: \"a\\tb\"") == "kafka.group: has a control character")
        #expect(told(kafka: "bootstrap: b, group: \"Läden 1\"") == "")
        #expect(KafkaNames.instance(ofHost: "bü ro.example") == "b--ro.example")
    }

    @Test func filesOfPropertiesAreThere() throws {
        let missing = "/nonexistent/ca.pem"
        for name in ["ssl.ca.location", "ssl.key.location", "ssl.certificate.location", "ssl.keystore.location"] {
            #expect(
                told(kafka: "bootstrap: b, properties: { \(name): \(missing) }")
                    == "kafka.properties.\(name): cannot read '\(missing)': No such file or directory")
        }
        let noCertificate = try folder.write("no certificate", to: "ca.pem")
        let damaged = told(
            kafka: "bootstrap: b, properties: { security.protocol: ssl, ssl.ca.location: \(noCertificate) }")
        #expect(damaged.hasPrefix("kafka.properties: ") && damaged.contains("ssl.ca.location"), "\(damaged)")
        #expect(told(kafka: "bootstrap: b, properties: { ssl.ca.location: probe }") == "")
    }

    @Test func propertiesFitTogether() {
        let sasl = told(kafka: "bootstrap: b, properties: { security.protocol: sasl_plaintext, sasl.mechanism: PLAIN }")
        #expect(sasl.hasPrefix("kafka.properties: ") && sasl.contains("sasl.username"), "\(sasl)")
    }

    @Test func snapshotsNeedAFolder() throws {
        let file = try folder.write("", to: "file")
        #expect(
            told("inputs: [{ topic: t }]\nsnapshots: { folder: \(file) }\n")
                == "snapshots.folder: '\(file)' is no folder")
        func doubts(_ folder: String) throws -> [String] {
            try Configuration.load(
                text: "kafka: { bootstrap: b }\ninputs: [{ topic: t }]\nsnapshots: { folder: \(folder) }\n", file: "f"
            ).doubts.map(\.message)
        }
        #expect(try doubts(folder.url("new/deeper").path) == [])
        #expect(try doubts(file + "/below").count == 1)
    }

    /// Who replays asks no broker: secrets may be out of reach.
    @Test func aReplayLooksAtNothingOfKafka() throws {
        let path = try folder.write(
            """
            kafka: { bootstrap: b, properties: { sasl.password: { credential: kafka }, ssl.key.password: { file: /nonexistent },
                                                 ssl.ca.location: /nonexistent } }
            inputs: [{ topic: t }]
            """, to: "rfmd.yaml")
        #expect(throws: SettingsProblems.self) { try Configuration.load(path) }
        _ = try Configuration.load(path, isForKafka: false)
    }

    @Test func theBaseCurrencyHasNoRate() {
        let told = told("inputs: [{ topic: t }]\nmoney: { currency: CNY, rates: { CNY: \"2\" } }\n")
        #expect(told.hasPrefix("money.rates.CNY: CNY is the base currency"), "\(told)")
    }
}
