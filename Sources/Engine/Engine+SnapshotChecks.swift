// What a restored state must be like. Checksums tell that a file is what was written; this, that an engine can have written it: no
// snapshot file may end the process.
import Model
import Rules

extension Engine {
    /// What there is of such a customer; nil if no engine with these rules, in the middle of this sweep if there is one, can hold him.
    func checkedContents(of customer: EncodedCustomer) -> CustomerRow.Contents? {
        let image = customer.image
        guard let decisions = decisions(of: image.version, customer.ordinal), image.parts.isSubset(of: .all),
            image.due == CustomerRow.never || PackedInstant.holds(image.due), Engine.isTime(image.firstSeen),
            Engine.isTime(image.lastEvent), image.firstSeen <= image.lastEvent
        else { return nil }
        let ladders = decisions.ladders
        func holds(_ ladder: Int, _ rung: UInt8) -> Bool {
            rung == CustomerRow.noRung || Int(rung) < (ladder < ladders.count ? ladders[ladder].rungCount : 0)
        }
        guard holds(0, image.rungs.0), holds(1, image.rungs.1), holds(2, image.rungs.2), holds(3, image.rungs.3) else {
            return nil
        }
        var contents: CustomerRow.Contents = []
        var net: Int64 = 0
        if let aged = customer.aged {
            guard Engine.isTime(aged.first), Engine.isTime(aged.last), aged.first <= aged.last, aged.net >= 0,
                aged.count > 0,
                aged.count <= Limits.agedOrders + UInt32(Limits.entriesPerCustomer)
            else { return nil }
            contents.insert(.aged)
            net = aged.net
        }
        if let activity = customer.activity {
            guard Engine.isActivity(activity.sum0), Engine.isActivity(activity.sum1), Engine.isTime(activity.at) else {
                return nil
            }
            contents.insert(.activity)
        }
        guard let entries = Engine.checkedEntries(of: customer), entries.sum + net.magnitude <= Engine.mostInAll else {
            return nil
        }
        return contents.union(entries.contents)
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

    /// A sum of clicks that were at most as many as milliseconds; the latest counts whole.
    private static func isActivity(_ value: Double) -> Bool { value >= 1 && value < Double(Limits.latestTime) }

    /// What all orders and refunds of a customer may come to, in minor units: each of his entries is an amount at most, and one more event may
    /// have come. With what is aged, of which there was at most `spendMinorUnits` then, it is so far inside Int64 that no event leads out of it.
    private static let mostEntered = UInt64(Limits.entriesPerCustomer + 1) * UInt64(Limits.amountMinorUnits)
    private static let mostInAll = UInt64(Limits.spendMinorUnits) + mostEntered

    /// What his entries are, and the sum of what is in them of orders and refunds, far inside 64 bits.
    private static func checkedEntries(of customer: EncodedCustomer) -> (contents: CustomerRow.Contents, sum: UInt64)? {
        if customer.epoch == nil { return customer.image.epoch == 0 ? checkedWhole(customer.entries) : nil }
        guard EntryStore.mayBePacked(Int(customer.image.entryCount)), let found = PackedEntry.check(customer.entries)
        else { return nil }
        return (found.contents.union(.packed), found.sum)
    }

    private static func checkedWhole(
        _ bytes: UnsafeRawBufferPointer
    ) -> (contents: CustomerRow.Contents, sum: UInt64)? {
        var contents: CustomerRow.Contents = []
        var sum: UInt64 = 0
        var (warnings, others) = (0, 0)
        for offset in stride(from: 0, to: bytes.count, by: MemoryLayout<Entry>.stride) {
            let entry = bytes.loadUnaligned(fromByteOffset: offset, as: Entry.self)
            guard entry.isValid else { return nil }
            contents.insert(entry.kind.content)
            if entry.kind == .warning { warnings += 1 } else { others += 1 }
            switch entry.kind {
            case .order, .pendingRefund:
                if !isTime(entry.time) || entry.kind == .pendingRefund && entry.value < 0 { return nil }
                // Neither is above 2^63, and so their sum is in 64 bits.
                sum += entry.value.magnitude
                if sum > mostEntered { return nil }
            case .seen: if !isTime(entry.time) { return nil }
            case .click: if !PackedInstant.holds(entry.time) { return nil }
            case .warning: if !PackedInstant.holds(entry.time) || entry.value != 0 { return nil }
            }
        }
        return warnings <= Limits.warnings && others <= Limits.entriesPerCustomer ? (contents, sum) : nil
    }
}
