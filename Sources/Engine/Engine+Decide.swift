// A decision: what a customer's rungs and warnings are at an instant, what that changes, and when it next can change.
import Model
import Rules

extension Engine {
    /// Decides everything about one customer at `instant` and sets his next deadline. His deadlines before it have fired.
    func decide(
        _ ordinal: Int, _ row: UnsafeMutablePointer<CustomerRow>, at instant: Int64, cause: Cause, mute: Mute,
        event: UnsafeRawBufferPointer?
    ) {
        if cause != .event { prune(ordinal, row, at: instant) }
        let features = features(ordinal, row, at: instant)
        let decision = Decision(
            ordinal: ordinal, instant: instant, cause: cause, mute: mute, event: event,
            recency: features.ordersTotal == 0 ? -1 : Int32(truncatingIfNeeded: features.recency))
        var due = Int64.max
        var heedsClicks = false
        // Outlives the decision: whoever is applied here holds the engine, which holds the rules.
        let (table, constants) = (rules.decisions, rules.constants)
        for ladder in 0..<table.ladders.count {
            let code = table.ladders[ladder]
            let (rung, until, heeds) = code.decide(features, constants)
            due = min(due, until)
            if heeds { heedsClicks = true }
            ladderTexts[ladder] = code.text(ofRung: rung)
            let before = row.pointee.rung(ladder)
            if Int(before) != rung {
                row.pointee.setRung(ladder, UInt8(rung))
                if mute == .none {
                    emit(
                        decision, .rungChanged, name: names.ladders[ladder], from: rungName(ladder, before),
                        to: names.rung(rung, of: ladder), rung: rung, raisedAt: 0)
                    appendDistance(code, rung: rung, features, constants)
                }
            }
        }
        for warning in 0..<table.warnings.count {
            let outlook = table.warnings[warning].rule.outlook(features, constants)
            due = min(due, decideWarning(warning, table.warnings[warning], row, outlook, decision))
            if outlook.heedsClicks { heedsClicks = true }
        }
        row.pointee.due = due
        row.pointee.ignoresClicks = !heedsClicks
    }

    struct Decision {
        var ordinal: Int
        var instant: Int64
        var cause: Cause
        var mute: Mute
        var event: UnsafeRawBufferPointer?
        var recency: Int32
    }

    private func rungName(_ ladder: Int, _ rung: UInt8) -> UnsafeRawBufferPointer? {
        if rung == CustomerRow.noRung { return nil }
        // A rung that the new version does not have goes by its old name.
        if Int(rung) >= Engine.goneRung { return goneNames(ladder, rung) }
        return names.rung(Int(rung), of: ladder)
    }

    /// Returns when this warning next needs a decision.
    private func decideWarning(
        _ index: Int, _ warning: WarningCode, _ row: UnsafeMutablePointer<CustomerRow>, _ outlook: Outlook,
        _ decision: Decision
    ) -> Int64 {
        let (holds, next) = (outlook.holds, outlook.until)
        let entry = find(.warning, warning.key, row)
        let cooled = entry.map { $0.pointee.time + warning.cooldown } ?? .min
        if let entry, entry.pointee.flags.contains(.open) {
            if holds { return next }
            let raiseMuted = entry.pointee.flags.contains(.muted)
            entry.pointee.flags.subtract([.open, .muted])
            if decision.mute == .none && !raiseMuted {
                emitWarning(index, .warningResolved, decision, raisedAt: entry.pointee.time)
            }
        } else if holds {
            if decision.instant < cooled { return cooled }
            let flags: Entry.Flags = decision.mute == .backfill ? [.open, .muted] : .open
            let raise = Entry(.warning, key: warning.key, time: decision.instant, value: 0, flags: flags)
            if let entry { entry.pointee = raise } else { append(raise, row) }
            if decision.mute == .none { emitWarning(index, .warningRaised, decision, raisedAt: decision.instant) }
            return next
        }
        // It does not hold. It can be raised when it holds again, but not before it has cooled down.
        return next == .max ? .max : max(next, cooled)
    }

    private func emitWarning(_ index: Int, _ kind: EffectKind, _ decision: Decision, raisedAt: Int64) {
        emit(
            decision, kind, name: names.warnings[index], from: nil, to: names.severities[index], rung: 0,
            raisedAt: raisedAt)
    }

    func emit(
        _ decision: Decision, _ kind: EffectKind, name: UnsafeRawBufferPointer, from: UnsafeRawBufferPointer?,
        to: UnsafeRawBufferPointer, rung: Int, raisedAt: Int64
    ) {
        let empty = UnsafeRawBufferPointer(start: nil, count: 0)
        withUnsafeTemporaryAllocation(of: (orders: Int64, spend: Int64).self, capacity: Limits.windows) { windows in
            let count = rules.constants.windows.count
            for window in 0..<count { windows[window] = (windowValues[window].orders, windowValues[window].spend) }
            table.withID(decision.ordinal) { id in
                effects.appendEffect(
                    kind, cause: decision.cause, rung: UInt8(rung), decidedAt: decision.instant, raisedAt: raisedAt,
                    recency: decision.recency, windows: UnsafeBufferPointer(rebasing: windows[..<count]),
                    name: name, from: from ?? empty, to: to, customer: id, event: decision.event ?? empty)
            }
        }
        effectCount += 1
    }

    /// Everything that rules may ask about, at `instant`; valid until the next call.
    func features(_ ordinal: Int, _ row: UnsafeMutablePointer<CustomerRow>, at instant: Int64) -> Features {
        let today = day(at: instant)
        var features = Features(
            instant: instant, day: today.day, dayEnds: today.ends, dayGoesBack: today.goesBack, windows: windowValues,
            ladderTexts: ladderTexts)
        let constants = rules.constants
        let windows = constants.windows
        for window in windows.indices {
            windowValues[window] = WindowValues(lastDayOutside: today.day - Int64(windows[window]))
        }
        let orders = orderSums(row, today.day)
        (features.ordersTotal, features.spendTotal) = (orders.count, orders.spend)
        if orders.count > 0 {
            (features.firstOrder, features.lastOrder) = (orders.first, orders.last)
            features.lastOrderDay = orders.lastDay
        }
        if row.pointee.contents.contains(.aged) { add(table.agedOrders(ordinal).pointee, to: &features) }
        features.lastEvent = row.pointee.lastEvent
        if row.pointee.contents.contains(.activity) {
            let activity = table.activity(ordinal).pointee
            (features.activity0, features.activity1) = (activity.sum0, activity.sum1)
            features.activityAt = activity.at
        }
        return features
    }

    private func add(_ aged: AgedOrders, to features: inout Features) {
        let hasOthers = features.ordersTotal > 0
        features.ordersTotal += Int64(aged.count)
        features.spendTotal += aged.net
        features.firstOrder = hasOthers ? min(aged.first, features.firstOrder) : aged.first
        if !hasOthers || features.lastOrder < aged.last {
            features.lastOrder = aged.last
            features.lastOrderDay = rules.constants.zone.day(of: aged.last)
        }
    }

    /// Of the orders inside the longest window; `windowValues` get theirs. Their `lastDayOutside` are set.
    private func orderSums(_ row: UnsafeMutablePointer<CustomerRow>, _ today: Int64) -> OrderSums {
        var sums = OrderSums()
        if row.pointee.entryCount == 0 { return sums }
        let (version, windows) = (UInt32(truncatingIfNeeded: versionNumber), rules.constants.windows.count)
        let summary = store.summary(of: row)
        if let known = summary?.sums(today: today, version: version, windowValues, windows) { return known }
        for window in 0..<windows {
            windowValues[window] = WindowValues(lastDayOutside: windowValues[window].lastDayOutside)
        }
        for entry in store.entries(of: row) where entry.kind == .order {
            let net = entry.net
            guard sums.add(entry, net: net) else { continue }
            let day = entry.day
            for window in 0..<windows where day > windowValues[window].lastDayOutside {
                windowValues[window].orders += 1
                windowValues[window].spend += net
                windowValues[window].oldestDay = min(windowValues[window].oldestDay, day)
            }
        }
        summary?.keep(sums, today: today, version: version, windowValues, windows)
        return sums
    }
}
