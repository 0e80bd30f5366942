// The engine of one shard: applying a slice is a pure function of its state and the slice.
import Model
import Rules

/// The host's duties, in this order for every slice:
/// 1. `apply` each record, in the order that the slice fixes. Refused and rejected ones leave no trace here.
/// 2. `finishSlice` once: it moves the clock to the instant by which the inputs were at their end, and fires what is due.
/// 3. Read `effects`, and empty them, before the batch is handed over.
/// A new version is a slice of its own without records: `install`, then `finishSlice(advancingTo: nil)`. Only while `isSettled`.
///
/// No clock, file, log or random number is used in this target, and no allocation is made for an event but when memory grows.
package final class Engine {
    /// Raised by any change of the program that changes an effect or a rejection: it is part of every version's digest.
    package static let number: UInt32 = 5

    var table: CustomerTable
    var store = EntryStore()
    var wheel = DeadlineWheel()
    var ahead = Lookahead()

    package internal(set) var rules: Ruleset
    var names: RuleNames
    /// Versions installed so far; the lower 8 bits stand in each row.
    package internal(set) var versionNumber: UInt64 = 0
    var sweep: Sweep?

    /// nil until the first accepted record.
    package internal(set) var clock: Int64?
    /// Where the next round of deadlines begins, so that no customer waits for ever in a flood.
    var fireCursor = 0

    /// Keys the hashes of order and event ids; from the genesis.
    package let key: UInt64
    /// Deadlines before it emit nothing.
    package let emitFrom: Int64
    /// Deadlines at or before it were sent before a rebuild.
    package let rebuiltUpTo: Int64
    /// Of the version in force.
    package internal(set) var limits: StateLimits
    /// What the state counts against `limits.bytes` (StateSize), carried on with every customer and entry.
    package internal(set) var size = 0

    /// Decisions since they were last taken away (Effect.swift).
    package let effects = ByteBuffer(capacity: 1 << 16)
    package var effectCount = 0
    /// Deadlines fired so far, by this process.
    package internal(set) var firedDeadlines: UInt64 = 0

    /// Of the days that `day(at:)` last answered with: events are of one, deadlines often of another.
    private var today = Today.none
    private var otherDay = Today.none
    /// Reused by every decision.
    let windowValues: UnsafeMutablePointer<WindowValues>
    let ladderTexts: UnsafeMutablePointer<Int32>

    var snapshot: SnapshotCursor?
    /// Customers below it belong to the snapshot that is being written; 0 if none is.
    var snapshotEnd = 0
    var restoring: Restoring?

    struct Today {
        var day: Int64
        var from: Int64
        var ends: Int64
        var goesBack: Bool

        static let none = Today(day: 0, from: 0, ends: 0, goesBack: false)
    }

    /// A new version on its way through the customers.
    struct Sweep {
        var cursor: Int
        /// The clock when it was installed: the instant of its decisions.
        var clock: Int64
        var oldRules: Ruleset
        var oldNames: RuleNames
    }

    /// `rules` and `limits` are those of a version. `key` and the two instants come from the shard's genesis. `emitFrom` Int64.min mutes
    /// nothing.
    package init(
        rules: Ruleset, limits: StateLimits = StateLimits(), key: UInt64, emitFrom: Int64 = .min,
        rebuiltUpTo: Int64 = .min
    ) {
        self.rules = rules
        self.limits = limits
        self.key = key
        self.emitFrom = emitFrom
        self.rebuiltUpTo = rebuiltUpTo
        names = RuleNames(rules)
        table = CustomerTable(seed: key)
        windowValues = .allocate(capacity: Limits.windows)
        windowValues.initialize(repeating: WindowValues(lastDayOutside: .max), count: Limits.windows)
        ladderTexts = .allocate(capacity: Limits.ladders)
        ladderTexts.initialize(repeating: -1, count: Limits.ladders)
    }

    deinit {
        endSnapshot()
        table.deallocate()
        store.deallocate()
        wheel.deallocate()
        ahead.deallocate()
        windowValues.deallocate()
        ladderTexts.deallocate()
    }

    package var customerCount: Int { table.count }

    /// Bytes of state taken from the system.
    package var stateBytes: Int { table.bytes + store.bytes }

    /// True if no deadline due at or before the clock and no customer of a new version is left to decide.
    package var isSettled: Bool {
        guard let clock else { return true }
        return sweep == nil && !hasDue(at: clock)
    }

    /// True if a slice that moves the clock to `instant` would fire something.
    package func hasDue(at instant: Int64) -> Bool {
        guard let clock else { return false }
        if sweep != nil { return true }
        wheel.collect(upTo: max(clock, instant), table.rows)
        var next = wheel.due.next(from: 0)
        while let ordinal = next {
            if table.row(ordinal).pointee.due <= max(clock, instant) { return true }
            next = wheel.due.next(from: ordinal + 1)
        }
        return false
    }

    /// Ends a slice: moves the clock to `instant` (never back) and works off a bounded number of what is due.
    package func finishSlice(advancingTo instant: Int64?) {
        guard var clock else { return }
        if let instant { clock = max(clock, instant) }
        self.clock = clock
        var budget = Limits.deadlinesPerSlice
        continueSweep(&budget)
        if budget > 0 {
            wheel.collect(upTo: clock, table.rows)
            fire(upTo: clock, &budget)
        }
    }

    private func fire(upTo clock: Int64, _ budget: inout Int) {
        var at = fireCursor
        // What those before it need was fetched.
        var fetchedTo = 0
        var wrapped = false
        while budget > 0 {
            guard let ordinal = wheel.due.next(from: at), !wrapped || ordinal < fireCursor else {
                if wrapped || fireCursor == 0 { break }
                wrapped = true
                (at, fetchedTo) = (0, 0)
                continue
            }
            if ordinal >= fetchedTo { fetchedTo = fetchDue(from: ordinal) }
            at = ordinal + 1
            let row = table.row(ordinal)
            if row.pointee.due > clock { continue }
            preserve(ordinal)
            while row.pointee.due <= clock && budget > 0 {
                fireDeadline(ordinal, row)
                budget -= 1
            }
            wheel.update(ordinal, table.rows)
            if budget == 0 { fireCursor = row.pointee.due <= clock ? ordinal : ordinal + 1 }
        }
        // A round that came to its end begins anew at the first customer: the cursor matters only inside a flood.
        if budget > 0 { fireCursor = 0 }
    }

    func fireDeadline(_ ordinal: Int, _ row: UnsafeMutablePointer<CustomerRow>) {
        catchUpVersion(ordinal, row)
        let due = row.pointee.due
        firedDeadlines += 1
        let kept = store.open(row)
        defer { store.close(row, kept) }
        decide(ordinal, row, at: due, cause: .deadline, mute: mute(ofDeadline: due), event: nil)
        precondition(row.pointee.due > due, "a deadline must move on when it has fired")
    }

    func mute(ofDeadline due: Int64) -> Mute { due <= rebuiltUpTo ? .rebuild : due < emitFrom ? .backfill : .none }

    /// Day(instant) with its end, from an answer before if that holds.
    @inline(__always)
    func day(at instant: Int64) -> Today {
        if instant >= today.from && instant < today.ends { return today }
        return newDay(at: instant)
    }

    func forgetDays() { (today, otherDay) = (.none, .none) }

    @inline(never)
    private func newDay(at instant: Int64) -> Today {
        swap(&today, &otherDay)
        if instant >= today.from && instant < today.ends { return today }
        let zone = rules.constants.zone
        let day = zone.day(of: instant)
        let next = zone.nextChange(reaching: day + 1, after: instant) ?? .max
        let back = zone.nextChange(reaching: day, after: instant) ?? .max
        today = Today(day: day, from: instant, ends: min(next, back), goesBack: back < next)
        return today
    }
}
