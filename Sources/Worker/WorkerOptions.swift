// What a worker is told when it is made: its part of the configuration, and its ports.
import Codec
import Model

package struct WorkerOptions: Sendable {
    /// Counts from 0 within the process.
    package var number: Int
    package var group: String
    /// Partitions of each input when the process started, and so of the journal.
    package var partitions: Int32
    package var topics: OutputTopics
    package var format: EventEncoder.Format
    /// CloudEvents' `source`: /rfmd/<cluster>/<group>.
    package var source: String
    /// The version that is to be in force.
    package var version: Version
    /// ms; .min for "earliest", nil for the moment of the genesis.
    package var emitFrom: Int64?
    /// ms.
    package var snapshotEvery: Int64
    package var snapshotsKept: Int
    /// State that cannot be recovered is given up, and begun anew.
    package var rebuilds: Bool
    package var bounds = BatchBounds()

    package init(
        number: Int, group: String, partitions: Int32, topics: OutputTopics, format: EventEncoder.Format,
        source: String, version: Version,
        emitFrom: Int64?, snapshotEvery: Int64, snapshotsKept: Int, rebuilds: Bool
    ) {
        self.number = number
        self.group = group
        self.partitions = partitions
        self.topics = topics
        self.format = format
        self.source = source
        self.version = version
        self.emitFrom = emitFrom
        self.snapshotEvery = snapshotEvery
        self.snapshotsKept = snapshotsKept
        self.rebuilds = rebuilds
    }
}

/// How much a worker takes in hand at once; the values are those of `Limits`, where they are explained.
package struct BatchBounds: Sendable {
    package var recordsPerSlice = Limits.recordsPerSlice
    package var recordsWaiting = Limits.recordsWaiting
    package var slices = Limits.slicesPerBatch
    package var records = Limits.recordsPerBatch
    package var effectBytes = Limits.effectBytesPerBatch
    package var milliseconds = Limits.batchMilliseconds
    package var recordsOfFullRound = Limits.recordsOfFullRound
    package var growMilliseconds = Limits.batchGrowMilliseconds
    package var snapshotBufferBytes = Limits.snapshotBufferBytes
    /// What one part of a snapshot is handed over in.
    package var snapshotPartBytes = 256 << 10

    package init() {}
}

/// Clients are made anew after every reset, by the worker's thread.
package struct WorkerPorts: Sendable {
    package var source: @Sendable () throws(TransportFailure) -> any RecordSource
    package var sink: @Sendable () throws(TransportFailure) -> any TransactionSink
    package var reader: @Sendable () throws(TransportFailure) -> any LogReader
    package var lanes: any Lanes
    package var vault: any SnapshotVault
    package var housekeeper: any Housekeeper
    package var clock: TrustedClock
    /// Names a genesis; never the same twice.
    package var randomID: @Sendable () -> Digest
    package var observer: any WorkerObserver

    package init(
        source: @escaping @Sendable () throws(TransportFailure) -> any RecordSource,
        sink: @escaping @Sendable () throws(TransportFailure) -> any TransactionSink,
        reader: @escaping @Sendable () throws(TransportFailure) -> any LogReader, lanes: any Lanes,
        vault: any SnapshotVault,
        housekeeper: any Housekeeper, clock: TrustedClock, randomID: @escaping @Sendable () -> Digest,
        observer: any WorkerObserver
    ) {
        self.source = source
        self.sink = sink
        self.reader = reader
        self.lanes = lanes
        self.vault = vault
        self.housekeeper = housekeeper
        self.clock = clock
        self.randomID = randomID
        self.observer = observer
    }
}
