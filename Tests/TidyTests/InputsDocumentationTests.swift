// docs/inputs.md says where each format has its fields, docs/rules.md what the preset holds: as the code does.
import Codec
import Foundation
import Rules
import TestSupport
import Testing

@testable import Daemon

@Suite struct InputsDocumentationTests {
    private static let formats: [(heading: String, mapping: Mapping)] = [
        ("### `native`", .native(topic: "t")), ("### `cloudevents`", .cloudEvents(topic: "t")),
        ("### `segment`, `rudderstack`", .segment(topic: "t")), ("### `debezium`", .debezium(topic: "t")),
    ]

    /// The text below a heading up to the next one.
    private static func section(_ heading: String, of text: String) throws -> String {
        let start = try #require(text.range(of: "\n\(heading)\n"), "\(heading) is missing")
        let rest = text[start.upperBound...]
        return String(rest[..<(rest.range(of: "\n##")?.lowerBound ?? rest.endIndex)])
    }

    private static func code(_ words: [String]) -> String { words.map { "`\($0)`" }.joined(separator: ", ") }

    private static func places(_ source: Mapping.Source?) throws -> String {
        guard case .pointers(let pointers)? = source else {
            Issue.record("a ready format has a constant")
            return ""
        }
        return code(pointers)
    }

    @Test func everyPlaceOfEveryFormatIsTold() throws {
        let text = try Repository.text("docs/inputs.md")
        for (heading, mapping) in InputsDocumentationTests.formats {
            var rows = ["| the kind | \(try InputsDocumentationTests.places(mapping.kindAt)) |"]
            for field in Field.allCases {
                rows.append("| `\(field.name)` | \(try InputsDocumentationTests.places(mapping.fields[field])) |")
            }
            for (name, kind) in [("purchase", Mapping.Kind.purchase), ("refund", .refund), ("click", .click)] {
                let names = mapping.kinds.filter { $0.value == kind }.keys.sorted()
                rows.append("| \(name) | \(InputsDocumentationTests.code(names)) |")
            }
            let section = try InputsDocumentationTests.section(heading, of: text)
            let found = section.split(separator: "\n").filter {
                $0.hasPrefix("| ") && !$0.hasPrefix("| field |") && !$0.hasPrefix("| kind |")
            }
            #expect(found.map { String($0) } == rows, "\(heading)")
            for value in mapping.skippedValues.union(mapping.backfillValues) {
                #expect(section.contains("`\(value)`"), "\(heading): \(value)")
            }
            for place in mapping.skippedAt { #expect(section.contains("`\(place)`"), "\(heading): \(place)") }
        }
    }

    /// The table of the three events against the decoder: what is required is rejected when it is not there.
    @Test func whatIsRequiredIsRequired() throws {
        let section = try InputsDocumentationTests.section(
            "## The three events", of: try Repository.text("docs/inputs.md"))
        let whole = [
            "event_id": "\"e1\"", "customer_id": "\"c1\"", "order_id": "\"o1\"", "amount": "\"1.00\"",
            "currency": "\"USD\"", "occurred_at": "\"2026-01-01T00:00:00Z\"",
        ]
        let decoder = RecordDecoder(.native(topic: "t"), money: MoneyRules(currency: "USD", exponent: 2))
        var checked = 0
        for line in section.split(separator: "\n") {
            guard let name = line.prefixMatch(of: /\| `(\w+)` \|/)?.1, whole[String(name)] != nil else { continue }
            let cells = line.split(separator: "|").map { $0.trimmingPrefix(" ") }
            for (column, kind) in ["purchase", "refund", "click"].enumerated() {
                let fields = whole.filter { $0.key != name }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",")
                let record = Array("{\"type\":\"\(kind)\",\(fields)}".utf8)
                let decoded = record.withUnsafeBytes { bytes in
                    if case .event = decoder.decode(bytes) { return true } else { return false }
                }
                #expect(decoded == !cells[1 + column].hasPrefix("required"), "\(name) of a \(kind)")
                checked += 1
            }
        }
        #expect(checked == 18)
    }

    @Test func thePresetIsTold() throws {
        let section = try InputsDocumentationTests.section(
            "## Ladders, warnings and the preset", of: try Repository.text("docs/rules.md"))
        func cell(_ rule: String?) -> String { rule.map { " `\($0.replacing("||", with: "\\|\\|"))`" } ?? "" }
        var rows: [String] = []
        for rung in Presets.fourTierLadders.flatMap(\.rungs) {
            let labels = "\(rung.labels["en"] ?? "") | \(rung.labels["zh"] ?? "")"
            rows.append("| `\(rung.name)` | \(labels) |\(cell(rung.rule)) |")
        }
        for warning in Presets.fourTierWarnings {
            let days = warning.cooldown / 86_400_000
            rows.append("| `\(warning.name)` | \(warning.severity.rawValue) | \(days)d |\(cell(warning.rule)) |")
        }
        let found = section.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { String($0) }
        #expect(found == rows)
        for ladder in Presets.fourTierLadders { #expect(section.contains("\n`\(ladder.name)`:\n")) }
    }
}
