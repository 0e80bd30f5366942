// What rfmd writes is what docs/events.md and docs/schemas say, by a validator that shares no code with it.
import Codec
import Foundation
import TestSupport
import Testing

@Suite struct EventSchemaTests {
    private static let docs = Repository.root.appendingPathComponent("docs")

    private static let configuration = """
        kafka: { bootstrap: "localhost:9092" }
        inputs: [ { topic: shop.events } ]
        ladders:
          - name: size
            rungs:
              - { name: big, when: "spend(30d) >= 200" }
              - { name: small }
        """

    /// Every type, by an event and by a deadline where both can be, absent values, and ids that need escaping.
    private static let input = """
        {"type":"click","event_id":"k1","customer_id":"c\\"1\\\\\\u000a客","occurred_at":"2026-01-01T09:00:00Z"}
        {"type":"purchase","event_id":"e1","customer_id":"c\\"1\\\\\\u000a客","occurred_at":"2026-01-01T10:00:00Z","amount":"80.00"}
        {"type":"purchase","event_id":"e2","customer_id":"c\\"1\\\\\\u000a客","occurred_at":"2026-01-03T10:00:00Z","amount":"150"}
        {"type":"purchase","event_id":"e3","customer_id":"c\\"1\\\\\\u000a客","occurred_at":"2026-01-05T10:00:00Z","amount":"120"}
        {"type":"purchase","event_id":"e9","customer_id":"c\\"1\\\\\\u000a客","occurred_at":"2026-02-25T10:00:00Z","amount":"12"}
        """

    /// What `rfmd replay` writes for it.
    private static func replay() throws -> [String] {
        let folder = try TemporaryFolder()
        let result = try Command.run(
            try Repository.binary(),
            [
                "replay", "--config", try folder.write(configuration, to: "rfmd.yaml"), "--until",
                "2026-09-01T00:00:00Z",
                try folder.write(input, to: "events.ndjson"),
            ])
        try #require(result.status == 0, "\(result.errorText)")
        return result.outputText.split(separator: "\n").map(String.init)
    }

    private struct Verdict: Decodable {
        var schema: String
        var errors: [String]
    }

    private static func validate(_ lines: [String], closed: Bool = false) throws -> [Verdict] {
        let script = Repository.root.appendingPathComponent("Tests/SchemaTests/validate.py").path
        // Debian's own interpreter is the one that sees Debian's package.
        let result = try Command.run(
            "/usr/bin/python3", [script, docs.appendingPathComponent("schemas").path] + (closed ? ["closed"] : []),
            input: Data(lines.joined(separator: "\n").utf8))
        try #require(result.status == 0, "\(result.errorText)")
        let verdicts = try result.outputText.split(separator: "\n").map {
            try JSONDecoder().decode(Verdict.self, from: Data($0.utf8))
        }
        try #require(verdicts.count == lines.count)
        return verdicts
    }

    @Test func realEventsAreValidAndHaveNoUndocumentedField() throws {
        let lines = try EventSchemaTests.replay()
        let verdicts = try EventSchemaTests.validate(lines, closed: true)
        for (line, verdict) in zip(lines, verdicts) { #expect(verdict.errors == [], "\(line)") }
        #expect(
            Set(verdicts.map(\.schema)) == [
                "rfm.tier.changed.v1", "rfm.lifecycle.changed.v1", "rfm.ladder.changed.v1",
                "rfm.churn.warning.raised.v1",
                "rfm.churn.warning.resolved.v1",
            ])
        let causes = Set(
            try lines.map { try #require(try EventSchemaTests.object($0).at("data", "cause", "kind") as? String) })
        #expect(causes == ["event", "deadline"])
    }

    @Test func theTextsOfAnEventComeBackWhole() throws {
        for line in try EventSchemaTests.replay() {
            let event = try EventSchemaTests.object(line)
            for path in [["subject"], ["partitionkey"], ["data", "customer_id"]] {
                #expect(event.at(path) as? String == "c\"1\\\n客")
            }
            #expect(event.at("time") as? String == event.at("data", "decided_at") as? String)
        }
    }

    @Test func theExamplesOfTheDocumentationAreValid() throws {
        let examples = try EventSchemaTests.examples()
        #expect(examples.count == 6)
        let verdicts = try EventSchemaTests.validate(examples, closed: true)
        for (example, verdict) in zip(examples, verdicts) { #expect(verdict.errors == [], "\(example)") }
        #expect(verdicts.contains { $0.schema == "dead-letter-truncated.v1" })
    }

    /// Explained in a table: a field that stands in an example alone does not count.
    @Test func theDocumentationExplainsEveryField() throws {
        let text = String(
            decoding: try Data(contentsOf: EventSchemaTests.docs.appendingPathComponent("events.md")), as: UTF8.self)
        let tables = text.components(separatedBy: "\n").filter { $0.hasPrefix("| `") }.joined()
        var names: Set<String> = []
        func collect(_ value: Any) {
            if let list = value as? [Any] { for item in list { collect(item) } }
            guard let object = value as? [String: Any] else { return }
            names.formUnion((object["properties"] as? [String: Any])?.keys.map { $0 } ?? [])
            for item in object.values { collect(item) }
        }
        let folder = EventSchemaTests.docs.appendingPathComponent("schemas")
        for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
            collect(try JSONSerialization.jsonObject(with: Data(contentsOf: file)))
        }
        #expect(names.count > 25)
        for name in names { #expect(tables.contains("`\(name)`"), "\(name) is not explained") }
    }

    @Test(arguments: RejectionReason.allCases) func theDocumentationNamesEveryReason(reason: RejectionReason) throws {
        let text = String(
            decoding: try Data(contentsOf: EventSchemaTests.docs.appendingPathComponent("events.md")), as: UTF8.self)
        #expect(text.contains("\n| `\(reason.name)` | "))
    }

    /// Each line names what is put in the place of what; nil: it is left out.
    private static var mistakes: [(path: [String], value: Any?)] {
        [
            (["specversion"], "0.3"), (["specversion"], nil), (["id"], nil), (["id"], "12"), (["source"], "rfmd"),
            (["subject"], ""),
            (["time"], "2026-01-01"), (["time"], "2026-01-01T00:00:00Z"), (["type"], "rfm.unknown.v2"),
            (["datacontenttype"], "text/plain"),
            (["partitionkey"], nil), (["data"], nil), (["data", "customer_id"], 7), (["data", "values"], nil),
            (["data", "values", "recency"], -1), (["data", "values", "recency"], "3"),
            (["data", "values", "orders"], [String: Int]()),
            (["data", "values", "orders"], ["90": 1]), (["data", "values", "orders", "90d"], 1.5),
            (["data", "values", "spend", "90d"], 80.0),
            (["data", "values", "spend", "90d"], "1e3"), (["data", "cause"], ["kind": "guess"]),
            (["data", "cause"], ["kind": "event"]),
            (["data", "cause"], ["kind": "deadline", "due": "soon"]), (["data", "rule", "expression"], nil),
            (["data", "rule", "expression"], ""),
            (["data", "rules_version"], "3F9A12C07B55"), (["data", "decided_at"], nil),
        ]
    }
    private static var mistakesOfChanges: [(path: [String], value: Any?)] {
        [
            (["data", "from"], nil), (["data", "to"], NSNull()), (["data", "rule", "ladder"], "no such"),
            (["data", "rule", "rung"], nil), (["data", "distance"], nil), (["data", "distance"], NSNull()),
            (["data", "distance", "next"], nil), (["data", "distance", "previous"], nil),
        ]
            + mistakesOfConditions.map { condition in
                (
                    ["data", "distance", "next"],
                    ["rung": "a", "expression": "b < c", "conditions": [condition]] as [String: Any]
                )
            } + [
                (["data", "distance", "next"], ["rung": "a", "conditions": []]),
                (["data", "distance", "next"], ["expression": "true", "conditions": []]),
                (["data", "distance", "next"], ["rung": "a", "expression": "true"]),
            ]
    }

    private static var mistakesOfConditions: [[String: Any]] {
        let good: [String: Any] = [
            "condition": "a < b", "value": 1, "threshold": NSNull(), "unit": "number", "holds": false,
        ]
        return good.keys.map { name in good.filter { $0.key != name } } + [
            good.replacing(["value"], "1"), good.replacing(["threshold"], "1"), good.replacing(["holds"], "no"),
            good.replacing(["unit"], "days"), good.replacing(["unit"], "money"), good.replacing(["unit"], "text"),
            good.replacing(["unit"], "duration").replacing(["value"], 1.5), good.replacing(["condition"], ""),
        ]
    }
    private static var mistakesOfWarnings: [(path: [String], value: Any?)] {
        [
            (["data", "severity"], "urgent"), (["data", "episode"], "1"), (["data", "episode"], nil),
            (["data", "raised_at"], nil),
            (["data", "warning"], nil), (["data", "rule", "warning"], nil),
        ]
    }

    @Test(arguments: [
        "rfm.tier.changed.v1", "rfm.lifecycle.changed.v1", "rfm.size.changed.v1", "rfm.churn.warning.raised.v1",
        "rfm.churn.warning.resolved.v1",
    ])
    func aWrongEventIsNotValid(type: String) throws {
        let line = try #require(try EventSchemaTests.replay().first { $0.contains("\"type\":\"\(type)\"") })
        let event = try EventSchemaTests.object(line)
        let own = type.contains("warning") ? EventSchemaTests.mistakesOfWarnings : EventSchemaTests.mistakesOfChanges
        let wrong = (EventSchemaTests.mistakes + own).map {
            (path: $0.path, event: event.replacing($0.path[...], $0.value))
        }
        let lines =
            try [line]
            + wrong.map { String(decoding: try JSONSerialization.data(withJSONObject: $0.event), as: UTF8.self) }
        let verdicts = try EventSchemaTests.validate(lines)
        #expect(verdicts[0].errors == [])
        for (line, verdict) in zip(lines, verdicts).dropFirst() { #expect(verdict.errors != [], "\(line)") }
    }

    @Test func anAddedFieldIsValidForSubscribersButNotForUs() throws {
        let line = try #require(try EventSchemaTests.replay().first)
        let added = try EventSchemaTests.object(line).replacing(["data", "score"], 5)
        let text = String(decoding: try JSONSerialization.data(withJSONObject: added), as: UTF8.self)
        #expect(try EventSchemaTests.validate([text])[0].errors == [])
        #expect(try EventSchemaTests.validate([text], closed: true)[0].errors != [])
    }

    private static func object(_ line: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }

    /// The JSON blocks of docs/events.md.
    private static func examples() throws -> [String] {
        let text = String(decoding: try Data(contentsOf: docs.appendingPathComponent("events.md")), as: UTF8.self)
        return text.components(separatedBy: "```json\n").dropFirst().compactMap {
            $0.components(separatedBy: "\n```").first
        }
    }
}

extension [String: Any] {
    fileprivate func at(_ path: String...) -> Any? { at(path) }

    fileprivate func at(_ path: [String]) -> Any? {
        path.reduce(self as Any?) { ($0 as? [String: Any])?[$1] }
    }

    fileprivate func replacing(_ path: ArraySlice<String>, _ value: Any?) -> [String: Any] {
        guard let first = path.first else { return self }
        var copy = self
        copy[first] =
            path.count == 1 ? value : ((self[first] as? [String: Any]) ?? [:]).replacing(path.dropFirst(), value)
        return copy
    }
}
