// Configurations with one mistake each, and what is said about it; good ones; environment and secrets.
import CRDKafka
import Codec
import Foundation
import Rules
import Settings
import TestSupport
import Testing

@testable import Daemon

/// What `rfmd validate` says, with the file's name alone.
private func problems(_ path: String) -> String {
    let url = Repository.root.appending(path: path)
    do throws(SettingsProblems) {
        _ = try Configuration.load(url.path())
        return "ok\n"
    } catch {
        return error.problems.map { $0.description.replacing(url.path(), with: url.lastPathComponent) + "\n" }.joined()
    }
}

/// A file that lives as long as `body`.
private func withFile<Result>(_ text: String, mode: Int = 0o600, _ body: (String) throws -> Result) throws -> Result {
    let path = FileManager.default.temporaryDirectory.appending(path: "rfmd-settings-\(UUID().uuidString).yaml").path()
    #expect(
        FileManager.default.createFile(atPath: path, contents: Data(text.utf8), attributes: [.posixPermissions: mode]))
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
}

private func problems(ofText text: String) throws -> [SettingsProblem] {
    try withFile(text) { path in
        do throws(SettingsProblems) { _ = try Configuration.load(path) } catch { return error.problems }
        return []
    }
}

private let least = "kafka: { bootstrap: \"localhost:9092\" }\ninputs: [{ topic: t }]\n"

/// Serialized: the environment is one for all.
@Suite(.serialized) struct ConfigurationTests {
    /// `bad-NAME.yaml` has one mistake, `good-NAME.yaml` none; NAME.txt is what is printed. UPDATE=1 writes it anew.
    @Test(arguments: try Repository.files("Tests/SettingsTests/Fixtures", endings: [".yaml"]))
    func saysWhatIsWrong(path: String) throws {
        let expected = path.replacing(".yaml", with: ".txt")
        let actual = problems(path)
        if Repository.updates {
            try actual.write(to: Repository.root.appending(path: expected), atomically: true, encoding: .utf8)
        }
        let committed = try Repository.text(expected)
        #expect(actual == committed, "read the difference, then: UPDATE=1 swift test --filter ConfigurationTests")
        #expect((actual == "ok\n") == path.contains("/good-"), "\(path)")
        // One mistake is told once.
        if path.contains("/bad-") {
            #expect(actual.split(separator: "\n").count { $0.contains(": error: ") } == 1, "\(path)")
        }
    }

    @Test func validateExitsWithTheCodeForConfiguration() {
        let fixtures = Repository.root.appending(path: "Tests/SettingsTests/Fixtures")
        #expect(runVerb(["validate", "--config", fixtures.appending(path: "good-least.yaml").path()]) == 0)
        #expect(runVerb(["validate", "--config", fixtures.appending(path: "bad-unknown-key.yaml").path()]) == 78)
        #expect(runVerb(["validate", "--config", "/nonexistent/rfmd.yaml"]) == 78)
    }

    /// A transaction that is over before a broker is back may be shown twice: told, with its place, and run all the same.
    @Test func warnsOfAShortTransaction() throws {
        func doubts(_ value: String) throws -> [String] {
            let text =
                "kafka:\n  bootstrap: b\n  properties: { linger.ms: 5, transaction.timeout.ms: \(value) }\ninputs: [{ topic: t }]\n"
            return try withFile(text) { path in
                #expect(runVerb(["validate", "--config", path]) == 0)
                return try Configuration.load(path).doubts.map { "\($0.place.line): \($0.key): \($0.message)" }
            }
        }
        let told = try doubts("44999")
        #expect(told.count == 1)
        #expect(
            told.first?.hasPrefix("3: kafka.properties.transaction.timeout.ms: less than 45000: ") == true, "\(told)")
        #expect(try doubts("45000") == [])
    }

    /// Debian's librdkafka; with a newer one there is nothing to warn of.
    @Test(.enabled(if: rd_kafka_version() < 0x0206_01FF)) func warnsOfSCRAMThatKafkaRefuses() throws {
        for (mechanism, count) in [("SCRAM-SHA-256", 1), ("SCRAM-SHA-512", 1), ("PLAIN", 0)] {
            let text =
                "kafka:\n  bootstrap: b\n  properties: { security.protocol: sasl_ssl, sasl.mechanism: \(mechanism), "
                + "sasl.username: u, sasl.password: p }\ninputs: [{ topic: t }]\n"
            let told = try withFile(text) { try Configuration.load($0).doubts.map(\.message) }
            #expect(told.count == count && told.allSatisfy { $0.contains("Kafka 4 refuses SCRAM") }, "\(told)")
        }
    }

    @Test func warnsOfRulesThatTellNothing() throws {
        let rule = "warnings: [{ name: a, when: recency > 60 }]\n"
        for (text, keys) in [("", ["preset"]), (rule, [])] {
            let told = try withFile(least + "preset: none\n" + text) { try Configuration.load($0).doubts.map(\.key) }
            #expect(told == keys)
        }
    }

    @Test func aWarningIsMediumUnlessItSaysOtherwise() throws {
        let warnings =
            "warnings: [{ name: a, when: recency > 60 }, { name: slipping, when: recency > 9 }, { name: b, severity: high, when: recency > 1 }]\n"
        try withFile(least + warnings) { path in
            let version = try Configuration.load(path).version
            let severities = Dictionary(uniqueKeysWithValues: version.warnings.map { ($0.name, $0.severity) })
            // One that replaces the preset's `slipping` keeps nothing of it.
            #expect(severities["a"] == .medium && severities["slipping"] == .medium && severities["b"] == .high)
        }
    }

    /// The last of two is the one whose rules are looked at.
    @Test func whatStandsTwiceIsToldTogetherWithItsOwnMistakes() throws {
        let ladders = """
            ladders:
              - { name: tier, rungs: [{ name: a }] }
              - { name: tier, rungs: [{ name: a, when: "recency < 1" }, { name: b, when: "recency < foo" }, { name: c }] }
            warnings:
              - { name: w, when: "recency < 1" }
              - { name: w, when: "recency < foo" }
            """
        let found = try problems(ofText: least + ladders)
        #expect(
            found.map { "\($0.place?.line ?? 0) \($0.key)" } == [
                "5 ladders[1].name", "5 ladders[1].rungs[1].when", "8 warnings[1].name", "8 warnings[1].when",
            ])
    }

    /// Names of kinds that the configuration has are compared as those of the format (docs/inputs.md).
    @Test(arguments: [
        "Order Paid", "order paid", " ORDER PAID\\t", "Product Seen", "product seen",
    ])
    func segmentsNamesOfKindsHaveNoCase(event: String) throws {
        let text = """
            kafka: { bootstrap: "localhost:9092" }
            inputs: [{ topic: t, format: segment, kind: { purchase: ["Order Paid"], click: [" Product Seen "] } }]
            """
        let version = try withFile(text) { try Configuration.load($0).version }
        let decoder = RecordDecoder(version.mappings[0], money: version.money)
        let record =
            #"{"type":"track","event":"\#(event)","messageId":"1","userId":"u","properties":{"total":1},"timestamp":"2026-01-01T00:00:00Z"}"#
        let decoded = Array(record.utf8).withUnsafeBytes { decoder.decode($0) }
        guard case .event = decoded else {
            Issue.record("\(decoded)")
            return
        }
        #expect(decoder.event.pointee.kind == (event.lowercased().contains("paid") ? .purchase : .click))
    }

    @Test func aKindThatAllRecordsHaveIsComparedAsTheOthers() throws {
        let text = """
            kafka: { bootstrap: "localhost:9092" }
            inputs: [{ topic: t, format: segment, kind: { at: { value: "Order Completed" } } }]
            """
        let mapping = try withFile(text) { try Configuration.load($0).version.mappings[0] }
        #expect(mapping.kindAt == .constant("order completed"))
    }

    @Test func expandsTheEnvironment() throws {
        setenv("RFMD_TEST_ZONE", "Europe/Berlin", 1)
        setenv("RFMD_TEST_EMPTY", "", 1)
        unsetenv("RFMD_TEST_NONE")
        func zone(_ text: String) throws -> String {
            try withFile(least + "time: { zone: \"\(text)\" }\n") { path in
                do throws(SettingsProblems) { return try Configuration.load(path).settings.time.zone.value } catch {
                    return error.problems.map(\.message).joined(separator: "|")
                }
            }
        }
        #expect(try zone("$RFMD_TEST_ZONE") == "Europe/Berlin")
        #expect(try zone("${RFMD_TEST_ZONE}") == "Europe/Berlin")
        #expect(try zone("${RFMD_TEST_NONE:-Asia/Shanghai}") == "Asia/Shanghai")
        #expect(try zone("${RFMD_TEST_EMPTY:-Asia/Shanghai}") == "Asia/Shanghai")
        #expect(try zone("Asia/${RFMD_TEST_NONE-Shanghai}") == "Asia/Shanghai")
        #expect(try zone("${RFMD_TEST_ZONE:?set it}") == "Europe/Berlin")
        #expect(try zone("$RFMD_TEST_NONE") == "the environment variable 'RFMD_TEST_NONE' is not set")
        #expect(
            try zone("${RFMD_TEST_EMPTY:?set it}") == "the environment variable 'RFMD_TEST_EMPTY' is not set: set it")
        #expect(try zone("${RFMD_TEST_ZONE") == "'${' has no '}'; a dollar sign is written '$$'")
        #expect(try zone("$") == "'$' names no variable; a dollar sign is written '$$'")
        #expect(
            try zone("${RFMD_TEST_ZONE!x}")
                == "'${RFMD_TEST_ZONE!x}' is not of the form ${V}, ${V:-default} or ${V:?error}")
        #expect(try zone("$$x").contains("'$x'"))
        // A value cannot add keys.
        setenv("RFMD_TEST_ZONE", "UTC\nworkers: 7", 1)
        #expect(try zone("$RFMD_TEST_ZONE").contains("the system knows no zone"))
    }

    @Test func secretsComeFromTheirOwnersFilesOnly() throws {
        func password(_ source: String) throws -> String {
            let text = "kafka: { bootstrap: b, properties: { sasl.password: \(source) } }\ninputs: [{ topic: t }]\n"
            return try withFile(text) { path in
                do throws(SettingsProblems) {
                    return try Configuration.load(path).settings.kafka.properties[0].value.value
                } catch {
                    return error.problems.map(\.description).joined(separator: "|")
                }
            }
        }
        let own = try withFile("hunter2\n") { try password("{ file: \($0) }") }
        #expect(own == "hunter2")
        let shared = try withFile("hunter2", mode: 0o640) { try password("{ file: \($0) }") }
        #expect(shared.contains("can be read by others: chmod 600 it"))
        #expect(try withFile("hunter2\r\n") { try password("{ file: \($0) }") } == "hunter2")
        for (content, problem) in [("", "is empty"), ("\n", "is empty"), ("a\0b", "is no text of UTF-8")] {
            let told = try withFile(content) { try password("{ file: \($0) }") }
            #expect(told.contains(problem), "\(told)")
        }
        #expect(try password("{ file: /nonexistent }").contains("cannot open '/nonexistent'"))
        #expect(try password("{ filo: /x }").contains("did you mean 'file'?"))
        unsetenv("CREDENTIALS_DIRECTORY")
        #expect(try password("{ credential: kafka }").contains("LoadCredential=kafka:"))
        let folder = FileManager.default.temporaryDirectory.appending(path: "rfmd-credentials-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let secret = folder.appending(path: "kafka").path()
        #expect(
            FileManager.default.createFile(
                atPath: secret, contents: Data("s3cret".utf8), attributes: [.posixPermissions: 0o400]))
        setenv("CREDENTIALS_DIRECTORY", folder.path(), 1)
        #expect(try password("{ credential: kafka }") == "s3cret")
        #expect(try password("{ credential: ../x }").contains("there is no credential"))
        unsetenv("CREDENTIALS_DIRECTORY")
    }

    /// A pipe would be waited for, and a folder read as nothing.
    @Test func aSecretThatIsNoFileIsRefused() throws {
        let folder = try TemporaryFolder()
        let pipe = folder.url("pipe").path
        #expect(mkfifo(pipe, 0o600) == 0)
        let inner = folder.url("folder").path
        try FileManager.default.createDirectory(
            atPath: inner, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        for path in [pipe, inner] {
            let properties = "{ sasl.password: { file: \(path) } }"
            let found = try problems(
                ofText: "kafka: { bootstrap: b, properties: \(properties) }\ninputs: [{ topic: t }]\n")
            #expect(found.map(\.message) == ["'\(path)' is no file of at most 65536 bytes"])
        }
    }

    /// What is printed ends in a log: a line that may hold a secret is not shown.
    @Test(arguments: [
        "{ sasl.password: hunter2, sasl.password: hunter3 }", "{ sasl.password: \"hunter2 }",
        "{ ssl.key.password: [hunter2] }",
    ])
    func secretsAreNotShown(properties: String) throws {
        let found = try problems(
            ofText: "inputs: [{ topic: t }]\nkafka:\n  bootstrap: b\n  properties: \(properties)\n")
        #expect(!found.isEmpty)
        for problem in found { #expect(!problem.description.contains("hunter"), "\(problem.description)") }
    }

    /// A topic has one purpose, also where a default names it.
    @Test(arguments: [
        ("inputs: [ { topic: rfm.journal } ]", "inputs[0].topic: 'rfm.journal' is already the topic of journal"),
        (
            "inputs: [ { topic: t } ]\noutputs: { topics: { tier: rfm.versions } }",
            "outputs.topics.tier: 'rfm.versions' is already the topic of versions"
        ),
        (
            "inputs: [ { topic: t } ]\noutputs: { topics: { journal: t } }",
            "outputs.topics.journal: 't' is already an input"
        ),
    ])
    func noTopicHasTwoPurposes(text: String, problem: String) throws {
        let found = try problems(ofText: "kafka: { bootstrap: \"h:1\" }\n\(text)\n")
        #expect(found.count == 1 && found.first?.description.contains(problem) == true, "\(found)")
    }

    @Test func everythingThatIsWrongIsToldAtOnceInTheOrderOfTheFile() throws {
        let found = try problems(
            ofText: """
                kafka: { group: g }
                inputs: [{ topic: t, format: natif }]
                time: { zone: Mars/Olympus }
                money: { currency: XXY }
                ladders:
                  - name: tier
                    rungs: [{ name: a, when: "recency <" }, { name: b, when: "rcency < 3" }, { name: c }]
                warnings:
                  - { name: w, severity: high, when: "orders(90d) > " }
                emit_from: soon
                wokers: 2
                """)
        #expect(
            found.map(\.key) == [
                "kafka.bootstrap", "inputs[0].format", "time.zone", "money.currency", "ladders[0].rungs[0].when",
                "ladders[0].rungs[1].when",
                "warnings[0].when", "emit_from", "wokers",
            ])
        #expect(found.allSatisfy { $0.snippet != nil })
    }

    /// Files no one wrote: cut off anywhere, it is read or refused.
    @Test func everyBeginningOfAFileIsReadOrRefused() throws {
        let text = try Repository.text("Tests/SettingsTests/Fixtures/good-whole.yaml")
        let bytes = Array(text.utf8)
        for length in stride(from: 0, to: bytes.count, by: 11) {
            do throws(SettingsProblems) {
                _ = try SettingsLoader.load(text: Array(bytes[..<length]), file: "f") { _, _ in }
            } catch {
                #expect(!error.problems.isEmpty)
            }
        }
        #expect(throws: SettingsProblems.self) { try SettingsLoader.load(text: [0xFF, 0xFE], file: "f") { _, _ in } }
        let deep = String(repeating: "[", count: 5_000)
        #expect(throws: SettingsProblems.self) {
            try SettingsLoader.load(text: Array(deep.utf8), file: "f") { _, _ in }
        }
        let large = [UInt8](repeating: 0x23, count: 2 << 20)
        #expect(throws: SettingsProblems.self) { try SettingsLoader.load(text: large, file: "f") { _, _ in } }
    }
}
