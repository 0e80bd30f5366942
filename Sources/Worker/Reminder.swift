// When to say again that something is still so: at once, and then less and less often.

package struct Reminder: Sendable {
    private static let first: Int64 = 30_000
    private static let longest: Int64 = 3_600_000

    private var nextAt: Int64?
    private var interval = Reminder.first

    package init() {}

    /// True if it is to be said now, which is on a clock in ms that never goes back.
    package mutating func isDue(at now: Int64) -> Bool {
        if let nextAt, now < nextAt { return false }
        if nextAt != nil { interval = min(interval * 2, Reminder.longest) }
        nextAt = now + interval
        return true
    }

    /// It is over. True if it was ever said.
    package mutating func end() -> Bool {
        let wasSaid = nextAt != nil
        self = Reminder()
        return wasSaid
    }
}
