// The committer: a thread that owns the transactional producer and commits one sealed batch at a time.
import Codec
import Glibc
import Model
import Rules

/// What the owner of the shards hands over: everything of one batch.
///
/// Sendable because it changes hands whole: the owner does not touch the buffers again.
struct SealedBatch: @unchecked Sendable {
    struct Part {
        var shard: Int32
        /// The genesis' id.
        var genesis: Digest
        var batch: UInt64
        var effects: ByteBuffer
        var sections: [(from: Int, version: Digest)]
        var letters: [DeadLetter]
        var journal: [UInt8]
        var positions: [(TopicPartition, Int64)]
    }

    var parts: [Part]
    var membership: any Membership
    /// Versions that are to be written to rfm.versions with this batch.
    var versions: [(digest: Digest, bytes: [UInt8])]
    /// How to write the effects of each version.
    var encoders: [Digest: EventEncoder]
}

package enum CommitResult: Sendable, Equatable {
    case committed(CommitReport)
    case failed(TransportFailure)
}

package struct CommitReport: Sendable, Equatable {
    /// Events and letters sent, and letters that were cut short.
    package var events = 0
    package var letters = 0
    package var truncated = 0
    /// Where the journal records lie, by shard.
    package var journalOffsets: [Int32: Int64] = [:]
}

/// Names of the topics that rfmd writes.
package struct OutputTopics: Sendable {
    package var ladders: [String: String]
    package var warnings: String
    package var deadLetters: String
    package var journal: String
    package var versions: String

    package init(ladders: [String: String], warnings: String, deadLetters: String, journal: String, versions: String) {
        self.ladders = ladders
        self.warnings = warnings
        self.deadLetters = deadLetters
        self.journal = journal
        self.versions = versions
    }

    /// The topic of a ladder; an added one goes to rfm.NAME-changes.
    package func topic(ofLadder name: String) -> String { ladders[name] ?? "rfm.\(name)-changes" }
}

/// One job at a time between two threads: the owner puts it in, the committer's thread works on it, the owner takes the result.
final class Committer: @unchecked Sendable {
    private enum Job {
        case initialize
        case commit(SealedBatch)
    }

    // Everything below is only touched with the lock held, but `sink` and `writer`, which belong to the thread.
    private let lock: UnsafeMutablePointer<pthread_mutex_t> = .allocate(capacity: 1)
    private let changed: UnsafeMutablePointer<pthread_cond_t> = .allocate(capacity: 1)
    private var job: Job?
    private var isBusy = false
    private var result: CommitResult?
    private var stops = false
    private var ended = false

    private let sink: any TransactionSink
    private let writer: BatchWriter
    private let wake: @Sendable () -> Void

    /// `wake` is called from the committer's thread when a result is there.
    init(sink: any TransactionSink, topics: OutputTopics, format: EventEncoder.Format, wake: @escaping @Sendable () -> Void) {
        self.sink = sink
        self.wake = wake
        writer = BatchWriter(topics: topics, format: format)
        pthread_mutex_init(lock, nil)
        pthread_cond_init(changed, nil)
        var thread = pthread_t()
        let failure = pthread_create(&thread, nil, Committer.entry, Unmanaged.passRetained(self).toOpaque())
        precondition(failure == 0, "a thread cannot be started")
        pthread_detach(thread)
    }

    deinit {
        pthread_mutex_destroy(lock)
        pthread_cond_destroy(changed)
        lock.deallocate()
        changed.deallocate()
    }

    private static let entry: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { opaque in
        guard let opaque else { return nil }
        Unmanaged<Committer>.fromOpaque(opaque).takeRetainedValue().run()
        return nil
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(lock)
        defer { pthread_mutex_unlock(lock) }
        return body()
    }

    /// True if nothing is in flight and no result waits.
    var isIdle: Bool { locked { !isBusy && result == nil } }

    func initialize() { submit(.initialize) }

    func commit(_ batch: SealedBatch) { submit(.commit(batch)) }

    private func submit(_ job: Job) {
        locked {
            precondition(!isBusy && result == nil, "one batch at a time")
            self.job = job
            isBusy = true
            pthread_cond_signal(changed)
        }
    }

    /// The result of what was submitted, once.
    func takeResult() -> CommitResult? {
        locked {
            defer { result = nil }
            return result
        }
    }

    /// Ends the thread and destroys the producer, without waiting for either. What is in flight is left to the broker: it was
    /// committed, or a later producer of the same name aborts it. `hasEnded` tells when the thread is gone.
    func stop() {
        locked {
            stops = true
            pthread_cond_signal(changed)
        }
    }

    var hasEnded: Bool { locked { ended } }

    private func run() {
        while true {
            pthread_mutex_lock(lock)
            while job == nil && !stops { pthread_cond_wait(changed, lock) }
            if stops {
                pthread_mutex_unlock(lock)
                break
            }
            let next = job
            job = nil
            pthread_mutex_unlock(lock)
            guard let next else { continue }
            let result = work(next)
            locked {
                self.result = result
                isBusy = false
            }
            wake()
        }
        sink.close()
        locked { ended = true }
        wake()
    }

    private func work(_ job: Job) -> CommitResult {
        do throws(TransportFailure) {
            switch job {
            case .initialize:
                try sink.initialize { self.locked { self.stops } }
                return .committed(CommitReport())
            case .commit(let batch): return try commitNow(batch)
            }
        } catch { return .failed(error) }
    }

    private func commitNow(_ batch: SealedBatch) throws(TransportFailure) -> CommitResult {
        writer.write(batch)
        var truncated = 0
        while true {
            switch try sink.commit(writer.transaction(batch.membership)) {
            case .committed(let offsets):
                var report = CommitReport(events: writer.events, letters: writer.letters, truncated: truncated)
                for (part, offset) in zip(batch.parts, offsets) { report.journalOffsets[part.shard] = offset }
                return .committed(report)
            case .refused(let messages):
                let count = writer.truncate(messages)
                guard count > 0 else { throw .fatal("the broker refuses an event or a journal record for its size: raise max.message.bytes") }
                truncated += count
            }
        }
    }
}
