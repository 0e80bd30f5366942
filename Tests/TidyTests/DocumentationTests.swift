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

    @Test func theExampleConfigurationIsValidAndItsKeysAreDocumented() throws {
        do throws(SettingsProblems) {
            _ = try Configuration.load(Repository.root.appending(path: "Config/rfmd.yaml").path())
        } catch {
            Issue.record("\(error.problems.map(\.description).joined(separator: "\n"))")
        }
        let text = try Repository.text("docs/configuration.md")
        for line in try Repository.text("Config/rfmd.yaml").split(separator: "\n") {
            guard let key = line.prefixMatch(of: /([a-z_]+):/)?.1 else { continue }
            #expect(text.contains("`\(key)"), "docs/configuration.md does not name '\(key)'")
        }
    }
}
