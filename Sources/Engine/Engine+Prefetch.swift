// Fetching what an event will need while earlier events are applied: a customer's state is three cache misses away.
import CMemory

/// The last customers who were announced, in groups: lines that are fetched one right after the other are looked for at once, and what
/// each waits for (most of it to find its page) is waited for once.
struct Lookahead {
    /// A power of two.
    static let group = 8
    /// Lines of one customer at most.
    static let mostLines = 9
    private static let hashCount = 2 * group
    /// Of two groups: those who are announced now, and those before.
    private let hashes: UnsafeMutablePointer<UInt64>
    /// Of the group before those; -1 where there is nobody.
    let ordinals: UnsafeMutablePointer<Int>
    private let lines: UnsafeMutablePointer<UnsafeRawPointer>
    private var lineCount = 0
    private var count = 0

    init() {
        hashes = .allocate(capacity: Lookahead.hashCount)
        hashes.initialize(repeating: 0, count: Lookahead.hashCount)
        ordinals = .allocate(capacity: Lookahead.group)
        ordinals.initialize(repeating: -1, count: Lookahead.group)
        lines = .allocate(capacity: Lookahead.group * Lookahead.mostLines)
    }

    func deallocate() {
        hashes.deallocate()
        ordinals.deallocate()
        lines.deallocate()
    }

    /// True if a group is complete.
    @inline(__always)
    mutating func push(_ hash: UInt64) -> Bool {
        hashes[count & (Lookahead.hashCount - 1)] = hash
        count &+= 1
        return count & (Lookahead.group - 1) == 0
    }

    /// Of the group that was completed last.
    var newest: UnsafeMutablePointer<UInt64> { hashes + ((count &- Lookahead.group) & (Lookahead.hashCount - 1)) }

    /// Of the one before it.
    var before: UnsafeMutablePointer<UInt64> { hashes + (count & (Lookahead.hashCount - 1)) }

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
    /// How many events before its own an event's customer is best announced: three groups, and some events for the last lines to come.
    package static var lookahead: Int { 3 * Lookahead.group + 4 }

    /// Tells that an event of this customer comes soon. Changes nothing, and need not be true.
    @inline(__always)
    package func announce(_ customer: UnsafeRawBufferPointer) {
        if ahead.push(table.hash(customer)) { fetchGroups() }
    }

    /// Each of three groups takes its step: to its slots of the index, to its rows, to what these name.
    @inline(never)
    private func fetchGroups() {
        for place in 0..<Lookahead.group where ahead.ordinals[place] >= 0 { addLines(ahead.ordinals[place]) }
        ahead.fetchLines()
        // One copy for a group, or there would be one for each of them.
        let table = table
        let (before, newest) = (ahead.before, ahead.newest)
        for place in 0..<Lookahead.group { ahead.ordinals[place] = table.ordinal(seeming: before[place]) ?? -1 }
        for place in 0..<Lookahead.group where ahead.ordinals[place] >= 0 {
            rfmd_prefetch(table.row(ahead.ordinals[place]))
        }
        for place in 0..<Lookahead.group { table.prefetchSlot(newest[place]) }
    }

    /// Fetches what the next group of those who are due needs, from `start` on; returns where that group ends.
    func fetchDue(from start: Int) -> Int {
        let end = nextDue(from: start) { rfmd_prefetch(table.row($0)) }
        _ = nextDue(from: start) { addLines($0) }
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

    /// What an event may read of a customer besides his row.
    @inline(__always)
    private func addLines(_ ordinal: Int) {
        let row = table.row(ordinal)
        if row.pointee.contents.contains(.activity) {
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
