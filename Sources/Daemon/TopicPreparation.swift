// Looks at the input topics and makes the output topics, or checks those that exist, before any worker starts.
import Codec
import KafkaTransport
import Model
import Rules
import Worker

struct TopicPreparation: Sendable {
    /// What stands in the way of a start.
    enum Problem: Error {
        case refused(String)
        /// No answer from the brokers: ask again.
        case transport(TransportFailure)
    }

    struct Result {
        var partitions: Int32
        /// The largest message that an input takes, bytes.
        var largestInput: Int
        /// Worth a warning.
        var notes: [String] = []
    }

    let inputs: [String]
    let outputs: OutputTopics
    let ladders: [String]
    /// ms.
    let snapshotEvery: Int64
    let admin: KafkaAdmin

    typealias Answer = Swift.Result<(Result, cluster: String), Problem>

    /// Takes as long as the brokers take to answer, or to be given up.
    func answer() -> Answer {
        do throws(TransportFailure) {
            let cluster = try admin.clusterID()
            return try check(try admin.topics()).map { ($0, cluster) }
        } catch { return .failure(.transport(error)) }
    }

    private func check(_ existing: [String: Int32]) throws(TransportFailure) -> Swift.Result<Result, Problem> {
        var result = Result(partitions: 0, largestInput: 0)
        for input in inputs {
            guard let partitions = existing[input] else {
                return .failure(
                    .refused(
                        "the input topic '\(input)' does not exist: create it, with as many partitions as the other inputs"
                    ))
            }
            if result.partitions == 0 { result.partitions = partitions }
            if partitions != result.partitions {
                return .failure(
                    .refused(
                        "the input topic '\(input)' has \(partitions) partitions and '\(inputs[0])' has \(result.partitions): all inputs must have "
                            + "the same number, with the customer id as key"))
            }
            let configuration = try admin.configuration(of: input)
            result.largestInput = max(result.largestInput, Int(configuration["max.message.bytes"] ?? "") ?? 1_048_588)
            if let refusal = compaction(input, configuration) { return .failure(.refused(refusal)) }
        }
        if let journal = existing[outputs.journal], journal < result.partitions {
            return .failure(
                .refused(
                    "the inputs have \(result.partitions) partitions, and had \(journal) when the journal '\(outputs.journal)' was made: "
                        + "customers go to other partitions now than those that hold their state. Begin anew from the inputs with another "
                        + "kafka.group and other outputs.topics"))
        }
        let wanted = specifications(result)
        for topic in wanted {
            guard let partitions = existing[topic.name] else { continue }
            if partitions != topic.partitions {
                return .failure(
                    .refused(
                        "the topic '\(topic.name)' has \(partitions) partitions and must have \(topic.partitions)"
                            + (topic.name == outputs.versions ? "" : ", as the inputs")
                            + ": delete it, or name another (outputs.topics)"))
            }
            let configuration = try admin.configuration(of: topic.name)
            if let refusal = ownTopic(topic.name, configuration) { return .failure(.refused(refusal)) }
            if topic.name == outputs.deadLetters, let most = Int(configuration["max.message.bytes"] ?? ""),
                most < result.largestInput + Limits.letterMarginBytes
            {
                result.notes.append(
                    "max.message.bytes of '\(topic.name)' is \(most): a record that is nearly as large as an input takes is cut short there. "
                        + "Raise it to \(result.largestInput + Limits.letterMarginBytes)")
            }
        }
        try admin.create(wanted.filter { existing[$0.name] == nil })
        if let note = singleReplicas(wanted.map(\.name), try admin.fewestReplicas()) { result.notes.append(note) }
        return .success(result)
    }

    /// Topics that were made just now may not be known yet; the next start tells.
    private func singleReplicas(_ own: [String], _ replicas: [String: Int32]) -> String? {
        let names = own.filter { replicas[$0] == 1 }
        if names.isEmpty { return nil }
        return
            "\(names.map { "'\($0)'" }.joined(separator: ", ")) \(names.count == 1 ? "has" : "have") one replica: when its broker goes away, "
            + "events can be lost or shown twice. Exactly-once needs three replicas and min.insync.replicas=2 (docs/limits.md)"
    }

    private func compaction(_ input: String, _ configuration: [String: String]) -> String? {
        guard configuration["cleanup.policy"]?.contains("compact") ?? false else { return nil }
        if let lag = Int64(configuration["min.compaction.lag.ms"] ?? ""), lag > 2 * snapshotEvery { return nil }
        return
            "the input topic '\(input)' is compacted, so its records could not be read again after a crash: set its cleanup.policy to delete, "
            + "or its min.compaction.lag.ms to more than \(2 * snapshotEvery) (twice snapshots.every)"
    }

    private func ownTopic(_ name: String, _ configuration: [String: String]) -> String? {
        func value(_ key: String) -> String { configuration[key] ?? "" }
        if name == outputs.journal,
            value("cleanup.policy") != "delete" || value("retention.ms") != "-1" || value("retention.bytes") != "-1"
        {
            return
                "the journal '\(name)' must keep everything until rfmd trims it: set cleanup.policy=delete, retention.ms=-1, retention.bytes=-1 "
                + "(now \(value("cleanup.policy")), \(value("retention.ms")), \(value("retention.bytes")))"
        }
        if name == outputs.versions, value("cleanup.policy") != "compact" {
            return
                "the topic '\(name)' must be compacted, or versions get lost: set cleanup.policy=compact (now \(value("cleanup.policy")))"
        }
        if name != outputs.versions, value("cleanup.policy").contains("compact") {
            return
                "the topic '\(name)' is compacted, so events of one customer, and letters without a key, get lost or are refused: set "
                + "cleanup.policy=delete"
        }
        return nil
    }

    private func specifications(_ result: Result) -> [TopicSpecification] {
        let stamped = [("message.timestamp.type", "LogAppendTime")]
        let events = Set(ladders.map(outputs.topic(ofLadder:)) + [outputs.warnings]).sorted()
        return events.map { TopicSpecification(name: $0, partitions: result.partitions, configuration: stamped) } + [
            TopicSpecification(
                name: outputs.deadLetters, partitions: result.partitions,
                configuration: stamped + [
                    ("max.message.bytes", String(result.largestInput + Limits.letterMarginBytes))
                ]),
            TopicSpecification(
                name: outputs.journal, partitions: result.partitions,
                configuration: stamped + [
                    ("cleanup.policy", "delete"), ("retention.ms", "-1"), ("retention.bytes", "-1"),
                ]),
            TopicSpecification(
                name: outputs.versions, partitions: 1, configuration: stamped + [("cleanup.policy", "compact")]),
        ]
    }
}
