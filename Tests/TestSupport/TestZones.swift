// Zones written out by hand, so that tests of pure code need no zone files.
import Model

package enum TestZones {
    private static let hour: Int64 = 3_600_000
    private static let minute: Int64 = 60_000

    /// `local` is what the clock on the wall shows just before the change.
    private static func zone(_ name: String, standard: Int64, _ changes: [(local: String, saving: Bool)]) -> ZoneTable {
        var transitions: [Int64] = []
        var offsets = [standard]
        for change in changes {
            guard let local = CivilTime.parse(change.local + "Z") else {
                preconditionFailure("no time: \(change.local)")
            }
            transitions.append(local - offsets[offsets.count - 1])
            offsets.append(change.saving ? standard + hour : standard)
        }
        return ZoneTable(name: name, transitions: transitions, offsets: offsets)
    }

    /// The clock goes from 02:00 to 03:00 and back from 03:00 to 02:00.
    package static let berlin = zone(
        "Europe/Berlin", standard: hour,
        [
            ("2025-03-30T02:00:00", true), ("2025-10-26T03:00:00", false), ("2026-03-29T02:00:00", true),
            ("2026-10-25T03:00:00", false), ("2027-03-28T02:00:00", true), ("2027-10-31T03:00:00", false),
        ])

    /// The clock is set at one minute past midnight: forward to 01:01, and back to 23:01 of the day before.
    package static let backOverMidnight = zone(
        "America/St_Johns", standard: -3 * hour - 30 * minute,
        [
            ("2025-03-09T00:01:00", true), ("2025-11-02T00:01:00", false), ("2026-03-08T00:01:00", true),
            ("2026-11-01T00:01:00", false), ("2027-03-14T00:01:00", true), ("2027-11-07T00:01:00", false),
        ])

    /// The clock goes from midnight to 01:00, so a day has no midnight, and back from midnight to 23:00.
    package static let noMidnight = zone(
        "Africa/Cairo", standard: 2 * hour,
        [
            ("2025-04-25T00:00:00", true), ("2025-10-31T00:00:00", false), ("2026-04-24T00:00:00", true),
            ("2026-10-30T00:00:00", false), ("2027-04-30T00:00:00", true), ("2027-10-29T00:00:00", false),
        ])

    package static let all: [ZoneTable] = [.utc, berlin, backOverMidnight, noMidnight]
}
