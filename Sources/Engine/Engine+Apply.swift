// One event and its customer: what it changes, before anything is decided.
import CXXHash
import Model
import Rules

extension Engine {
    /// Applies one event at max(clock, `at`), after this customer's own deadlines up to then.
    package func apply(_ input: EngineInput, at: Int64) -> Outcome {
        let instant = max(clock ?? .min, at)
        let hash = table.hash(input.customer)
        let ordinal: Int
        if let known = table.find(input.customer, hash: hash) {
            ordinal = known
            let row = table.row(known)
            if let refusal = refusal(input, known, row, at: instant) { return .refused(refusal) }
            clock = instant
            preserve(ordinal)
            catchUpVersion(ordinal, row)
            while row.pointee.due <= instant { fireDeadline(ordinal, row) }
            if input.kind == .click && input.clickDeduplication == 0 && row.pointee.ignoresClicks
                && countClick(input.occurredAt, ordinal, row, at: instant)
            {
                // The most frequent event by far: there is nothing to decide, and his entries are not looked at.
                see(input.occurredAt, row)
                // A new version or his own deadlines may have decided: he must not be filed later than he is due, nor be looked at
                // again and again among those who are.
                wheel.update(ordinal, table.rows)
                return .accepted
            }
        } else {
            if table.count >= limits.customers { return .refused(.customers) }
            if exceedsBudget(input, nil, at: instant) { return .refused(.bytes) }
            clock = instant
            ordinal = table.add(input.customer, hash: hash)
            size += StateSize.customer(idLength: input.customer.count)
            wheel.grow(toHold: table.count)
            start(table.row(ordinal), input)
        }
        let row = table.row(ordinal)
        let kept = store.open(row)
        prune(ordinal, row, at: instant)
        let outcome: Outcome
        switch input.kind {
        case .purchase: outcome = purchase(input, ordinal, row, at: instant)
        case .refund: outcome = refund(input, row, at: instant)
        case .click: outcome = click(input, ordinal, row, at: instant)
        }
        if outcome != .duplicate {
            see(input.occurredAt, row)
            decide(ordinal, row, at: instant, cause: .event, mute: input.mute, event: input.event)
        }
        store.close(row, kept)
        wheel.update(ordinal, table.rows)
        return outcome
    }

    @inline(__always)
    private func see(_ occurredAt: Int64, _ row: UnsafeMutablePointer<CustomerRow>) {
        row.pointee.firstSeen = min(row.pointee.firstSeen, occurredAt)
        row.pointee.lastEvent = max(row.pointee.lastEvent, occurredAt)
    }

    private func start(_ row: UnsafeMutablePointer<CustomerRow>, _ input: EngineInput) {
        row.pointee.due = CustomerRow.never
        row.pointee.queued = CustomerRow.never
        row.pointee.firstSeen = input.occurredAt
        row.pointee.lastEvent = input.occurredAt
        let none = CustomerRow.noRung
        row.pointee.rungs = (none, none, none, none)
        row.pointee.version = UInt8(truncatingIfNeeded: versionNumber)
    }

    /// A refusal leaves no trace, not even a moved clock; so it is found before anything is touched.
    @inline(__always)
    private func refusal(
        _ input: EngineInput, _ ordinal: Int, _ row: UnsafeMutablePointer<CustomerRow>, at instant: Int64
    ) -> Outcome.Refusal? {
        if Int(row.pointee.entryCount) + 2 > Limits.entriesPerCustomer
            && survivors(row, at: instant) + 2 > Limits.entriesPerCustomer
        {
            return .entries
        }
        if row.pointee.contents.contains(.aged) {
            let aged = table.agedOrders(ordinal).pointee
            if aged.count >= Limits.agedOrders { return .entries }
            // What is inside the longest window is bounded by entries times the largest amount.
            if aged.net > Limits.spendMinorUnits { return .spend }
        }
        return exceedsBudget(input, row, at: instant) ? .bytes : nil
    }

    /// Entries that `prune` would leave at `instant`, warnings aside.
    private func survivors(_ row: UnsafeMutablePointer<CustomerRow>, at instant: Int64) -> Int {
        var count = 0
        eachSurvivor(row, at: instant) { if $0.kind != .warning { count += 1 } }
        return count
    }

    /// Every entry that `prune` would leave at `instant`.
    func eachSurvivor(_ row: UnsafeMutablePointer<CustomerRow>, at instant: Int64, _ body: (Entry) -> Void) {
        store.reading(row) {
            let left = leftDay(at: instant)
            // Few are looked up one by one, without an allocation.
            let orders = row.pointee.entryCount > 64 ? orderKeys(row, after: left) : nil
            func isKept(_ order: UInt64) -> Bool {
                orders?.contains(order) ?? find(.order, order, row).map { $0.pointee.day > left } ?? false
            }
            for entry in store.entries(of: row) {
                let survives =
                    switch entry.kind {
                    case .order, .pendingRefund: entry.day > left
                    case .seen: entry.day > left || isKept(UInt64(bitPattern: entry.value))
                    case .click: instant - entry.time < entry.value
                    case .warning: true
                    }
                if survives { body(entry) }
            }
        }
    }

    private func orderKeys(_ row: UnsafeMutablePointer<CustomerRow>, after left: Int64) -> Set<UInt64> {
        let orders = store.entries(of: row).lazy.filter { $0.kind == .order && $0.day > left }
        return Set(orders.map(\.key))
    }

    // MARK: Entries

    func find(_ kind: Entry.Kind, _ key: UInt64, _ row: UnsafeMutablePointer<CustomerRow>)
        -> UnsafeMutablePointer<Entry>?
    {
        if !row.pointee.contents.contains(kind.content) { return nil }
        let count = Int(row.pointee.entryCount)
        let entries = store.first(of: row)
        if let summary = store.summary(of: row) {
            return summary.place(of: key, count: count) { entries[$0].key == key && entries[$0].kind == kind }
                .map { entries + $0 }
        }
        for index in 0..<count where entries[index].key == key && entries[index].kind == kind { return entries + index }
        return nil
    }

    func append(_ entry: Entry, _ row: UnsafeMutablePointer<CustomerRow>) {
        let count = Int(row.pointee.entryCount)
        store.append(entry, row)
        store.summary(of: row)?.add(entry, at: count, windows: rules.constants.windows)
        if count & (count - 1) == 0 { size += StateSize.place * max(1, count) }
    }

    func remove(_ index: Int, _ row: UnsafeMutablePointer<CustomerRow>) {
        let entries = store.first(of: row)
        let last = Int(row.pointee.entryCount) - 1
        if let summary = store.summary(of: row) {
            if entries[index].kind == .order { summary.forgetSums() }
            summary.setTag(index, key: entries[last].key)
        }
        entries[index] = entries[last]
        store.removeLast(row)
        if last & (last - 1) == 0 { size -= StateSize.place * max(1, last) }
    }

    private func entry(_ kind: Entry.Kind, key: UInt64, time: Int64, value: Int64, flags: Entry.Flags = []) -> Entry {
        Entry(
            kind, key: key, time: time, dayDistance: Entry.dayDistance(time, rules.constants.zone), value: value,
            flags: flags)
    }

    func orderKey(_ input: EngineInput) -> UInt64 {
        rfmd_hash64(input.order.baseAddress, input.order.count, key)
    }

    /// By which the event itself is known, if anything is kept of it.
    func eventKey(_ input: EngineInput) -> UInt64 {
        switch input.kind {
        case .purchase: eventKey(input, orderKey: orderKey(input), space: 1)
        case .refund: eventKey(input, orderKey: orderKey(input), space: 2)
        case .click: rfmd_hash64(input.event.baseAddress, input.event.count, key &+ 3)
        }
    }

    /// `space` keeps lines and refunds apart: a shop may give both events of an order one id. Both halves are spread before they meet:
    /// of short texts, XXH3 with neighbouring seeds gives neighbouring texts one hash.
    private func eventKey(_ input: EngineInput, orderKey: UInt64, space: UInt64) -> UInt64 {
        let event = rfmd_hash64(input.event.baseAddress, input.event.count, key)
        return Engine.spread(event ^ Engine.spread(orderKey &+ space &* 0x9E37_79B9_7F4A_7C15))
    }

    /// A bijection in which every bit of the input changes about half of the output. Source: the finalizer of SplitMix64 (Steele, Lea and
    /// Flood, "Fast splittable pseudorandom number generators", 2014).
    private static func spread(_ value: UInt64) -> UInt64 {
        var mixed = value
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }

    /// True if this line or refund of the order was applied before. It is known as long as its order or its own day is inside the longest
    /// window; `prune` has just forgotten what is not.
    private func wasSeen(_ eventKey: UInt64, _ row: UnsafeMutablePointer<CustomerRow>) -> Bool {
        find(.seen, eventKey, row) != nil
    }

    // MARK: Kinds

    func isInside(_ time: Int64, at instant: Int64) -> Bool {
        rules.constants.zone.day(of: time) > leftDay(at: instant)
    }

    private func purchase(
        _ input: EngineInput, _ ordinal: Int, _ row: UnsafeMutablePointer<CustomerRow>, at instant: Int64
    ) -> Outcome {
        let amount = input.amount ?? 0
        guard isInside(input.occurredAt, at: instant) else {
            age(ordinal, row, time: input.occurredAt, net: amount)
            return .accepted
        }
        let orderKey = orderKey(input)
        let eventKey = input.addsToOrder ? eventKey(input) : 0
        // A line outlives its order, whose day is that of its earliest line.
        if input.addsToOrder && wasSeen(eventKey, row) { return .duplicate }
        if let order = find(.order, orderKey, row) {
            if !input.addsToOrder { return .duplicate }
            store.summary(of: row)?.clear()
            order.pointee.value += amount
            if input.occurredAt < order.pointee.time {
                order.pointee.setTime(input.occurredAt, zone: rules.constants.zone)
            }
        } else {
            var order = entry(.order, key: orderKey, time: input.occurredAt, value: amount)
            takePendingRefunds(into: &order, row)
            append(order, row)
        }
        if input.addsToOrder {
            append(entry(.seen, key: eventKey, time: input.occurredAt, value: Int64(bitPattern: orderKey)), row)
        }
        return .accepted
    }

    private func takePendingRefunds(into order: inout Entry, _ row: UnsafeMutablePointer<CustomerRow>) {
        while let refund = find(.pendingRefund, order.key, row) {
            order.value -= refund.pointee.value
            order.flags.insert(.refunded)
            if refund.pointee.flags.contains(.wiped) { order.flags.insert(.wiped) }
            remove(refund - store.first(of: row), row)
        }
    }

    private func refund(_ input: EngineInput, _ row: UnsafeMutablePointer<CustomerRow>, at instant: Int64) -> Outcome {
        let orderKey = orderKey(input)
        let eventKey = eventKey(input)
        let seen = entry(.seen, key: eventKey, time: input.occurredAt, value: Int64(bitPattern: orderKey))
        let wiped: Entry.Flags = input.amount == nil ? .wiped : []
        // Whatever time it names now: what waits, or was netted, is known by its event id.
        if wasSeen(eventKey, row) { return .duplicate }
        if let order = find(.order, orderKey, row) {
            store.summary(of: row)?.forgetSums()
            order.pointee.value -= input.amount ?? 0
            order.pointee.flags.formUnion([.refunded, wiped])
            append(seen, row)
            return .accepted
        }
        guard isInside(input.occurredAt, at: instant) else { return .accepted }
        append(
            entry(.pendingRefund, key: orderKey, time: input.occurredAt, value: input.amount ?? 0, flags: wiped), row)
        append(seen, row)
        return .unmatchedRefund
    }

    private func click(
        _ input: EngineInput, _ ordinal: Int, _ row: UnsafeMutablePointer<CustomerRow>, at instant: Int64
    ) -> Outcome {
        if input.clickDeduplication > 0 {
            let eventKey = eventKey(input)
            if let earlier = find(.click, eventKey, row) {
                if instant - earlier.pointee.time < input.clickDeduplication { return .duplicate }
                earlier.pointee.setTime(instant, zone: rules.constants.zone)
                earlier.pointee.value = input.clickDeduplication
            } else {
                append(entry(.click, key: eventKey, time: instant, value: input.clickDeduplication), row)
            }
        }
        addClick(input.occurredAt, ordinal, row, at: instant)
        return .accepted
    }

    /// Counts a click of somebody who ignores those that come in their turn. False, and nothing is done, if this is none: a rule reads
    /// activity_trend, and it is older than the latest one, or by so little younger that it does not surely raise the rounded trend, at this
    /// instant and at any later one.
    ///
    /// Decayed to now the sums are s0 and s1, so the trend is raised by (s1 - s0) / (s0 (s1 + 1)); what is rounded away is less than one part in
    /// 10^12 (docs/decisions/0020).
    @inline(__always)
    private func countClick(
        _ occurredAt: Int64, _ ordinal: Int, _ row: UnsafeMutablePointer<CustomerRow>, at instant: Int64
    ) -> Bool {
        guard row.pointee.contents.contains(.activity), rules.readsTrend else {
            addClick(occurredAt, ordinal, row, at: instant)
            return true
        }
        let happened = min(occurredAt, instant)
        let activity = table.activity(ordinal)
        guard happened >= activity.pointee.at else { return false }
        let before = decayed(activity.pointee, to: happened)
        guard before.sum1 - before.sum0 > 1e-11 * before.sum1 * (before.sum0 + 1) else { return false }
        activity.pointee = Activity(sum0: before.sum0 + 1, sum1: before.sum1 + 1, at: happened)
        return true
    }

    /// As of `instant`, which is not before the latest click.
    @inline(__always)
    private func decayed(_ activity: Activity, to instant: Int64) -> Activity {
        let constants = rules.constants
        let age = Double(instant - activity.at)
        return Activity(
            sum0: activity.sum0 * Exponential.exp2(-age / constants.halfLife0),
            sum1: activity.sum1 * Exponential.exp2(-age / constants.halfLife1), at: instant)
    }

    /// activity(h), carried on from click to click: both sums are kept as of the latest click.
    @inline(__always)
    private func addClick(
        _ occurredAt: Int64, _ ordinal: Int, _ row: UnsafeMutablePointer<CustomerRow>, at instant: Int64
    ) {
        let happened = min(occurredAt, instant)
        let constants = rules.constants
        let activity = table.activity(ordinal)
        if !row.pointee.contents.contains(.activity) {
            row.pointee.contents.insert(.activity)
            table.startActivity(ordinal, Activity(sum0: 1, sum1: 1, at: happened))
        } else if happened >= activity.pointee.at {
            let before = decayed(activity.pointee, to: happened)
            activity.pointee = Activity(sum0: before.sum0 + 1, sum1: before.sum1 + 1, at: happened)
        } else {
            let age = Double(activity.pointee.at - happened)
            activity.pointee.sum0 += Exponential.exp2(-age / constants.halfLife0)
            activity.pointee.sum1 += Exponential.exp2(-age / constants.halfLife1)
        }
    }

    // MARK: The longest window

    /// The last day that has left the longest window for good: where a clock is set back over midnight, what leaves comes back.
    private func leftDay(at instant: Int64) -> Int64 {
        let today = day(at: instant)
        return today.day - Int64(rules.longestWindow) - (today.goesBack ? 1 : 0)
    }

    /// An order that is outside the longest window: only its number, net, first and last time are kept.
    private func age(_ ordinal: Int, _ row: UnsafeMutablePointer<CustomerRow>, time: Int64, net: Int64) {
        let aged = table.agedOrders(ordinal)
        if !row.pointee.contents.contains(.aged) {
            row.pointee.contents.insert(.aged)
            aged.pointee = AgedOrders(net: 0, first: time, last: time, count: 0)
        }
        aged.pointee.first = min(aged.pointee.first, time)
        aged.pointee.last = max(aged.pointee.last, time)
        aged.pointee.count += 1
        aged.pointee.net += net
    }

    /// Drops what has left the longest window at `instant`, and what is of no use any more.
    func prune(_ ordinal: Int, _ row: UnsafeMutablePointer<CustomerRow>, at instant: Int64) {
        if row.pointee.entryCount == 0 { return }
        let left = leftDay(at: instant)
        // A day in the zone is at most one away from the day in UTC: what is later than this has not left, whatever its zone.
        let surelyInside = Entry.firstOf(utcDay: left + 2)
        if let summary = store.summary(of: row), summary.earliest >= surelyInside { return }
        var index = 0
        var hasOldSeen = false
        var earliest = Int64.max
        var entries = store.first(of: row)
        while index < Int(row.pointee.entryCount) {
            let entry = entries[index]
            if entry.timeAndFlags >= surelyInside && entry.kind != .click {
                earliest = min(earliest, entry.timeAndFlags)
                index += 1
                continue
            }
            let goes: Bool
            switch entry.kind {
            case .order:
                goes = entry.day <= left
                if goes && !entry.isWhollyRefunded { age(ordinal, row, time: entry.time, net: entry.net) }
            case .pendingRefund: goes = entry.day <= left
            case .click: goes = instant - entry.time >= entry.value
            case .seen:
                goes = false
                if entry.day <= left { hasOldSeen = true }
            case .warning: goes = false
            }
            if goes {
                remove(index, row)
                entries = store.first(of: row)
            } else {
                if entry.kind == .click { earliest = .min }
                if entry.kind != .warning { earliest = min(earliest, entry.timeAndFlags) }
                index += 1
            }
        }
        if hasOldSeen { pruneSeen(row, left: left) }
        if row.pointee.entryCount > 0 { store.summary(of: row)?.earliest = earliest }
    }

    /// A seen event is kept as long as its order is, or its own day is inside.
    private func pruneSeen(_ row: UnsafeMutablePointer<CustomerRow>, left: Int64) {
        // Few are looked up one by one, without an allocation.
        let orders = row.pointee.entryCount > 64 ? orderKeys(row, after: left) : nil
        var index = 0
        while index < Int(row.pointee.entryCount) {
            let entry = store.first(of: row)[index]
            let order = UInt64(bitPattern: entry.value)
            if entry.kind == .seen, entry.day <= left, !(orders?.contains(order) ?? (find(.order, order, row) != nil)) {
                remove(index, row)
            } else {
                index += 1
            }
        }
    }
}
