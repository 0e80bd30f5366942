// The whole daemon against a real broker: exactly once, from a topic that is full.
import Glibc

struct EndToEndBench {
    private let broker: BenchBroker
    private let customers: Int
    private let events: Int

    /// A shop that has been open for a while: of 64 events four are the orders with which a customer begins, the others are clicks and orders of one
    /// day.
    private static let leastEventsEach = 64
    private static let turns = 3

    init(customers: Int, events: Int, _ broker: BenchBroker) {
        self.customers = max(1, min(customers, events / EndToEndBench.leastEventsEach))
        self.events = events
        self.broker = broker
    }

    func measure() throws(BenchFailure) -> [Figure] {
        try measure("end_to_end", compression: "none") + measure("end_to_end_lz4", compression: "lz4")
    }

    private func measure(_ name: String, compression: String) throws(BenchFailure) -> [Figure] {
        let topic = try BenchDaemon.makeTopic(broker)
        let load = try KafkaLoad(
            Workload(customers: customers, mixed: events), to: topic, partitions: BenchDaemon.partitions,
            broker.bootstrap, compression: compression)
        for number in 0..<events { try load.write(number) }
        try load.flush()
        // The first of each warms the broker: its page cache, and its code, which it compiles while it runs. Then the best of three of each, by
        // turns: what else uses the machine meanwhile, or memory that it shares with others, makes either up to a third slower.
        _ = try work(topic, as: "\(topic)-warm")
        _ = try RawReader.read(events, of: topic, partitions: BenchDaemon.partitions, broker.bootstrap)
        var raw = (wall: Double.infinity, cpu: Double.infinity)
        var daemon = Work()
        for turn in 1...EndToEndBench.turns {
            let read = try RawReader.read(events, of: topic, partitions: BenchDaemon.partitions, broker.bootstrap)
            raw = (min(raw.wall, read.wall), min(raw.cpu, read.cpu))
            daemon.takeBest(of: try work(topic, as: "\(topic)-\(turn)"))
        }
        guard daemon.rate > 0 else {
            throw BenchFailure(message: "\(events) events are one commit: too few to measure a rate (--events)")
        }
        let count = Double(events)
        return [
            Figure("\(name)_rate", daemon.rate, "events/s", over: count / raw.wall, "a raw reader of the same topic"),
            Figure(
                "\(name)_cpu", daemon.cpuSeconds / count * 1e6, "us/event", over: raw.cpu / count * 1e6,
                "the raw reader"
            ),
            Figure("\(name)_changes", daemon.changes / count, "events out/event in"),
            Figure("\(name)_memory", Double(daemon.mostBytes) / 1e6, "MB"),
        ]
    }

    /// What a daemon did with a topic.
    private struct Work {
        /// Events/s, from its first commit to its last; 0 if that was one.
        var rate = 0.0
        /// Of the whole process.
        var cpuSeconds = Double.infinity
        var mostBytes = 0
        /// Events that it wrote.
        var changes = 0.0

        /// The best of each, perhaps of different runs; of the memory the most.
        mutating func takeBest(of other: Work) {
            rate = max(rate, other.rate)
            cpuSeconds = min(cpuSeconds, other.cpuSeconds)
            mostBytes = max(mostBytes, other.mostBytes)
            changes = other.changes
        }
    }

    private func work(_ topic: String, as name: String) throws(BenchFailure) -> Work {
        let daemon = try BenchDaemon(topic, as: name, broker)
        var (first, began) = (0, 0.0)
        let until = Machine.seconds() + 600
        while true {
            let position = try daemon.position()
            if position > 0 && first == 0 { (first, began) = (position, Machine.seconds()) }
            if position >= events { break }
            if Machine.seconds() > until { throw BenchFailure(message: "the daemon was not done in 600 s") }
            Machine.pause(milliseconds: 5)
        }
        let seconds = Machine.seconds() - began
        let usage = daemon.stop()
        return Work(
            rate: first < events ? Double(events - first) / seconds : 0, cpuSeconds: usage.cpuSeconds,
            mostBytes: usage.mostBytes, changes: try daemon.changes())
    }
}
