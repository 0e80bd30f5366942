// Asks the brokers, a few times a second, where every assigned partition ends: what lets the clock move in silence.
import CRDKafka
import Glibc
import Synchronization
import Worker

/// One background thread per consumer. Its answers are those of the present assignment only.
final class EndProber: Sendable {
    private struct State {
        var partitions: [TopicPartition] = []
        var assignment = 0
        var answers: [TopicPartition: EndAnswer] = [:]
        var answerCount = 0
        var stops = false
    }

    private let state = Mutex(State())
    /// Only handed to librdkafka, whose functions may be called from any thread.
    nonisolated(unsafe) private let client: OpaquePointer
    private let thread = Mutex<SystemThread?>(nil)
    /// us.
    private static let interval: UInt32 = 150_000
    /// ms.
    private static let patience: Int32 = 1_000

    private let now: @Sendable () -> Int64

    /// `now` is the machine's clock as far as it is believed, ms.
    init(_ client: OpaquePointer, now: @escaping @Sendable () -> Int64) {
        self.client = client
        self.now = now
        thread.withLock { $0 = SystemThread("prober") { [self] in run() } }
    }

    func watch(_ partitions: [TopicPartition]) {
        state.withLock {
            $0.partitions = partitions
            $0.assignment += 1
            $0.answers = [:]
        }
    }

    func answer(_ partition: TopicPartition) -> EndAnswer? { state.withLock { $0.answers[partition] } }

    /// Answers of any assignment so far.
    var answerCount: Int { state.withLock { $0.answerCount } }

    /// Ends the thread, which takes at most as long as one question.
    func stop() {
        state.withLock { $0.stops = true }
        let ended = thread.withLock { value in
            defer { value = nil }
            return value
        }
        ended?.join()
    }

    private func run() {
        while true {
            let (partitions, assignment, stops) = state.withLock { ($0.partitions, $0.assignment, $0.stops) }
            if stops { return }
            for partition in partitions {
                if state.withLock({ $0.stops || $0.assignment != assignment }) { break }
                let askedAt = now()
                guard case .success(let end) = PartitionEdge.end.ask(client, partition, timeout: EndProber.patience)
                else { continue }
                state.withLock {
                    $0.answerCount += 1
                    if $0.assignment == assignment { $0.answers[partition] = EndAnswer(offset: end, askedAt: askedAt) }
                }
            }
            usleep(EndProber.interval)
        }
    }
}
