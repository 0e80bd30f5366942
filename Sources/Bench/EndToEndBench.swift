// The whole daemon, as its users run it, against a real broker: exactly once, from a topic that is full.
import Glibc
import KafkaTransport
import SnapshotStore
import Worker

struct EndToEndBench {
    private static let partitions = 4

    private let broker: BenchBroker
    private let customers: Int
    private let events: Int
    private let admin: KafkaAdmin

    init(customers: Int, events: Int, bootstrap: String?) throws(BenchFailure) {
        self.customers = customers
        self.events = events
        broker = try BenchBroker(bootstrap: bootstrap)
        do throws(TransportFailure) {
            admin = try KafkaAdmin(ClientOptions(bootstrap: broker.bootstrap, group: "rfmd-bench", instance: "bench"))
        } catch { throw BenchFailure(message: error.text) }
    }

    func measure() throws(BenchFailure) -> [Figure] {
        defer { admin.close() }
        return try measure("end_to_end", compression: "none") + measure("end_to_end_lz4", compression: "lz4")
    }

    private func measure(_ name: String, compression: String) throws(BenchFailure) -> [Figure] {
        let topic = "rfmd-bench-\(UInt32.random(in: 0 ... .max))"
        try create(topic)
        try KafkaLoad.write(
            0..<events, of: Workload(customers: customers, mixed: events), to: topic,
            partitions: EndToEndBench.partitions, broker.bootstrap, compression: compression)
        // The first reading warms the broker's page cache for both.
        _ = try KafkaLoad.readRaw(events, of: topic, partitions: EndToEndBench.partitions, broker.bootstrap)
        let raw = try KafkaLoad.readRaw(events, of: topic, partitions: EndToEndBench.partitions, broker.bootstrap)
        let (rate, usage) = try runDaemon(topic)
        let count = Double(events)
        return [
            Figure("\(name)_rate", rate, "events/s", over: count / raw.wall, "a raw reader of the same topic"),
            Figure(
                "\(name)_cpu", usage.cpuSeconds / count * 1e6, "us/event", over: raw.cpu / count * 1e6, "the raw reader"
            ),
            Figure("\(name)_memory", Double(usage.mostBytes) / 1e6, "MB"),
        ]
    }

    /// As long as a broker starts, there is no answer.
    private func create(_ topic: String) throws(BenchFailure) {
        let until = Machine.seconds() + 60
        while true {
            do throws(TransportFailure) {
                return try admin.create([
                    TopicSpecification(name: topic, partitions: Int32(EndToEndBench.partitions), configuration: [])
                ])
            } catch {
                if Machine.seconds() > until { throw BenchFailure(message: "\(broker.bootstrap): \(error.text)") }
                Machine.pause(milliseconds: 200)
            }
        }
    }

    /// Events a second from the first commit to the last, and what the whole process used.
    private func runDaemon(_ topic: String) throws(BenchFailure) -> (rate: Double, ChildProcess.Usage) {
        let configuration = "\(broker.folder.path)/\(topic).yaml"
        try BenchBroker.write(yaml(topic), to: configuration)
        let log = "\(broker.folder.path)/\(topic).log"
        let daemon = try ChildProcess("/proc/self/exe", ["run", "--config", configuration], log: log)
        let positions = try GroupPositions(
            broker.bootstrap, group: topic, topic: topic, partitions: EndToEndBench.partitions)
        var (first, began) = (0, 0.0)
        let until = Machine.seconds() + 600
        while true {
            let position = positions.sum()
            if position > 0 && first == 0 { (first, began) = (position, Machine.seconds()) }
            if position >= events { break }
            if daemon.ended() != nil {
                throw BenchFailure(message: "the daemon ended: \(BenchBroker.lastLine(of: log))")
            }
            if Machine.seconds() > until { throw BenchFailure(message: "the daemon was not done in 600 s") }
            Machine.pause(milliseconds: 5)
        }
        let seconds = Machine.seconds() - began
        guard first < events else {
            throw BenchFailure(message: "\(events) events are one commit: too few to measure a rate")
        }
        return (Double(events - first) / seconds, daemon.wait(after: SIGTERM))
    }

    private func yaml(_ topic: String) -> String {
        let outputs = ["tier", "lifecycle", "warnings", "dead_letters", "journal", "versions"]
            .map { "\($0): \(topic).\($0)" }.joined(separator: ", ")
        return """
            instance: bench
            kafka: { bootstrap: "\(broker.bootstrap)", group: \(topic) }
            inputs: [ { topic: \(topic) } ]
            time: { clock: event }
            outputs: { topics: { \(outputs) } }
            snapshots: { folder: \(broker.folder.path)/\(topic) }
            emit_from: earliest

            """
    }
}
