// What can be read about a worker from outside, published by its thread a few times a second: never the live state itself.
import Codec
import Model
import Synchronization

package struct WorkerStatus: Sendable, Equatable {
    package enum Phase: String, Sendable {
        case starting = "starting"
        case joining = "waiting for the consumer group"
        case recovering = "recovering"
        case running = "running"
        case stopping = "stopping"
        case ended = "ended"
    }

    package struct Shard: Sendable, Equatable {
        package var index: Int32
        /// The last committed batch.
        package var batch: UInt64
        /// ms; nil before the first accepted record.
        package var clock: Int64?
        package var customers: Int
        package var stateBytes: Int
        /// Records between what is committed and the end of the inputs; nil when an end is not known.
        package var lag: Int64?
        package var isReplaying: Bool
    }

    /// Since the process began.
    package struct Totals: Sendable, Equatable {
        package var batches: UInt64 = 0
        /// Events and dead letters that were committed.
        package var events: UInt64 = 0
        package var letters: UInt64 = 0
        /// How often the worker began a new life.
        package var recoveries: UInt64 = 0
        /// How often it waited for a slow snapshot before it applied more.
        package var snapshotWaits: UInt64 = 0

        package init() {}

        package mutating func add(_ other: Totals) {
            batches += other.batches
            events += other.events
            letters += other.letters
            recoveries += other.recoveries
            snapshotWaits += other.snapshotWaits
        }
    }

    package var phase = Phase.starting
    package var shards: [Shard] = []
    /// Since the process began; what is applied again after a recovery counts again.
    package var counts = RecordCounts()
    package var totals = Totals()
    package var connectionProblem: String?
    /// Limits of the state at which a record was refused, since the process began.
    package var limitsReached: Set<LimitReached> = []

    package struct LimitReached: Sendable, Hashable {
        package var shard: Int32
        package var reason: RejectionReason
    }

    package init() {}
}

/// Written by one worker's thread, read by any.
package final class StatusBoard: Sendable {
    private let state = Mutex(WorkerStatus())
    private let tickedAt = Atomic<Int64>(0)
    private let clock: TrustedClock

    package init(clock: TrustedClock) {
        self.clock = clock
        tick()
    }

    package var status: WorkerStatus { state.withLock { $0 } }

    func update(_ body: (inout WorkerStatus) -> Void) { state.withLock { body(&$0) } }

    /// The worker's loop went round.
    func tick() { tickedAt.store(clock.elapsed(), ordering: .relaxed) }

    /// ms since the loop last went round.
    package var sinceTick: Int64 { clock.elapsed() - tickedAt.load(ordering: .relaxed) }
}
