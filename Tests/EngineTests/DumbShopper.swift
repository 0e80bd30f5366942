// The second implementation: one customer as the list of what was applied, worked through from the start for every question.
import Engine
import Foundation
import Model

/// Rules are closures, time is walked from candidate to candidate, nothing is kept but the list and what was announced.
struct DumbShopper {
    struct Rules {
        /// Days.
        var windows: [Int]
        var ladders: [(name: String, decide: (Seen) -> String)]
        var warnings: [(name: String, severity: String, cooldown: Int64, holds: (Seen) -> Bool)]
    }

    /// What rules may ask about, at one instant.
    struct Seen {
        var orders: [Int64]
        var spend: [Int64]
        var recency: Int64?
        var ordersTotal: Int
        var idle: Int64
        var sinceOrder: Int64?
        /// Numerator and denominator.
        var typicalGap: (Int64, Int64)?
        var trend: Double?
        /// Rungs decided so far, by ladder.
        var rungs: [String]
    }

    private struct Order {
        var id: String
        var time: Int64
        var lines: [String]
        var sum: Int64
        var refunded: Int64 = 0
        var isNamed = false
        var isWiped = false

        var net: Int64 { isWiped ? 0 : max(0, sum - refunded) }
        var counts: Bool { !(isNamed && net == 0) }
    }

    private struct Book {
        var orders: [Order] = []
        /// Orders that nothing can change any more.
        var closed: [Order] = []
        var waiting: [(order: String, event: String, time: Int64, amount: Int64?)] = []
        var refunds: [(order: String, event: String, time: Int64)] = []
        var clicks: [Int64] = []
        var clickSeen: [String: Int64] = [:]
        var lastEvent: Int64?
        var lastOutcome = Outcome.accepted
    }

    static let day: Int64 = 86_400_000
    let id: String
    let zone: ZoneTable
    let rules: Rules
    private var history: [(event: Event, at: Int64)] = []
    private var decidedUpTo = Int64.min
    private var rungs: [String: String] = [:]
    private var open: Set<String> = []
    private var raised: [String: Int64] = [:]
    private var changes: [Change] = []

    init(_ id: String, zone: ZoneTable, rules: Rules) {
        self.id = id
        self.zone = zone
        self.rules = rules
    }

    private var longest: Int64 { Int64(max(90, rules.windows.max() ?? 0)) }

    // MARK: The book

    /// Where the clock is set back over midnight within the next minute, what leaves comes back: it has not left.
    private func hasLeft(_ time: Int64, at instant: Int64) -> Bool {
        min(zone.day(of: instant), zone.day(of: instant + 60_000)) - zone.day(of: time) >= longest
    }

    private func book() -> Book {
        var book = Book()
        for (event, at) in history {
            close(&book, at: at)
            book.lastOutcome = apply(event, to: &book, at: at)
            if book.lastOutcome != .duplicate { book.lastEvent = max(book.lastEvent ?? .min, event.occurredAt) }
        }
        return book
    }

    private func close(_ book: inout Book, at instant: Int64) {
        book.closed += book.orders.filter { hasLeft($0.time, at: instant) }
        book.orders.removeAll { hasLeft($0.time, at: instant) }
        book.waiting.removeAll { hasLeft($0.time, at: instant) }
        let known = Set(book.orders.map(\.id))
        book.refunds.removeAll { hasLeft($0.time, at: instant) && !known.contains($0.order) }
    }

    private func apply(_ event: Event, to book: inout Book, at instant: Int64) -> Outcome {
        switch event.kind {
        case .click:
            if event.deduplication > 0 {
                if let last = book.clickSeen[event.id], instant - last < event.deduplication { return .duplicate }
                book.clickSeen[event.id] = instant
            }
            book.clicks.append(min(event.occurredAt, instant))
            return .accepted
        case .purchase:
            var order = Order(id: event.order, time: event.occurredAt, lines: [event.id], sum: event.amount ?? 0)
            if hasLeft(event.occurredAt, at: instant) {
                book.closed.append(order)
                return .accepted
            }
            if let known = book.orders.firstIndex(where: { $0.id == event.order }) {
                if !event.adds || book.orders[known].lines.contains(event.id) { return .duplicate }
                book.orders[known].lines.append(event.id)
                book.orders[known].sum += event.amount ?? 0
                book.orders[known].time = min(book.orders[known].time, event.occurredAt)
                return .accepted
            }
            for waiting in book.waiting where waiting.order == event.order {
                DumbShopper.refund(waiting.amount, &order)
            }
            book.waiting.removeAll { $0.order == event.order }
            book.orders.append(order)
            return .accepted
        case .refund:
            let known = book.orders.firstIndex { $0.id == event.order }
            if known == nil && hasLeft(event.occurredAt, at: instant) { return .accepted }
            if book.refunds.contains(where: { $0.order == event.order && $0.event == event.id }) { return .duplicate }
            book.refunds.append((event.order, event.id, event.occurredAt))
            guard let known else {
                book.waiting.append((event.order, event.id, event.occurredAt, event.amount))
                return .unmatchedRefund
            }
            DumbShopper.refund(event.amount, &book.orders[known])
            return .accepted
        }
    }

    private static func refund(_ amount: Int64?, _ order: inout Order) {
        order.isNamed = true
        order.refunded += amount ?? 0
        if amount == nil { order.isWiped = true }
    }

    // MARK: Decisions

    private func seen(_ book: Book, at instant: Int64) -> Seen {
        let all = (book.orders + book.closed).filter(\.counts)
        let today = zone.day(of: instant)
        // Orders of the book that is closed have left every window.
        let inside = rules.windows.map { window in
            book.orders.filter { $0.counts && today - zone.day(of: $0.time) < Int64(window) }
        }
        let last = all.map(\.time).max()
        let first = all.map(\.time).min()
        var gap: (Int64, Int64)?
        if let first, let last, all.count >= 2 { gap = (last - first, Int64(all.count - 1)) }
        func activity(_ halfLife: Double) -> Double {
            book.clicks.reduce(0) { $0 + exp2(-Double(instant - $1) / (halfLife * Double(DumbShopper.day))) }
        }
        return Seen(
            orders: inside.map { Int64($0.count) }, spend: inside.map { $0.reduce(0) { $0 + $1.net } },
            recency: last.map { max(0, today - zone.day(of: $0)) }, ordersTotal: all.count,
            idle: max(0, instant - (book.lastEvent ?? instant)), sinceOrder: last.map { max(0, instant - $0) },
            typicalGap: gap,
            trend: book.clicks.isEmpty ? nil : (activity(7) / 7) / (activity(28) / 28), rungs: [])
    }

    private mutating func decide(_ book: Book, at instant: Int64, cause: String) {
        var seen = seen(book, at: instant)
        let values = Change.values(seen.recency, zip(seen.orders, seen.spend).map { ($0, $1) })
        func change(_ what: String, raisedAt: Int64 = 0) -> Change {
            Change(customer: id, what: what, cause: cause, decidedAt: instant, raisedAt: raisedAt, values: values)
        }
        for ladder in rules.ladders {
            let rung = ladder.decide(seen)
            seen.rungs.append(rung)
            if rungs[ladder.name] != rung {
                changes.append(change("\(ladder.name) \(rungs[ladder.name] ?? "null") -> \(rung)"))
            }
            rungs[ladder.name] = rung
        }
        for warning in rules.warnings {
            let before = raised[warning.name] ?? 0
            if warning.holds(seen) {
                if open.contains(warning.name) || (raised[warning.name] != nil && instant < before + warning.cooldown) {
                    continue
                }
                open.insert(warning.name)
                raised[warning.name] = instant
                changes.append(change("raised \(warning.name) \(warning.severity)", raisedAt: instant))
            } else if open.remove(warning.name) != nil {
                changes.append(change("resolved \(warning.name) \(warning.severity)", raisedAt: before))
            }
        }
    }

    /// Every instant at or before `to` at which anything could change, on the book as it is.
    private func candidates(_ book: Book, to: Int64) -> [Int64] {
        var instants = zone.transitions
        var midnight = CivilTime.floorDivide(decidedUpTo, DumbShopper.day) * DumbShopper.day
        while midnight <= to + DumbShopper.day {
            instants += Set(zone.offsets).map { midnight - $0 }
            midnight += DumbShopper.day
        }
        let seen = seen(book, at: to)
        if let last = book.lastEvent {
            instants += [36 * 3_600_000 + 1, 30 * DumbShopper.day, 90 * DumbShopper.day].map { last + $0 }
        }
        if let since = seen.sinceOrder, let gap = seen.typicalGap {
            instants.append(to - since + 3 * gap.0 / gap.1 + 1)
        }
        instants += rules.warnings.compactMap { warning in raised[warning.name].map { $0 + warning.cooldown } }
        if let crossing = trendCrossing(book, to: to) { instants.append(crossing) }
        return Set(instants).filter { $0 > decidedUpTo && $0 <= to }.sorted()
    }

    /// The first ms in (decidedUpTo, to] at which activity_trend is below one half, by halving.
    private func trendCrossing(_ book: Book, to: Int64) -> Int64? {
        func isBelow(_ instant: Int64) -> Bool { (seen(book, at: instant).trend ?? 1) < 0.5 }
        guard decidedUpTo > .min, isBelow(to), !isBelow(decidedUpTo) else { return nil }
        var (low, high) = (decidedUpTo, to)
        while high - low > 1 {
            let middle = low + (high - low) / 2
            if isBelow(middle) { high = middle } else { low = middle }
        }
        return high
    }

    /// Everything due at or before `instant`.
    mutating func advance(to instant: Int64) {
        if history.isEmpty { return }
        let book = book()
        // A raise on the way makes a new candidate: the end of its cooldown.
        while let next = candidates(book, to: instant).first {
            decide(book, at: next, cause: "deadline")
            decidedUpTo = next
        }
        decidedUpTo = max(decidedUpTo, instant)
    }

    mutating func apply(_ event: Event, at instant: Int64) -> Outcome {
        advance(to: instant)
        history.append((event, instant))
        let book = book()
        if book.lastOutcome != .duplicate { decide(book, at: instant, cause: event.id) }
        decidedUpTo = instant
        return book.lastOutcome
    }

    mutating func takeChanges() -> [Change] {
        defer { changes = [] }
        return changes
    }
}
