// What a restored state must be like. Checksums tell that a file is what was written; this, that an engine can have written it: no
// snapshot file may end the process.
import Model
import Rules

extension Engine {
    /// True if an engine with these rules, in the middle of this sweep if there is one, can hold such a customer.
    func isPossible(_ row: CustomerRow, ordinal: Int, entries: UnsafeRawBufferPointer) -> Bool {
        guard let rules = rules(of: row.version, ordinal) else { return false }
        let times = [row.firstSeen, row.lastEvent, row.agedFirst, row.agedLast, row.activityAt]
        guard row.due == CustomerRow.never || DeadlineWheel.holds(row.due), times.allSatisfy(Engine.isTime),
            row.agedNet >= 0,
            row.agedCount <= Limits.agedOrders + UInt32(Limits.entriesPerCustomer),
            row.activity0 == -1 || Engine.isActivity(row.activity0), Engine.isActivity(row.activity1)
        else { return false }
        for ladder in 0..<Limits.ladders {
            let rungs = ladder < rules.ladders.count ? rules.ladders[ladder].source.rungs.count : 0
            guard row.rung(ladder) == CustomerRow.noRung || Int(row.rung(ladder)) < rungs else { return false }
        }
        return Engine.arePossible(entries, agedNet: row.agedNet)
    }

    /// Those that decided last about a customer; nil if no version can have.
    private func rules(of version: UInt8, _ ordinal: Int) -> Ruleset? {
        if version == UInt8(truncatingIfNeeded: versionNumber) { return rules }
        // Customers below the cursor are through.
        guard let sweep, ordinal >= sweep.cursor, version == UInt8(truncatingIfNeeded: versionNumber &- 1) else {
            return nil
        }
        return sweep.oldRules
    }

    private static func isTime(_ instant: Int64) -> Bool {
        instant >= Limits.earliestTime && instant <= Limits.latestTime
    }

    /// A sum of clicks that were at most as many as milliseconds.
    private static func isActivity(_ value: Double) -> Bool { value >= 0 && value < Double(Limits.latestTime) }

    private static func arePossible(_ bytes: UnsafeRawBufferPointer, agedNet: Int64) -> Bool {
        var sum = Int128(agedNet)
        for offset in stride(from: 0, to: bytes.count, by: MemoryLayout<Entry>.stride) {
            let entry = bytes.loadUnaligned(fromByteOffset: offset, as: Entry.self)
            guard entry.isValid, DeadlineWheel.holds(entry.time) else { return false }
            switch entry.kind {
            case .order, .pendingRefund: sum += Int128(entry.value.magnitude)
            case .seen, .click, .warning: break
            }
        }
        return sum <= Int128(Int64.max)
    }
}
