// docs/formats/snapshot.md counts the bytes of the state as the engine writes them.
import Model
import Rules
import TestSupport
import Testing

@testable import Engine

@Suite struct SnapshotFormatTests {
    /// Bytes of the rows of the table whose first column is called `name`: of those that are numbers.
    private func bytes(of name: String) throws -> Int {
        let lines = try Repository.text("docs/formats/snapshot.md").split(
            separator: "\n", omittingEmptySubsequences: false)
        let head = try #require(lines.firstIndex { $0.hasPrefix("| \(name) | bytes |") })
        let rows = lines[(head + 2)...].prefix { $0.hasPrefix("|") }
        return rows.reduce(0) { sum, row in
            let cell = row.split(separator: "|")[1]
            return sum + cell.split(separator: "+").compactMap { Int($0.filter { $0 != " " }) }.reduce(0, +)
        }
    }

    @Test func theTablesCountEveryByte() throws {
        let rules = try Ruleset(
            ladders: Presets.fourTierLadders, warnings: Presets.fourTierWarnings, zone: .utc, currencyExponent: 2,
            halfLives: [7 * 86_400_000, 28 * 86_400_000])
        let engine = Engine(rules: rules, key: 1)
        // One order each, and the second one clicks too.
        let ids = ["ann", "a customer with a longer id"]
        for (number, id) in ids.enumerated() {
            for kind in [EngineInput.Kind.purchase, .click][0...number] {
                let event = Array("e\(number)".utf8)
                Array(id.utf8).withUnsafeBytes { customer in
                    event.withUnsafeBytes { event in
                        let input = EngineInput(
                            kind: kind, customer: customer, event: event, order: event, occurredAt: 1_000,
                            amount: 500)
                        #expect(engine.apply(input, at: 1_000) == .accepted)
                    }
                }
            }
        }
        engine.finishSlice(advancingTo: nil)
        let header = ByteBuffer()
        engine.beginSnapshot(into: header)
        #expect(header.count == (try bytes(of: "state")))
        let customers = ByteBuffer()
        while engine.continueSnapshot(into: customers, limit: 1 << 20) {}
        let fixed = try bytes(of: "customer") + bytes(of: "packed entry")
        let expected = ids.reduce(try bytes(of: "clicks")) { $0 + fixed + $1.utf8.count }
        #expect(customers.count == expected)
        // The others are what lies in memory.
        #expect(try bytes(of: "aged orders") == MemoryLayout<AgedOrders>.size)
        #expect(try bytes(of: "whole entry") == MemoryLayout<Entry>.size)
    }
}
