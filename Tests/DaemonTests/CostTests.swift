// What an event costs in instructions and allocations, which no other work on the machine changes: a gate against regressions.
import Foundation
import TestSupport
import Testing

private let hasValgrind = FileManager.default.isExecutableFile(atPath: "/usr/bin/valgrind")

@Suite(.enabled(if: hasValgrind, "valgrind counts instructions: make test installs it")) struct CostTests {
    /// A part of the hot path, and what one of its events may cost: a tenth above what it did when the figure was written down.
    struct Part: Sendable, CustomTestStringConvertible {
        var name: String
        var mostInstructions: Double
        var mostAllocations: Double
        /// The arguments of a run over so many events.
        var arguments: @Sendable (_ events: Int, TemporaryFolder) throws -> [String]
        var testDescription: String { name }
    }

    static let parts = [
        Part(name: "engine", mostInstructions: 1_600, mostAllocations: 0.05) { events, _ in
            ["bench", "engine", "--customers", "5000", "--events", String(events)]
        },
        Part(name: "decode", mostInstructions: 3_290, mostAllocations: 0.01) { events, _ in
            ["bench", "decode", "--events", String(events)]
        },
        // From a file's lines to events as text.
        Part(name: "replay", mostInstructions: 26_420, mostAllocations: 0.1) { events, folder in
            let input = folder.url("\(events).ndjson")
            try CostTests.records(events).write(to: input, atomically: false, encoding: .utf8)
            let configuration = folder.url("rfmd.yaml")
            try CostTests.configuration.write(to: configuration, atomically: false, encoding: .utf8)
            return ["replay", "--config", configuration.path, input.path]
        },
    ]

    /// Two runs, so that the start of the process, the same in both, drops out.
    @Test(arguments: parts) func anEventCostsNoMoreThanItDid(part: Part) throws {
        let sizes = (few: 20_000, many: 60_000)
        let folder = try TemporaryFolder()
        let arguments = (few: try part.arguments(sizes.few, folder), many: try part.arguments(sizes.many, folder))
        let events = Double(sizes.many - sizes.few)
        let instructions = try instructions(arguments.many, folder) - instructions(arguments.few, folder)
        let allocations = try allocations(arguments.many) - allocations(arguments.few)
        print("\(part.name): \(instructions / events) instructions and \(allocations / events) allocations an event")
        #expect(
            instructions / events > part.mostInstructions / 10, "\(part.name) does hardly anything: is it measured?")
        #expect(instructions / events <= part.mostInstructions, "\(part.name), instructions an event")
        #expect(allocations / events <= part.mostAllocations, "\(part.name), allocations an event")
        if instructions / events < 0.8 * part.mostInstructions { print("\(part.name): lower its limit") }
    }

    private func instructions(_ arguments: [String], _ folder: TemporaryFolder) throws -> Double {
        // valgrind 3.19 does not read Swift's debug information.
        let binary = folder.url("rfmd").path
        if !FileManager.default.fileExists(atPath: binary) {
            let stripped = try Command.run("strip", ["-g", "-o", binary, try Repository.binary()])
            try #require(stripped.status == 0, "\(stripped.errorText)")
        }
        // simdjson would choose its code by the processor.
        let run = try Command.run(
            "env",
            [
                "SIMDJSON_FORCE_IMPLEMENTATION=westmere", "valgrind", "--tool=callgrind",
                "--callgrind-out-file=/dev/null", binary,
            ] + arguments)
        try #require(run.status == 0, "\(run.errorText)")
        let collected = try #require(run.errorText.firstMatch(of: /Collected : (\d+)/), "\(run.errorText)")
        return try #require(Double(collected.1))
    }

    private static let counter = PreloadLibrary("Tests/DaemonTests/Preload/allocations.c")

    private func allocations(_ arguments: [String]) throws -> Double {
        let preload = "LD_PRELOAD=\(try CostTests.counter.path())"
        let run = try Command.run("env", [preload, try Repository.binary()] + arguments)
        try #require(run.status == 0, "\(run.errorText)")
        let counted = try #require(run.errorText.firstMatch(of: /allocations: (\d+)/), "\(run.errorText)")
        return try #require(Double(counted.1))
    }

    static let configuration = """
        kafka: { bootstrap: "127.0.0.1:1" }
        inputs: [ { topic: events } ]
        time: { clock: event }
        money: { currency: USD }

        """

    /// 1,000 customers with an event every three weeks; one of six is an order, and most of those change something.
    static func records(_ count: Int) -> String {
        var text = ""
        for index in 0..<count {
            let at = Date(timeIntervalSince1970: 1_767_225_600 + Double(index) * 1_800).ISO8601Format()
            let customer = "customer-\(index % 1_000)"
            let kind =
                (index / 1_000) % 6 == 0
                ? #""type":"purchase","order_id":"o\#(index)","amount":"\#(10 + index % 90).50","currency":"USD""#
                : #""type":"click""#
            text += #"{"event_id":"e\#(index)","customer_id":"\#(customer)","occurred_at":"\#(at)",\#(kind)}"# + "\n"
        }
        return text
    }
}
