// How much the client of one worker fetches ahead of what is applied.
import Model

/// The bounds of what waits in the client, for each of its partitions.
package struct FetchAhead: Sendable {
    let records: Int
    let kilobytes: Int

    /// With less, a worker that has one busy partition among many waits for its records.
    private static let leastRecords = 20_000
    private static let leastKilobytes = 8_192

    /// The bounds of `Limits`, shared out over as many partitions as a worker may have, 1 and more.
    package init(partitions: Int) {
        records = max(Limits.waitingRecords / partitions, FetchAhead.leastRecords)
        kilobytes = min(
            max(Limits.waitingKilobytes / partitions, FetchAhead.leastKilobytes), Limits.waitingKilobytes / 2)
    }
}
