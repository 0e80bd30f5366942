// What rfmd takes in at most, with its unit, in one place; docs/limits.md says what happens when a bound is reached. How long and how
// often one part waits for another stands with the part that waits.

package enum Limits {
    // Records.

    /// Largest customer id, in bytes of UTF-8.
    package static let customerIDBytes = 255
    /// Largest event or order id, in bytes of UTF-8.
    package static let eventIDBytes = 1_024
    /// Deepest nesting of a JSON record.
    package static let jsonDepth = 64
    /// Earliest and latest instant that a record may name, in ms since 1970 (1900-01-01 and 2200-01-01, UTC).
    package static let earliestTime: Int64 = -2_208_988_800_000
    package static let latestTime: Int64 = 7_258_118_400_000
    /// Largest amount of one record, in minor units: sums of `entriesPerCustomer` of them stay far inside Int64.
    package static let amountMinorUnits: Int64 = 1_000_000_000_000_00

    /// Longest line of a file that `rfmd replay` reads, in bytes: more than a broker is likely to take as one record.
    package static let replayLineBytes = 16 << 20

    // State.

    /// Customers of one shard.
    package static let customersPerShard = 100_000_000
    /// What is kept for one customer, his warnings aside: orders inside the longest window, refunds and lines that were seen or wait, and clicks
    /// that may come again.
    package static let entriesPerCustomer = 8_192
    /// Orders of one customer that left the longest window; far inside the 32 bits that count them.
    package static let agedOrders: UInt32 = 2_000_000_000
    /// Largest sum of one customer in minor units; a record that would pass it is rejected.
    package static let spendMinorUnits: Int64 = 4_000_000_000_000_000_000

    // Configuration.

    /// Size of the configuration file, in bytes; its values and keys; and how deep they are nested.
    package static let configurationBytes = 1 << 20
    package static let configurationNodes = 20_000
    package static let configurationDepth = 32
    /// Size of a file that holds a secret, in bytes.
    package static let secretBytes = 64 << 10
    /// Longest window, in days.
    package static let windowDays = 1_100
    /// The longest window is never shorter than this, in days.
    package static let leastLongestWindow = 90
    package static let windows = 8
    package static let ladders = 4
    package static let rungsPerLadder = 64
    package static let warnings = 16
    package static let inputs = 16
    package static let expressionBytes = 2_048
    package static let expressionDepth = 64
    /// Digits of a literal number in a rule, before and after the point together.
    package static let literalDigits = 18
    /// Longest literal duration in a rule, in days of 24 h.
    package static let literalDays: Int64 = 365_000

    // Slices and batches (docs/ARCHITECTURE.md).

    /// Deadlines that one slice fires at most, after its records.
    package static let deadlinesPerSlice = 2_000
    /// Records that one slice holds at most, over all inputs of its shard.
    package static let recordsPerSlice = 20_000
    /// The same while deadlines are due: a flood of them and the records that come meanwhile take turns.
    package static let recordsPerSliceWhileDue = 2_000
    /// Records of one partition that wait for another input of their shard; a partition that is ahead is read no further. Never fewer than
    /// `recordsPerSlice` of any program that wrote a journal, or a slice of it could not be applied again.
    package static let recordsWaiting = 20_000
    /// Slices of one shard in one batch.
    package static let slicesPerBatch = 256
    /// Records in one batch, over all its shards.
    package static let recordsPerBatch = 400_000
    /// Bytes of effects in one batch; letters count too. Nothing more is applied to a batch that has reached one of these bounds.
    package static let effectBytesPerBatch = 4 << 20
    /// Time from a batch's first slice until nothing more is applied to it, in ms.
    package static let batchMilliseconds: Int64 = 1_000
    /// A worker that applies as many records in a round, over all its shards, is behind: at half its speed a round has a few hundred.
    package static let recordsOfFullRound = 4_000
    /// Time from a batch's first slice for which a worker that is behind goes on with it, in ms, though the committer is free.
    package static let batchGrowMilliseconds: Int64 = 100

    // Memory and messages beside the state.

    /// Records that the client of one worker fetches ahead, over all the partitions that it may have: where it has them all, enough for the
    /// 150 ms that librdkafka 2.0.2 sleeps when no partition wants more (docs/performance.md).
    package static let waitingRecords = 160_000
    /// Records that wait in the client of one worker, in kilobytes (1,024 bytes), over all its partitions.
    package static let waitingKilobytes = 262_144
    /// Applied records of one worker that wait for librdkafka to free them: about what one answer brings of four partitions whose records
    /// are compressed to a quarter.
    package static let returnedRecords = 80_000
    /// Keys and values of applied records of one worker that wait for librdkafka to free them, in kilobytes (1,024 bytes).
    package static let returnedKilobytes = 32_768
    /// Messages in the producer of one worker that brokers have not yet confirmed, in kilobytes: little enough that their memory is used again
    /// and again within a transaction, enough that no broker waits.
    package static let unconfirmedKilobytes = 16_384
    /// What a dead letter may be larger than its record, in bytes: headers and the reason.
    package static let letterMarginBytes = 64 << 10

    // Stopping.

    /// Time in which what is in hand must be committed when shards are taken away or the worker stops, in ms.
    package static let settleMilliseconds: Int64 = 30_000
    /// Time for the last snapshots, in ms; what is missing is applied again from the journal.
    package static let lastSnapshotMilliseconds: Int64 = 60_000

    // Snapshots.

    /// What a snapshot may hold back in memory while its writer catches up, in bytes.
    package static let snapshotBufferBytes = 64 << 20
    /// One chunk of a snapshot before it is compressed, in bytes: what was held back, and the next customers.
    package static let snapshotChunkBytes = 2 * snapshotBufferBytes
    /// What a snapshot file says of itself before its chunks, in bytes: mostly the journal record.
    package static let snapshotIdentityBytes = 1 << 20
    /// Age in seconds from which another instance's unfinished snapshot file is taken for abandoned.
    package static let snapshotAbandonedSeconds = 86_400

    // The process.

    /// Files that it must be allowed to open: one worker and its brokers take about 70.
    package static let leastOpenFiles = 256
    /// Addresses that it must be allowed to use (`ulimit -v`), in bytes: threads reserve far more than they touch.
    package static let leastAddressBytes = 2 << 30
}
