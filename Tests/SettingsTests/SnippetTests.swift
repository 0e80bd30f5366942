// Where a mistake stands and how it is shown, whatever the file looks like.
import Foundation
import Settings
import TestSupport
import Testing

@testable import Daemon

@Suite struct SnippetTests {
    private static let start = "kafka: { bootstrap: b }\ninputs: [{ topic: t }]\n"

    private func problems(_ bytes: [UInt8]) throws -> [SettingsProblem] {
        do throws(SettingsProblems) {
            _ = try SettingsLoader.load(text: bytes, file: "f") { settings, problems in _ = (settings, problems) }
        } catch { return error.problems }
        return []
    }

    /// Of a configuration as a whole, rules included.
    private func told(_ text: String) throws -> String {
        do throws(SettingsProblems) { _ = try Configuration.load(text: text, file: "f") } catch {
            return error.problems.map(\.description).joined(separator: "\n")
        }
        return ""
    }

    @Test(arguments: ["\r\n", "\r", "\n", "\u{2028}"])
    func linesEndAsYAMLSays(end: String) throws {
        let text = [
            "kafka: { bootstrap: b }", "inputs: [{ topic: t }]", "wokers: 1", "warnings:",
            "  - { name: w, when: \"recency < \" }", "",
        ].joined(separator: end)
        let told = try told(text)
        #expect(
            told == """
                f:3:1: error: wokers: there is no such key (did you mean 'workers'?); known here: activity, emit_from, inputs, instance, kafka, ladders, limits, money, outputs, preset, snapshots, time, warnings, workers
                    wokers: 1
                    ^
                f:5:33: error: warnings[0].when: expected a feature, a number, a text or '(', found the end of the rule
                      - { name: w, when: "recency < " }
                                                    ^
                """, "\(told)")
    }

    @Test func aByteOrderMarkIsNoText() throws {
        #expect(try problems([0xEF, 0xBB, 0xBF] + Array(SnippetTests.start.utf8)).isEmpty)
        let found = try problems([0xEF, 0xBB, 0xBF] + Array("kafkaa: 1\n".utf8))
        #expect(found.contains { $0.key == "kafkaa" && $0.place == Place(line: 1, column: 1) }, "\(found)")
    }

    @Test func tabsAndWideCharactersKeepTheCaretInPlace() throws {
        let tabs = try told(SnippetTests.start + "time: {\tzone:\tMars }\n")
        #expect(tabs.hasSuffix("\n    time: {\tzone:\tMars }\n    \("       \t     \t")^"), "\(tabs)")
        let wide = try told(SnippetTests.start + "warnings: [{ when: \"'客户' < \", name: w }]\n")
        #expect(wide.hasSuffix("^") && wide.split(separator: "\n").last?.count == 4 + 27 + 2 + 1, "\(wide)")
    }

    @Test func aSnippetIsNotLongerThanALine() throws {
        let long = String(repeating: "x", count: 200_000)
        let told = try told(SnippetTests.start + "money: { currency: \"\(long)\", \(long): 1 }\n")
        #expect(told.count < 5_000, "\(told.count)")
        for line in told.split(separator: "\n") where line.hasPrefix("    ") { #expect(line.count <= 150, "\(line)") }
        #expect(told.contains("…"))
    }

    /// Nor does it steer the terminal, nor does the message.
    @Test func controlCharactersAreNotPrinted() throws {
        let told = try told(SnippetTests.start + "time: { zone: \"\\e[31m\\u202e\" }\npreset: \"\u{202E}\"\n")
        #expect(told.contains("time.zone") && told.contains("preset"))
        #expect(
            told.unicodeScalars.allSatisfy {
                $0 == "\n" || $0.properties.generalCategory != .control && $0.properties.generalCategory != .format
            })
        let zeros = try problems([UInt8](repeating: 0, count: 2 << 20)).map(\.description)
        #expect(zeros == ["f: error: the file is larger than 1048576 bytes"])
        let zero = try problems(Array("kafka:\n  a\u{0}b\n".utf8)).map(\.description)
        #expect(
            zero == ["f:2:4: error: not valid YAML: control characters are not allowed\n      a\u{FFFD}b\n       ^"])
    }

    @Test func whatIsNotUTF8HasItsPlace() throws {
        let found = try problems(Array("kafka:\n  客 ".utf8) + [0xFF] + Array("x\n".utf8))
        #expect(found.map(\.description) == ["f:2:5: error: not valid UTF-8\n      客 \u{FFFD}x\n         ^"])
        #expect(try problems([0xE5, 0xAE]).map(\.place) == [Place(line: 1, column: 1)])
    }

    @Test func aFileThatCannotBeReadHasNoPlace() {
        for path in ["/nonexistent", ""] {
            do throws(SettingsProblems) { _ = try Configuration.load(path) } catch {
                let name = path.isEmpty ? "''" : path
                #expect(
                    error.problems.map(\.description) == ["\(name): error: cannot be read: No such file or directory"])
                continue
            }
            Issue.record("'\(path)' was read")
        }
    }

    @Test(arguments: [
        // The rule, and the place of what is wrong with it ('<' between unlike things).
        (">\n      recency < 30 &&\n      recency < 30d\n", 6, 15),
        ("|\n      recency < 30\n      && recency < 30d\n", 6, 18),
        (">2-\n\n\n      recency   <   30d\n", 7, 17), ("recency < 30 &&\n      recency < 30d\n", 5, 15),
        ("\"recency < 30 &&\n      recency < 30d\"\n", 5, 15), ("'recency < 30 && recency < 30d'\n", 4, 36),
        // Escaped: the place is where the text begins.
        ("\"recency \\x3c 30d\"\n", 4, 11),
    ])
    func aPlaceInsideATextOfSeveralLines(rule: String, line: Int, column: Int) throws {
        let text = SnippetTests.start + "warnings:\n  - name: w\n    when: \(rule)"
        do throws(SettingsProblems) { _ = try Configuration.load(text: text, file: "f") } catch {
            #expect(
                error.problems.map(\.place) == [Place(line: line + 1, column: column)],
                "\(error.problems.map(\.description))")
            return
        }
        Issue.record("accepted: \(text)")
    }

    /// Lines that hold a secret, or that stand below one that names it, are not shown.
    @Test(arguments: [
        "kafka: { bootstrap: b, passwd: hunter2 }",
        "kafka:\n  bootstrap: b\n  properties:\n    sasl.password:\n      [hunter2]",
        "kafka:\n  bootstrap: b\n  properties:\n    ssl.key.pem: [ |\n\n      hunter2 ]",
        "kafka: { bootstrap: b, apikey: hunter2 }",
        "kafka: { bootstrap: b, TOKEN: hunter2 }",
    ])
    func secretsAreNotShown(text: String) throws {
        let told = try told("inputs: [{ topic: t }]\n" + text + "\n")
        #expect(!told.isEmpty && !told.contains("hunter"), "\(told)")
    }

    @Test func theLineAfterASecretIsShown() throws {
        let told = try told(
            "inputs: [{ topic: t }]\nkafka:\n  bootstrap: b\n  properties:\n    sasl.password: x\n  grup: y\n")
        #expect(told.contains("\n      grup: y\n      ^"), "\(told)")
    }

    @Test func whatIsKnownIsNamedOnce() throws {
        let told = try told("kafka: { boots: b }\ninputs: [{ topic: t }]\nwarnings: [{ nam: x }]\n")
        #expect(told.contains("known here: bootstrap, group, properties\n"), "\(told)")
        #expect(told.contains("known here: cooldown, name, severity, when\n"), "\(told)")
    }
}
