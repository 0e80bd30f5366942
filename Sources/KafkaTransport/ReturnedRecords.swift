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

    private let piles = Mutex<[Int32: Pile]>([:])
    private let mostRecords: Int
    private let mostBytes: Int

    init(records: Int = Limits.returnedRecords, kilobytes: Int = Limits.returnedKilobytes) {
        mostRecords = records
        mostBytes = kilobytes << 10
    }

    /// Records that are not freed yet.
    var count: Int { piles.withLock { ReturnedRecords.total($0, \.messages.count) } }

    private static func total(_ piles: [Int32: Pile], _ value: (Pile) -> Int) -> Int {
        piles.values.reduce(0) { $0 + value($1) }
    }

    /// Before the client is made of `conf`, which keeps no reference: this has to outlive the client.
    func attach(to conf: OpaquePointer) {
        rd_kafka_conf_interceptor_add_on_new(
            conf, ReturnedRecords.name, ReturnedRecords.clientMade, Unmanaged.passUnretained(self).toOpaque())
    }

    private static let name = "returned-records"

    /// Records of one partition, so mostly of one broker: where that changed among them, the first one's thread frees all.
    func add(_ records: ArraySlice<RawRecord>) {
        guard let first = records.first(where: { $0.message != nil }) else { return }
        let broker = rd_kafka_message_broker_id(UnsafePointer<rd_kafka_message_t>(first.message!))
        let bytes = records.reduce(0) { $0 + ($1.key?.count ?? 0) + ($1.value?.count ?? 0) }
        let isKept = piles.withLock { piles in
            guard ReturnedRecords.total(piles, \.messages.count) + records.count <= mostRecords,
                ReturnedRecords.total(piles, \.bytes) + bytes <= mostBytes
            else { return false }
            piles[broker, default: Pile()].add(records, bytes)
            return true
        }
        if isKept { return }
        for record in records {
            if let message = record.message { rd_kafka_message_destroy(Message(message)) }
        }
    }

    /// Frees what waits, on the thread that calls.
    func freeAll() {
        let all = piles.withLock { piles in
            defer { piles = [:] }
            return piles
        }
        for pile in all.values { ReturnedRecords.free(pile) }
    }

    private func freeThose(of broker: Int32) {
        let pile = piles.withLock { $0.removeValue(forKey: broker) }
        if let pile { ReturnedRecords.free(pile) }
    }

    private static func free(_ pile: Pile) {
        for message in pile.messages { rd_kafka_message_destroy(message) }
    }

    private static let clientMade:
        @convention(c) (
            OpaquePointer?, OpaquePointer?, UnsafeMutableRawPointer?, UnsafeMutablePointer<CChar>?, Int
        ) -> rd_kafka_resp_err_t = { client, _, opaque, _, _ in
            rd_kafka_interceptor_add_on_response_received(client, name, answered, opaque)
        }

    /// On the thread of the broker that answered, which holds no lock then.
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
