// A time zone as a table of offsets: what the engine knows of the calendar, the same on every machine.

/// Calendar days of a zone. The table is part of the configuration's version, so a new tzdata is a new version.
package final class ZoneTable: Sendable, Equatable {
    package let name: String
    /// Instants (ms UTC) from which the offset of the same index + 1 holds; ascending.
    package let transitions: [Int64]
    /// Offsets from UTC in ms; one more than `transitions`.
    package let offsets: [Int64]
    /// The table as it is looked up; valid as long as this.
    package let calendar: ZoneCalendar

    package static let utc = ZoneTable(name: "UTC", transitions: [], offsets: [0])

    package init(name: String, transitions: [Int64], offsets: [Int64]) {
        precondition(offsets.count == transitions.count + 1)
        precondition(zip(transitions, transitions.dropFirst()).allSatisfy { $0 < $1 })
        self.name = name
        self.transitions = transitions
        self.offsets = offsets
        calendar = ZoneCalendar(transitions, offsets)
    }

    deinit { calendar.deallocate() }

    package static func == (one: ZoneTable, other: ZoneTable) -> Bool {
        one.name == other.name && one.transitions == other.transitions && one.offsets == other.offsets
    }

    package func day(of instant: Int64) -> Int64 { calendar.day(of: instant) }

    package func nextChange(reaching day: Int64, after instant: Int64) -> Int64? {
        calendar.nextChange(reaching: day, after: instant)
    }
}

/// Transitions and offsets of a zone as plain memory, which no reference is counted for.
package struct ZoneCalendar: BitwiseCopyable, @unchecked Sendable {
    private let transitions: UnsafeMutableBufferPointer<Int64>
    private let offsets: UnsafeMutableBufferPointer<Int64>

    fileprivate init(_ transitions: [Int64], _ offsets: [Int64]) {
        self.transitions = .allocate(capacity: transitions.count)
        _ = self.transitions.initialize(from: transitions)
        self.offsets = .allocate(capacity: offsets.count)
        _ = self.offsets.initialize(from: offsets)
    }

    fileprivate func deallocate() {
        transitions.deallocate()
        offsets.deallocate()
    }

    /// Number of transitions at or before `instant`: the index of the offset in force.
    private func segment(at instant: Int64) -> Int {
        var low = 0
        var high = transitions.count
        while low < high {
            let middle = (low + high) / 2
            if transitions[middle] <= instant { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// Day(t): the calendar day of `instant`, as a number since 1970-01-01.
    @inline(__always)
    package func day(of instant: Int64) -> Int64 {
        let offset = transitions.isEmpty ? offsets[0] : offsets[segment(at: instant)]
        return CivilTime.floorDivide(instant + offset, CivilTime.millisecondsPerDay)
    }

    /// The first instant after `instant` at which `Day(t) >= day` is not what it is at `instant`; nil if there is none.
    ///
    /// There is one such instant a day in most places. Where a clock is set back over midnight the day begins twice, and both count.
    package func nextChange(reaching day: Int64, after instant: Int64) -> Int64? {
        let local = day * CivilTime.millisecondsPerDay
        var segment = transitions.isEmpty ? 0 : self.segment(at: instant)
        // Day(instant) >= day, without a division.
        let holds = instant >= local - offsets[segment]
        while segment < offsets.count {
            let begins = segment == 0 ? Int64.min : transitions[segment - 1]
            let ends = segment == transitions.count ? Int64.max : transitions[segment]
            let crossing = local - offsets[segment]
            // Within one segment `Day(t) >= day` is false before `crossing` and true from it.
            if holds {
                if begins > instant && begins < crossing { return begins }
            } else {
                let first = max(crossing, begins)
                if first > instant && first < ends { return first }
            }
            if begins > local + 2 * CivilTime.millisecondsPerDay { return nil }
            segment += 1
        }
        return nil
    }
}
