// Fetching what an event will need while earlier events are applied: a customer's state is three cache misses away.
import CMemory

/// The last customers who were announced, in groups: lines that are fetched one right after the other are looked for at once, and what
/// each waits for (most of it to find its page) is waited for once.
struct Lookahead {
    /// A power of two.
    static let group = 8
    /// How many steps a group takes (`Engine.fetchGroups`); a power of two.
    static let steps = 4
    /// Lines of one customer at most.
    static let mostLines = 9
    /// Of a group for each step.
    private let hashes: UnsafeMutablePointer<UInt64>
    private let customers: UnsafeMutablePointer<HashIndex.Seeming>
    private let lines: UnsafeMutablePointer<UnsafeRawPointer>
    private var lineCount = 0
    private var count = 0

    init() {
        let places = Lookahead.steps * Lookahead.group
        hashes = .allocate(capacity: places)
        hashes.initialize(repeating: 0, count: places)
        customers = .allocate(capacity: places)
        customers.initialize(repeating: .nobody, count: places)
        lines = .allocate(capacity: Lookahead.group * Lookahead.mostLines)
    }

    func deallocate() {
        hashes.deallocate()
        customers.deallocate()
        lines.deallocate()
    }

    /// True if a group is complete.
    @inline(__always)
    mutating func push(_ hash: UInt64) -> Bool {
        hashes[count & (Lookahead.steps * Lookahead.group - 1)] = hash
        count &+= 1
        return count & (Lookahead.group - 1) == 0
    }

    /// The group that comes to its step (1 is that of the group which was completed last): hashes of its customers, and who they are.
    @inline(__always)
    func atStep(_ step: Int)
        -> (hashes: UnsafeMutablePointer<UInt64>, customers: UnsafeMutablePointer<HashIndex.Seeming>)
    {
        let first = (count &- step * Lookahead.group) & (Lookahead.steps * Lookahead.group - 1)
        return (hashes + first, customers + first)
    }

    @inline(__always)
    mutating func add(_ line: UnsafeRawPointer) {
        lines[lineCount] = line
        lineCount += 1
    }

    @inline(__always)
    mutating func fetchLines() {
        for line in 0..<lineCount { rfmd_prefetch(lines[line]) }
        lineCount = 0
    }
}

extension Engine {
    /// How many events before its own an event's customer is best announced: a group a step, and some events for the last lines to come.
    package static var lookahead: Int { Lookahead.steps * Lookahead.group + 4 }

    /// Tells that an event of this customer comes soon. Changes nothing, and need not be true.
    @inline(__always)
    package func announce(_ customer: UnsafeRawBufferPointer) {
        if ahead.push(table.hash(customer)) { fetchGroups() }
    }

    /// Each group takes its step: to its slots of the index, to its rows, to the rows of those who stand where a bucket of the index goes on,
    /// to what rows name.
    @inline(never)
    private func fetchGroups() {
        let fourth = ahead.atStep(4).customers
        for place in 0..<Lookahead.group {
            if case .ordinal(let ordinal) = fourth[place] { addLines(ordinal, mayClick: self.table.hasActivities) }
        }
        ahead.fetchLines()
        // One copy for a group, or there would be one for each of them.
        let table = table
        let third = ahead.atStep(3)
        for place in 0..<Lookahead.group {
            guard case .further = third.customers[place], let ordinal = table.ordinal(seeming: third.hashes[place])
            else { continue }
            third.customers[place] = .ordinal(ordinal)
            rfmd_prefetch(table.row(ordinal))
        }
        let second = ahead.atStep(2)
        for place in 0..<Lookahead.group {
            second.customers[place] = table.nearest(second.hashes[place])
            if case .ordinal(let ordinal) = second.customers[place] { rfmd_prefetch(table.row(ordinal)) }
        }
        let first = ahead.atStep(1).hashes
        for place in 0..<Lookahead.group { table.prefetchSlot(first[place]) }
    }

    /// Fetches what the next group of those who are due needs, from `start` on; returns where that group ends.
    func fetchDue(from start: Int) -> Int {
        let end = nextDue(from: start) { rfmd_prefetch(table.row($0)) }
        _ = nextDue(from: start) { addLines($0, mayClick: false) }
        ahead.fetchLines()
        return end
    }

    @inline(__always)
    private func nextDue(from start: Int, _ body: (Int) -> Void) -> Int {
        var at = start
        for _ in 0..<Lookahead.group {
            guard let ordinal = wheel.due.next(from: at) else { break }
            body(ordinal)
            at = ordinal + 1
        }
        return at
    }

    /// What an event or a deadline may read of a customer besides his row, and what a first click would write.
    @inline(__always)
    private func addLines(_ ordinal: Int, mayClick: Bool) {
        let row = table.row(ordinal)
        if mayClick || row.pointee.contents.contains(.activity) {
            // A quarter of them lie in two lines.
            let activity = UnsafeRawPointer(table.activity(ordinal))
            ahead.add(activity)
            ahead.add(activity + MemoryLayout<Activity>.size - 1)
        }
        if row.pointee.entryCount == 0 { return }
        if let next = store.nextOfMany(row) { ahead.add(next) }
        let bytes = store.bytes(of: row)
        // Clicks and the next place took three.
        for line in 0..<min(Lookahead.mostLines - 3, (bytes.count + 63) >> 6) {
            ahead.add(bytes.baseAddress! + line << 6)
        }
    }
}
