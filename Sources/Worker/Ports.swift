// What a worker needs from the outside world: a log to read, and a transaction to write into.
//
// Each protocol has one real implementation (KafkaTransport) and a simulated one (Simulator). The place for snapshots is in
// SnapshotPort.swift, threads are in Lane.swift. All times are milliseconds. Unless a member says otherwise, it is called from the thread that owns the object, and from no other.
import Model

/// Why the transport could not do what was asked. Closed on purpose: a worker has an answer for each (docs/ARCHITECTURE.md).
package enum TransportFailure: Error, Equatable, Sendable {
    /// The same call may be made again; nothing was changed.
    case retriable(String)
    /// This transaction is lost, or it is not known whether it was committed: drop shards and producer, recover.
    case abort(String)
    /// Another instance with the same name has taken over (producer or static member fenced): say so and exit.
    case fenced(String)
    /// The brokers know no such topic or partition. Some hear late of one that is there.
    case missing(String)
    /// This client is lost: drop shards and clients, recover with new ones.
    case fatal(String)

    package var text: String {
        switch self {
        case .retriable(let text), .abort(let text), .fenced(let text), .missing(let text), .fatal(let text): text
        }
    }
}

/// One record, valid until it is released. `message` names it to `RecordSource.headers`. Thousands of them wait: it has 48 bytes.
public struct RawRecord {
    public let offset: Int64
    @usableFromInline let time: Int64
    @usableFromInline let keyStart: UnsafeRawPointer?
    @usableFromInline let valueStart: UnsafeRawPointer?
    @usableFromInline let keyCount: UInt32
    @usableFromInline let valueCount: UInt32
    public let message: OpaquePointer?

    /// `timestamp` is not negative; key and value have less than 4 GiB, and empty ones an address.
    @inlinable
    public init(
        offset: Int64, timestamp: Int64?, key: UnsafeRawBufferPointer?, value: UnsafeRawBufferPointer?,
        message: OpaquePointer?
    ) {
        assert((key == nil || key?.baseAddress != nil) && (value == nil || value?.baseAddress != nil))
        assert((timestamp ?? 0) >= 0)
        self.offset = offset
        time = timestamp ?? -1
        (keyStart, keyCount) = (key?.baseAddress, UInt32(key?.count ?? 0))
        (valueStart, valueCount) = (value?.baseAddress, UInt32(value?.count ?? 0))
        self.message = message
    }

    /// The Kafka timestamp; nil when the broker gave none.
    @inlinable
    public var timestamp: Int64? { time < 0 ? nil : time }

    /// nil for a record without a key.
    @inlinable
    public var key: UnsafeRawBufferPointer? {
        keyStart.map { UnsafeRawBufferPointer(start: $0, count: Int(keyCount)) }
    }

    /// nil for a tombstone.
    @inlinable
    public var value: UnsafeRawBufferPointer? {
        valueStart.map { UnsafeRawBufferPointer(start: $0, count: Int(valueCount)) }
    }
}

package struct RecordHeader: Equatable, Sendable {
    package var name: String
    /// nil is a header without a value, which is not an empty one.
    package var value: [UInt8]?

    package init(name: String, value: [UInt8]?) {
        self.name = name
        self.value = value
    }
}

/// One partition of one topic.
package struct TopicPartition: Hashable, Sendable, CustomStringConvertible {
    package var topic: String
    package var partition: Int32

    package init(topic: String, partition: Int32) {
        self.topic = topic
        self.partition = partition
    }

    package var description: String { "\(topic)[\(partition)]" }
}

/// What the group decided. After `.assigned` nothing is read until `assign` gives the positions.
package enum GroupEvent: Sendable {
    /// These partitions are this member's, whole (eager protocol). `membership` is of this generation, for `TransactionSink.commit`.
    case assigned([TopicPartition], membership: any Membership)
    /// All partitions are taken away. `lost`: the group went on without this member, nothing of it can be committed any more.
    /// The worker stops its shards and calls `unassign`.
    case revoked(lost: Bool)
    /// The brokers cannot be reached, or can again (nil): for logs and the status line.
    case connection(problem: String?)
    /// Not recoverable by waiting.
    case failed(TransportFailure)
}

/// The group metadata of one generation, as the broker's fencing needs it. Opaque; may cross threads.
package protocol Membership: AnyObject, Sendable {}

/// How far one partition was known to reach, in answer to one question.
package struct EndAnswer: Sendable {
    /// The last stable offset.
    package var offset: Int64
    /// The machine's clock before the question was asked.
    package var askedAt: Int64

    package init(offset: Int64, askedAt: Int64) {
        self.offset = offset
        self.askedAt = askedAt
    }
}

/// A member of the consumer group, reading every assigned partition through a queue of its own.
package protocol RecordSource: AnyObject {
    /// Serves the group for at most `timeout` ms and returns the next thing that happened, or nil.
    func poll(timeout: Int32) -> GroupEvent?

    /// Begins to read each partition at its offset, in answer to `.assigned`.
    func assign(_ positions: [TopicPartition: Int64]) throws(TransportFailure)
    /// Gives up every partition, in answer to `.revoked` or on the way down. Records that were handed out have to be released all the same.
    func unassign()
    /// Destroys the client. A static member does not leave: its session ends by itself, or it comes back. Idempotent.
    func close()

    /// Waits at most `timeout` ms until a record or something of the group has arrived, or `wake` is called.
    func wait(timeout: Int32)
    /// Ends a `wait`, the present one or else the next. May be called from any thread, also after `close`.
    var wake: @Sendable () -> Void { get }
    /// Moves at most `limit` records that have arrived for `partition` to the end of `records`, in offset order, without
    /// waiting. Returns the position if the end of the partition was reached behind them (control records included).
    func take(_ partition: TopicPartition, limit: Int, into records: inout [RawRecord]) throws(TransportFailure)
        -> Int64?
    /// Records that `take` gave out are not read any more: their memory is freed, now or later, on this thread or another.
    func release(_ records: ArraySlice<RawRecord>)
    /// The headers of a record that was not yet released.
    func headers(of record: RawRecord) -> [RecordHeader]

    /// The newest answer to "where does this partition end", asked at least twice a second in the background for assigned
    /// partitions; nil before the first answer of this assignment.
    func end(of partition: TopicPartition) -> EndAnswer?

    /// Committed positions of the group, without those that were never committed. Waits at most 5 s until they are stable
    /// (no transaction with positions is open), then fails as retriable.
    func committed(_ partitions: [TopicPartition]) throws(TransportFailure) -> [TopicPartition: Int64]
}

/// A reader of whole partitions with no group: for the journal, the versions, dead letters, and tests.
package protocol LogReader: AnyObject {
    /// First offset kept and the high watermark (behind open transactions, not before them). Waits less than 20 s for the broker. One
    /// that is not there fails as missing.
    func range(of partition: TopicPartition) throws(TransportFailure) -> (first: Int64, end: Int64)
    /// Those in which a transaction is open: their last stable offset lies before the high watermark. Fails as retriable or missing if that is
    /// not known of one of them. Waits less than 20 s for the brokers.
    func openTransactions(in partitions: [TopicPartition]) throws(TransportFailure) -> [TopicPartition]
    /// Calls `body` with each committed record in [from, end), in order; returns when the position reaches `end`. Open transactions
    /// below `end` are waited for. `from` below the first offset kept begins there. `progress` is called at least every second.
    func read(
        _ partition: TopicPartition, from: Int64, end: Int64, progress: () throws(TransportFailure) -> Void,
        body: (RawRecord) throws(TransportFailure) -> Void
    ) throws(TransportFailure)
    func close()
}

/// One message of a transaction; its parts are ranges of `MessageRun.bytes`.
package struct OutputMessage: Sendable {
    package var topic: Int
    package var partition: Int32
    /// nil: no key.
    package var key: Range<Int>?
    /// nil: a tombstone.
    package var value: Range<Int>?
    /// Index into `MessageRun.headers`.
    package var headers: Int
    /// nil: the broker's or the client's clock.
    package var timestamp: Int64?
    /// `CommitOutcome.committed` tells its offset.
    package var isTracked: Bool

    package init(
        topic: Int, partition: Int32, key: Range<Int>?, value: Range<Int>?, headers: Int, timestamp: Int64? = nil,
        isTracked: Bool = false
    ) {
        self.topic = topic
        self.partition = partition
        self.key = key
        self.value = value
        self.headers = headers
        self.timestamp = timestamp
        self.isTracked = isTracked
    }
}

/// Messages that follow one another in a transaction.
package struct MessageRun {
    package var topics: [String]
    package var bytes: UnsafeRawBufferPointer
    package var messages: [OutputMessage]
    /// Header lists that messages share.
    package var headers: [[RecordHeader]]

    package init(
        topics: [String], bytes: UnsafeRawBufferPointer, messages: [OutputMessage], headers: [[RecordHeader]]
    ) {
        self.topics = topics
        self.bytes = bytes
        self.messages = messages
        self.headers = headers
    }
}

/// What a transaction commits beside its messages.
package struct InputPositions: Sendable {
    /// The next offset to read of every input partition of every shard in the batch; empty for what is no part of a group's reading.
    package var positions: [(TopicPartition, Int64)]
    /// nil if there are no positions.
    package var membership: (any Membership)?

    package init(positions: [(TopicPartition, Int64)], membership: (any Membership)?) {
        self.positions = positions
        self.membership = membership
    }

    package static let none = InputPositions(positions: [], membership: nil)
}

/// A transactional producer, owned by a committer thread. What becomes visible together, or not at all, comes in runs, so that no side has
/// to hold the whole.
package protocol TransactionSink: AnyObject {
    /// Fences older producers of the same name and ends their transactions. Retried inside while the broker is away,
    /// until `cancelled` answers true.
    func initialize(cancelled: () -> Bool) throws(TransportFailure)
    /// Adds messages to the open transaction, or begins one with them. They are copied: the run's memory is the caller's again. The
    /// messages of a transaction are numbered through its runs, from 0.
    /// What is wrong with a message may be told here or by `commit`; after any throw the transaction is lost.
    func produce(_ run: MessageRun) throws(TransportFailure)
    /// Sends the positions and commits what was produced. Returns only when the commit is certain.
    /// Any throw leaves it unknown whether it was committed. A message that is larger than the broker takes is told by `.refused`, with
    /// nothing committed: the caller shortens it and produces everything again.
    func commit(_ inputs: InputPositions) throws(TransportFailure) -> CommitOutcome
    /// Sends what was produced and the positions, and aborts the transaction once all of it has arrived. What an earlier transaction of
    /// this name was left without an end in the same partitions ends with it, aborted too.
    func abort(_ inputs: InputPositions) throws(TransportFailure)
    /// Called behind a commit: returns when brokers are likely to take the next transaction without refusing it at first. It may return at
    /// once.
    func rest()
    /// Destroys the producer without waiting for what is in flight. Idempotent.
    func close()
}

package enum CommitOutcome: Equatable, Sendable {
    /// Offsets of the tracked messages, in their order.
    case committed(offsets: [Int64])
    /// Nothing was committed: the messages with these numbers are larger than the broker takes, or were refused with one that is.
    case refused(tooLarge: [Int])
}

/// Tidies up behind snapshots: prunes the folder, then trims the journal. Its calls never wait; the work is done by another thread.
package protocol Housekeeper: AnyObject, Sendable {
    /// Keeps the newest `keep` snapshots of a shard, and the journal from the record of the oldest of them on. `offsets` tells where
    /// in `journal` the records of the batches lie that the caller knows. Snapshots of another genesis do not count.
    func tidy(
        group: String, shard: Int32, genesis: Digest, keep: Int, journal: TopicPartition, offsets: [UInt64: Int64])
}
