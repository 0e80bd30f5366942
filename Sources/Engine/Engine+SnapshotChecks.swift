// What a restored state must be like. Checksums tell that a file is what was written; this, that an engine can have written it: no
// snapshot file may end the process.
import Model
import Rules

extension Engine {
    /// What the entries of such a customer are; nil if no engine with these rules, in the middle of this sweep if there is one, can hold him.
    func checkedContents(of image: CustomerImage, ordinal: Int, entries: UnsafeRawBufferPointer)
        -> CustomerRow.Contents?
    {
        guard let decisions = decisions(of: image.version, ordinal), image.ignoresClicks <= 1 else { return nil }
        guard image.due == CustomerRow.never || PackedInstant.holds(image.due), Engine.isTime(image.firstSeen),
            Engine.isTime(image.lastEvent), Engine.isTime(image.agedFirst), Engine.isTime(image.agedLast),
            Engine.isTime(image.activityAt), image.agedNet >= 0,
            image.agedCount <= Limits.agedOrders + UInt32(Limits.entriesPerCustomer),
            image.activity0 == -1 || Engine.isActivity(image.activity0), Engine.isActivity(image.activity1),
            // One state has one form: of what he does not have all is as it began.
            image.agedCount > 0 || image.agedNet == 0 && image.agedFirst == 0 && image.agedLast == 0,
            image.activity0 >= 0 || image.activity1 == 0 && image.activityAt == 0
        else { return nil }
        let ladders = decisions.ladders
        func holds(_ ladder: Int, _ rung: UInt8) -> Bool {
            rung == CustomerRow.noRung || Int(rung) < (ladder < ladders.count ? ladders[ladder].rungCount : 0)
        }
        guard holds(0, image.rungs.0), holds(1, image.rungs.1), holds(2, image.rungs.2), holds(3, image.rungs.3) else {
            return nil
        }
        return Engine.checkedContents(of: entries, agedNet: image.agedNet)
    }

    /// Those that decided last about a customer; nil if no version can have.
    private func decisions(of version: UInt8, _ ordinal: Int) -> DecisionTable? {
        if version == UInt8(truncatingIfNeeded: versionNumber) { return rules.decisions }
        // Customers below the cursor are through.
        guard let sweep, ordinal >= sweep.cursor, version == UInt8(truncatingIfNeeded: versionNumber &- 1) else {
            return nil
        }
        return sweep.oldRules.decisions
    }

    private static func isTime(_ instant: Int64) -> Bool {
        instant >= Limits.earliestTime && instant <= Limits.latestTime
    }

    /// A sum of clicks that were at most as many as milliseconds.
    private static func isActivity(_ value: Double) -> Bool { value >= 0 && value < Double(Limits.latestTime) }

    private static func checkedContents(of bytes: UnsafeRawBufferPointer, agedNet: Int64) -> CustomerRow.Contents? {
        var contents: CustomerRow.Contents = []
        var sum = agedNet.magnitude
        var offset = 0
        while offset < bytes.count {
            defer { offset += MemoryLayout<Entry>.stride }
            let entry = bytes.loadUnaligned(fromByteOffset: offset, as: Entry.self)
            guard entry.isValid, PackedInstant.holds(entry.time) else { return nil }
            contents.insert(entry.kind.content)
            switch entry.kind {
            case .order, .pendingRefund:
                // Neither is above 2^63, and so their sum is in 64 bits.
                sum += entry.value.magnitude
                if sum > UInt64(Int64.max) { return nil }
            case .seen, .click, .warning: break
            }
        }
        return contents
    }
}
