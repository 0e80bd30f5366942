// Applied records on their way back to the thread of librdkafka that fetched them, which frees them.
import CRDKafka
import Model
import Synchronization
import Worker

/// librdkafka's thread of a broker makes an object for each record that it fetches. If the worker frees them, both threads want the same
/// part of malloc's memory all the time, and what one frees comes back to the other cold. Here they wait, by the broker that they came
/// from, until its next answer is there, and are freed on its thread just before it makes new ones of that answer (docs/decisions/0024).
///
/// What waits is bounded: what is too much the worker frees itself, as it does with all when the assignment ends.
final class ReturnedRecords: Sendable {
    private typealias Message = UnsafeMutablePointer<rd_kafka_message_t>

    private struct Pile {
        nonisolated(unsafe) var messages: [Message] = []
        var bytes = 0

        mutating func add(_ records: ArraySlice<RawRecord>, _ bytes: Int) {
            for record in records { if let message = record.message { messages.append(Message(message)) } }
            self.bytes += bytes
        }
    }

    private struct State {
        var piles: [Int32: Pile] = [:]
        var broughtBack = 0
    }

    private let state = Mutex(State())
    private let mostRecords: Int
    private let mostBytes: Int
    private let clientHasBegun = Atomic(false)

    init(records: Int = Limits.returnedRecords, kilobytes: Int = Limits.returnedKilobytes) {
        mostRecords = records
        mostBytes = kilobytes << 10
    }

    /// Whether a client began to be made.
    var hasClient: Bool { clientHasBegun.load(ordering: .acquiring) }

    /// Records that wait.
    var count: Int { state.withLock { $0.piles.values.reduce(0) { $0 + $1.messages.count } } }

    /// Records that librdkafka's threads took so far, to free them.
    var broughtBack: Int { state.withLock(\.broughtBack) }

    /// Before a client is made of `conf`, which keeps no reference: this has to outlive it.
    func attach(to conf: OpaquePointer) {
        rd_kafka_conf_interceptor_add_on_new(
            conf, ReturnedRecords.name, ReturnedRecords.clientBegun, Unmanaged.passUnretained(self).toOpaque())
    }

    private static let name = "returned-records"

    /// Records of one partition, so mostly of one broker: where that changed among them, the first one's thread frees all.
    func add(_ records: ArraySlice<RawRecord>) {
        guard let first = records.first(where: { $0.message != nil })?.message else { return }
        add(records, of: rd_kafka_message_broker_id(UnsafePointer<rd_kafka_message_t>(first)))
    }

    /// If that makes room, those of other brokers are freed here: a broker that leads nothing any more answers no fetch either.
    func add(_ records: ArraySlice<RawRecord>, of broker: Int32) {
        let bytes = records.reduce(0) { $0 + ($1.key?.count ?? 0) + ($1.value?.count ?? 0) }
        let (isKept, others) = state.withLock { state -> (Bool, [Pile]) in
            var others: [Pile] = []
            if !fits(records.count, bytes, Array(state.piles.values)) {
                guard fits(records.count, bytes, state.piles[broker].map { [$0] } ?? []) else { return (false, []) }
                for other in state.piles.keys where other != broker {
                    others.append(state.piles.removeValue(forKey: other)!)
                }
            }
            state.piles[broker, default: Pile()].add(records, bytes)
            return (true, others)
        }
        for pile in others { ReturnedRecords.free(pile) }
        if !isKept {
            var pile = Pile()
            pile.add(records, bytes)
            ReturnedRecords.free(pile)
        }
    }

    /// Whether so many more have room beside what waits in `piles`.
    private func fits(_ records: Int, _ bytes: Int, _ piles: [Pile]) -> Bool {
        piles.reduce(records) { $0 + $1.messages.count } <= mostRecords
            && piles.reduce(bytes) { $0 + $1.bytes } <= mostBytes
    }

    /// Frees what waits, on the thread that calls.
    func freeAll() {
        let all = state.withLock { state in
            defer { state.piles = [:] }
            return state.piles
        }
        for pile in all.values { ReturnedRecords.free(pile) }
    }

    private func freeThose(of broker: Int32) {
        let pile = state.withLock { state in
            let pile = state.piles.removeValue(forKey: broker)
            state.broughtBack += pile?.messages.count ?? 0
            return pile
        }
        if let pile { ReturnedRecords.free(pile) }
    }

    private static func free(_ pile: Pile) {
        for message in pile.messages { rd_kafka_message_destroy(message) }
    }

    private static let clientBegun:
        @convention(c) (
            OpaquePointer?, OpaquePointer?, UnsafeMutableRawPointer?, UnsafeMutablePointer<CChar>?, Int
        ) -> rd_kafka_resp_err_t = { client, _, opaque, _, _ in
            Unmanaged<ReturnedRecords>.fromOpaque(opaque!).takeUnretainedValue().clientHasBegun.store(
                true, ordering: .releasing)
            return rd_kafka_interceptor_add_on_response_received(client, name, answered, opaque)
        }

    /// On the thread of the broker that answered, or whose request failed; it holds no lock then.
    private static let answered:
        @convention(c) (
            OpaquePointer?, Int32, UnsafePointer<CChar>?, Int32, Int16, Int16, Int32, Int, Int64, rd_kafka_resp_err_t,
            UnsafeMutableRawPointer?
        ) -> rd_kafka_resp_err_t = { _, _, _, broker, request, _, _, _, _, _, opaque in
            if request == fetch {
                Unmanaged<ReturnedRecords>.fromOpaque(opaque!).takeUnretainedValue().freeThose(of: broker)
            }
            return RD_KAFKA_RESP_ERR_NO_ERROR
        }

    /// The key of a fetch request in Kafka's protocol.
    private static let fetch: Int16 = 1
}
