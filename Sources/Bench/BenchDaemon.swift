// The daemon as its users run it: this program itself, with a configuration for one topic.
import Glibc
import KafkaTransport
import SnapshotStore
import Worker

final class BenchDaemon {
    static let partitions = 4

    private let process: ChildProcess
    private let log: String
    private let positions: GroupPositions

    /// Reads `topic`, exactly once, with one worker. Its group is `name`, or the topic's name too, and so its output topics begin.
    init(_ topic: String, as name: String? = nil, _ broker: BenchBroker) throws(BenchFailure) {
        let name = name ?? topic
        let configuration = "\(broker.folder.path)/\(name).yaml"
        try BenchBroker.write(BenchDaemon.yaml(topic, name, broker), to: configuration)
        log = "\(broker.folder.path)/\(name).log"
        process = try ChildProcess("/proc/self/exe", ["run", "--config", configuration], log: log)
        positions = try GroupPositions(
            broker.bootstrap, group: name, topic: topic, partitions: BenchDaemon.partitions)
    }

    /// Records up to the committed positions; fails if the daemon is not there any more.
    func position() throws(BenchFailure) -> Int {
        if process.ended() != nil { throw BenchFailure(message: "the daemon ended: \(BenchBroker.lastLine(of: log))") }
        return positions.sum()
    }

    func stop() -> ChildProcess.Usage { process.wait(after: SIGTERM) }

    /// Events that it wrote, as it says when it has stopped.
    func changes() throws(BenchFailure) -> Double {
        let last = BenchBroker.lastLine(of: log)
        let word = last.split(separator: " ").first { $0.hasPrefix("events=") }
        guard let number = word.flatMap({ Double($0.dropFirst("events=".count)) }) else {
            throw BenchFailure(message: "the daemon did not stop in order: \(last)")
        }
        return number
    }

    /// Makes a topic of its own, whose records have the broker's time if `isStamped`, and `more` beside it. As long as a broker starts, there is
    /// no answer.
    static func makeTopic(
        _ broker: BenchBroker, isStamped: Bool = false, _ more: [String] = []
    ) throws(BenchFailure) -> String {
        let topic = "rfmd-bench-\(UInt32.random(in: 0 ... .max))"
        let until = Machine.seconds() + 60
        while true {
            do throws(TransportFailure) {
                let admin = try KafkaAdmin(
                    ClientOptions(bootstrap: broker.bootstrap, group: "rfmd-bench", instance: "bench"))
                defer { admin.close() }
                try admin.create(
                    ([topic] + more.map { "\(topic).\($0)" }).map {
                        TopicSpecification(
                            name: $0, partitions: Int32(partitions),
                            configuration: isStamped && $0 == topic
                                ? [("message.timestamp.type", "LogAppendTime")] : [])
                    })
                return topic
            } catch {
                if Machine.seconds() > until { throw BenchFailure(message: "\(broker.bootstrap): \(error.text)") }
                Machine.pause(milliseconds: 200)
            }
        }
    }

    private static func yaml(_ topic: String, _ name: String, _ broker: BenchBroker) -> String {
        let outputs = ["tier", "lifecycle", "warnings", "dead_letters", "journal", "versions"]
            .map { "\($0): \(name).\($0)" }.joined(separator: ", ")
        return """
            instance: bench
            kafka: { bootstrap: "\(broker.bootstrap)", group: \(name) }
            inputs: [ { topic: \(topic) } ]
            time: { clock: event }
            outputs: { topics: { \(outputs) } }
            snapshots: { folder: \(broker.folder.path)/\(name) }
            emit_from: earliest

            """
    }
}
