// docs/limits.md names every limit of the program, and its value.
import Model
import TestSupport
import Testing

@Suite struct LimitsDocumentationTests {
    private let limits: [(name: String, value: Int64)] = [
        ("customerIDBytes", Int64(Limits.customerIDBytes)),
        ("eventIDBytes", Int64(Limits.eventIDBytes)),
        ("jsonDepth", Int64(Limits.jsonDepth)),
        ("earliestTime", Int64(Limits.earliestTime)),
        ("latestTime", Int64(Limits.latestTime)),
        ("amountMinorUnits", Int64(Limits.amountMinorUnits)),
        ("replayLineBytes", Int64(Limits.replayLineBytes)),
        ("customersPerShard", Int64(Limits.customersPerShard)),
        ("entriesPerCustomer", Int64(Limits.entriesPerCustomer)),
        ("agedOrders", Int64(Limits.agedOrders)),
        ("spendMinorUnits", Int64(Limits.spendMinorUnits)),
        ("configurationBytes", Int64(Limits.configurationBytes)),
        ("configurationNodes", Int64(Limits.configurationNodes)),
        ("configurationDepth", Int64(Limits.configurationDepth)),
        ("secretBytes", Int64(Limits.secretBytes)),
        ("windowDays", Int64(Limits.windowDays)),
        ("leastLongestWindow", Int64(Limits.leastLongestWindow)),
        ("windows", Int64(Limits.windows)),
        ("ladders", Int64(Limits.ladders)),
        ("rungsPerLadder", Int64(Limits.rungsPerLadder)),
        ("warnings", Int64(Limits.warnings)),
        ("inputs", Int64(Limits.inputs)),
        ("expressionBytes", Int64(Limits.expressionBytes)),
        ("expressionDepth", Int64(Limits.expressionDepth)),
        ("literalDigits", Int64(Limits.literalDigits)),
        ("literalDays", Int64(Limits.literalDays)),
        ("deadlinesPerSlice", Int64(Limits.deadlinesPerSlice)),
        ("recordsPerSlice", Int64(Limits.recordsPerSlice)),
        ("recordsPerSliceWhileDue", Int64(Limits.recordsPerSliceWhileDue)),
        ("recordsWaiting", Int64(Limits.recordsWaiting)),
        ("slicesPerBatch", Int64(Limits.slicesPerBatch)),
        ("recordsPerBatch", Int64(Limits.recordsPerBatch)),
        ("effectBytesPerBatch", Int64(Limits.effectBytesPerBatch)),
        ("batchMilliseconds", Int64(Limits.batchMilliseconds)),
        ("recordsOfFullRound", Int64(Limits.recordsOfFullRound)),
        ("batchGrowMilliseconds", Limits.batchGrowMilliseconds),
        ("waitingRecords", Int64(Limits.waitingRecords)),
        ("waitingKilobytes", Int64(Limits.waitingKilobytes)),
        ("returnedRecords", Int64(Limits.returnedRecords)),
        ("returnedKilobytes", Int64(Limits.returnedKilobytes)),
        ("unconfirmedKilobytes", Int64(Limits.unconfirmedKilobytes)),
        ("letterMarginBytes", Int64(Limits.letterMarginBytes)),
        ("settleMilliseconds", Int64(Limits.settleMilliseconds)),
        ("lastSnapshotMilliseconds", Int64(Limits.lastSnapshotMilliseconds)),
        ("snapshotBufferBytes", Int64(Limits.snapshotBufferBytes)),
        ("snapshotChunkBytes", Int64(Limits.snapshotChunkBytes)),
        ("snapshotIdentityBytes", Int64(Limits.snapshotIdentityBytes)),
        ("snapshotAbandonedSeconds", Int64(Limits.snapshotAbandonedSeconds)),
        ("leastOpenFiles", Int64(Limits.leastOpenFiles)),
        ("leastAddressBytes", Int64(Limits.leastAddressBytes)),
    ]

    /// The value of a cell: a number with its unit, or an instant.
    private static func value(of cell: Substring) -> Int64? {
        if let instant = cell.prefixMatch(of: /\d{4}-\d\d-\d\dT[0-9:.]+Z/) { return CivilTime.parse(String(instant.0)) }
        guard let match = cell.prefixMatch(of: /(\d[\d,]*)(?: (MiB|KiB))?/) else { return nil }
        guard let number = Int64(match.1.replacing(",", with: "")) else { return nil }
        switch match.2 {
        case "MiB"?: return number << 20
        case "KiB"?: return number << 10
        default: return number
        }
    }

    @Test func theTableHasEveryLimitWithItsValue() throws {
        let source = try Repository.text("Sources/Model/Limits.swift")
        let names = source.matches(of: /static let (\w+)/).map { String($0.1) }
        #expect(limits.map(\.name) == names, "this test lists every limit")
        var documented: [String: Int64] = [:]
        for line in try Repository.text("docs/limits.md").split(separator: "\n") where line.hasPrefix("| `") {
            let cells = line.split(separator: "|").map { $0.trimmingPrefix(" ") }
            guard let name = cells[0].prefixMatch(of: /`(\w+)` $/)?.1 else { continue }
            documented[String(name)] = LimitsDocumentationTests.value(of: cells[1])
        }
        for (name, value) in documented where name.hasSuffix("Kilobytes") { documented[name] = value >> 10 }
        for (name, value) in limits { #expect(documented[name] == value, "docs/limits.md: \(name)") }
        #expect(documented.count == limits.count, "docs/limits.md has rows that are no limits")
    }

    /// A limit that is named and documented holds only if something asks for it.
    @Test func everyLimitIsRead() throws {
        let used = try Repository.files("Sources", endings: [".swift"]).filter { $0 != "Sources/Model/Limits.swift" }
            .map { try Repository.text($0) }.joined(separator: "\n")
        for (name, _) in limits { #expect(used.contains("Limits.\(name)"), "nothing in Sources reads Limits.\(name)") }
    }
}
