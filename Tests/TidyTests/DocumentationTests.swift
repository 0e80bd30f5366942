// The documentation says what the program does: features, examples, limits, keys.
import Foundation
import Rules
import Settings
import TestSupport
import Testing

@testable import Daemon

@Suite struct DocumentationTests {
    private func compile(_ rule: String) -> String? {
        var scope = RuleScope(
            halfLives: [7 * 86_400_000, 28 * 86_400_000], currencyExponent: 2,
            ladders: [("tier", ["high_value", "potential", "lost", "ordinary"])])
        do throws(RuleProblem) { _ = try CompiledRule(rule, scope: &scope) } catch { return error.message }
        return nil
    }

    @Test func rulesNamesEveryFeatureAndItsExamplesCompile() throws {
        let text = try Repository.text("docs/rules.md")
        let message = try #require(compile("nothing < 3"))
        let names = message.split(separator: "there are ")[1].split(separator: ", ")
        #expect(names.count >= 12)
        for name in names where name != "tier" {
            #expect(
                text.contains("| `\(name)`") || text.contains("| `\(name)("), "docs/rules.md does not name '\(name)'")
        }
        let lines = text.split(separator: "\n")
        var examples: [String] = []
        for line in lines {
            if line.hasPrefix("    ") { examples.append(String(line)) }
            guard line.hasPrefix("| `") || line.hasPrefix("| a ladder") else { continue }
            let cells = line.split(separator: "|")
            if cells.count == 5, !line.contains("\\|") { examples.append(String(cells[4].replacing("`", with: ""))) }
        }
        #expect(examples.count >= 18)
        for example in examples { #expect(compile(example) == nil, "\(example)") }
        for refused in ["idle < since_order", "10 / recency < 1", "recency < 30d", "spend_total > orders_total"] {
            #expect(text.contains("`\(refused)`") && compile(refused) != nil, "\(refused)")
        }
    }

    @Test func theExampleConfigurationIsValid() throws {
        do throws(SettingsProblems) {
            _ = try Configuration.load(Repository.root.appending(path: "Config/rfmd.yaml").path())
        } catch {
            Issue.record("\(error.problems.map(\.description).joined(separator: "\n"))")
        }
    }

    /// What the loader knows in one section: it says so when it is asked for something else.
    private func known(_ section: String, _ text: String) throws -> [String] {
        var message: String?
        do throws(SettingsProblems) { _ = try Configuration.load(text: text, file: "test") } catch {
            message = error.problems.map(\.description).first { $0.contains("there is no such key") }
        }
        let told = try #require(message?.split(separator: "known here: ").last, "\(section)")
        return Set(told.split(separator: "\n")[0].split(separator: ", ").map { String($0) }).sorted()
    }

    @Test func everyKeyOfTheConfigurationIsDocumented() throws {
        var rows: [(key: String, text: String)] = []
        for line in try Repository.text("docs/configuration.md").split(separator: "\n") {
            if let key = line.prefixMatch(of: /\| `([a-z_.\[\]]+)` \|/)?.1 { rows.append((String(key), String(line))) }
        }
        let least = "kafka: { bootstrap: \"localhost:9092\" }\ninputs: [ { topic: t } ]\n"
        for key in try known("root", least + "zzz: 1\n") {
            #expect(
                rows.contains { $0.key == key || $0.key.hasPrefix("\(key).") || $0.key.hasPrefix("\(key)[") }, "\(key)")
        }
        let sections = [
            ("kafka.", "kafka: { bootstrap: b, zzz: 1 }\ninputs: [ { topic: t } ]\n"),
            ("inputs[].", "kafka: { bootstrap: b }\ninputs: [ { topic: t, zzz: 1 } ]\n"),
            ("time.", least + "time: { zzz: 1 }\n"), ("money.", least + "money: { zzz: 1 }\n"),
            ("activity.", least + "activity: { zzz: 1 }\n"), ("outputs.", least + "outputs: { zzz: 1 }\n"),
            ("snapshots.", least + "snapshots: { zzz: 1 }\n"), ("limits.", least + "limits: { zzz: 1 }\n"),
        ]
        var documented = 0
        for (section, text) in sections {
            for key in try known(section, text) {
                #expect(rows.contains { $0.key == section + key }, "\(section)\(key)")
                documented += 1
            }
        }
        #expect(documented == rows.filter { $0.key.contains(".") }.count, "a key is documented that there is not")
        let rung = "{ name: b, zzz: 1 }"
        let within = [
            ("inputs[].kind", "kafka: { bootstrap: b }\ninputs: [ { topic: t, kind: { zzz: 1 } } ]\n"),
            ("inputs[].fields", "kafka: { bootstrap: b }\ninputs: [ { topic: t, fields: { zzz: 1 } } ]\n"),
            ("ladders[]", least + "ladders: [ { name: a, zzz: 1, rungs: [ { name: b } ] } ]\n"),
            ("ladders[]", least + "ladders: [ { name: a, rungs: [ \(rung) ] } ]\n"),
            ("warnings[]", least + "warnings: [ { name: a, when: \"idle > 1d\", zzz: 1 } ]\n"),
        ]
        for (key, text) in within {
            let row = try #require(rows.first { $0.key == key }, "\(key)").text
            for name in try known(key, text) { #expect(row.contains("`\(name)`"), "\(key): \(name)") }
        }
    }

    private func testNames() throws -> Set<String> {
        var tests: Set<String> = []
        for path in try Repository.files("Tests", endings: [".swift"]) {
            for match in try Repository.text(path).matches(of: /@Test[^{]*? func (\w+)/.dotMatchesNewlines()) {
                tests.insert(String(match.1))
            }
        }
        return tests
    }

    /// A promise names the tests that hold it.
    @Test func thePromisesNameTestsThatExist() throws {
        let tests = try testNames()
        let text = try Repository.text("docs/guarantees.md")
        let named = text.matches(of: /`([a-z][A-Za-z]{12,})`/).map { String($0.1) }.filter { $0 != "read_committed" }
        #expect(named.count > 25)
        for name in named { #expect(tests.contains(name), "docs/guarantees.md: there is no test '\(name)'") }
        for line in text.split(separator: "\n") where line.prefixMatch(of: /\| \d/) != nil {
            #expect(line.contains(/`[a-z][A-Za-z]{12,}`/), "a promise without a test: \(line)")
        }
    }

    /// A fault names, in the last column, the tests that inject it.
    @Test func theFaultsNameTestsThatExist() throws {
        let tests = try testNames()
        var rows = 0
        for line in try Repository.text("docs/faults.md").split(separator: "\n")
        where line.hasPrefix("| ") && !line.hasSuffix("| tests |") {
            rows += 1
            let named = (line.split(separator: "|").last ?? "").matches(of: /`(\w+)`/).map { String($0.1) }
            #expect(!named.isEmpty, "a fault without a test: \(line)")
            for name in named { #expect(tests.contains(name), "docs/faults.md: there is no test '\(name)'") }
        }
        #expect(rows > 40)
    }

    /// Files that documents and comments point to are there.
    @Test func everyDocumentThatIsNamedExists() throws {
        let files =
            try Repository.files("docs", endings: [".md"]) + Repository.files("Sources", endings: [".swift"])
            + Repository.files("Config", endings: [".yaml"]) + ["README.md", "Makefile", "Package.swift"]
        let known = Set(try Repository.files("docs", endings: [".md", ".json", ".ndjson", ".yaml"]))
        var count = 0
        for path in files {
            for match in try Repository.text(path).matches(of: /docs\/[A-Za-z0-9\/_.-]*[A-Za-z0-9]/) {
                let name = String(match.0)
                count += 1
                let isThere = known.contains { $0 == name || $0.hasPrefix("\(name)/") || $0.hasPrefix("\(name)-") }
                #expect(isThere, "\(path) names \(name)")
            }
        }
        #expect(count > 40)
    }
}
