// `rfmd demo` as a user runs it: the whole way through an embedded broker, and a summary that adds up.
import Foundation
import TestSupport
import Testing

@Suite struct DemoVerbTests {
    @Test func endsWithEverythingWorkedOff() throws {
        let demo = try Command.run(try Repository.binary(), ["demo", "--duration", "3s", "--json"])
        #expect(demo.status == 0, "\(demo.errorText)")
        let summary = try #require(try JSONSerialization.jsonObject(with: demo.output) as? [String: Int])
        #expect(Set(summary.keys) == ["events", "customers", "tier_changes", "warnings", "lag"])
        #expect(summary["lag"] == 0)
        #expect(summary["events", default: 0] > 1_000)
        #expect(summary["tier_changes", default: 0] > 0)
        #expect(summary["warnings", default: 0] > 0)
    }
}
