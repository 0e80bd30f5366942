// librdkafka's errors in the closed taxonomy of the worker.
import CRDKafka
import Worker

extension TransportFailure {
    private static let fencing: Set<Int32> = [
        RD_KAFKA_RESP_ERR__FENCED.rawValue, RD_KAFKA_RESP_ERR_PRODUCER_FENCED.rawValue,
        RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID.rawValue,
    ]
    private static let passing: Set<Int32> = [
        RD_KAFKA_RESP_ERR__TIMED_OUT.rawValue, RD_KAFKA_RESP_ERR__TRANSPORT.rawValue,
        RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN.rawValue,
        RD_KAFKA_RESP_ERR__RESOLVE.rawValue, RD_KAFKA_RESP_ERR__WAIT_COORD.rawValue,
        RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE.rawValue,
        RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS.rawValue, RD_KAFKA_RESP_ERR_NOT_COORDINATOR.rawValue,
        RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE.rawValue, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION.rawValue,
        RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT.rawValue, RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE.rawValue,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS.rawValue, RD_KAFKA_RESP_ERR_NOT_CONTROLLER.rawValue,
        RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT.rawValue,
        RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION.rawValue, RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE.rawValue,
    ]

    private static let missing: Set<Int32> = [
        RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION.rawValue, RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC.rawValue,
        RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART.rawValue,
    ]

    /// Of a call that answers with a code.
    init(_ code: rd_kafka_resp_err_t, _ what: String) {
        let text = "\(what): \(String(cString: rd_kafka_err2str(code)))"
        if TransportFailure.fencing.contains(code.rawValue) {
            self = .fenced(text)
        } else if TransportFailure.passing.contains(code.rawValue) {
            self = .retriable(text)
        } else if TransportFailure.missing.contains(code.rawValue) {
            self = .missing(text)
        } else {
            self = .fatal(text)
        }
    }

    /// Of a transactional call; takes the error. One without a flag counts as fatal, as librdkafka's manual asks.
    init(taking error: OpaquePointer, _ what: String) {
        defer { rd_kafka_error_destroy(error) }
        let text = "\(what): \(String(cString: rd_kafka_error_string(error)))"
        let code = rd_kafka_error_code(error)
        if TransportFailure.fencing.contains(code.rawValue) || code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH {
            self = .fenced(text)
        } else if rd_kafka_error_is_fatal(error) == 1 {
            self = .fatal(text)
        } else if rd_kafka_error_txn_requires_abort(error) == 1 {
            self = .abort(text)
        } else if rd_kafka_error_is_retriable(error) == 1 {
            self = .retriable(text)
        } else {
            self = .fatal(text)
        }
    }
}
