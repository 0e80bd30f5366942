// How long it takes from a record's place in its topic until its event can be read, beside a plain transactional copy.
import Glibc
import Model
import Synchronization
import Worker

/// Every record is a new customer's first purchase, and so makes an event in the topic of the tier. Sent at a steady rate, for a while.
struct LatencyBench {
    private let broker: BenchBroker
    /// Records a second.
    private let rate: Int
    /// Records before those that are timed, and those.
    private let warmUp: Int
    private let timed: Int

    private static let warmUpSeconds = 3
    private static let seconds = 8
    private static let turns = 3

    /// `events`: as many are timed, if that takes less than the usual seconds.
    init(rate: Int, events: Int, _ broker: BenchBroker) {
        self.rate = rate
        self.broker = broker
        timed = min(events, rate * LatencyBench.seconds)
        // The whole of it however few are timed: both sides start meanwhile.
        warmUp = rate * LatencyBench.warmUpSeconds
    }

    func measure() throws(BenchFailure) -> [Figure] {
        // By turns, and the middle of three: one pause of the broker is the p99 of a run.
        var (copies, daemons): ([Latencies], [Latencies]) = ([], [])
        for _ in 0..<LatencyBench.turns {
            copies.append(try copyLatencies())
            daemons.append(try daemonLatencies())
        }
        let (copy, daemon) = (Latencies(middleOf: copies), Latencies(middleOf: daemons))
        return [
            Figure("latency_rate", Double(rate), "events/s"),
            Figure("latency_p50", daemon.p50, "ms", over: copy.p50, "a plain transactional copy"),
            Figure("latency_p99", daemon.p99, "ms", over: copy.p99, "a plain transactional copy"),
            Figure("latency_copy_p99", copy.p99, "ms"),
        ]
    }

    private func daemonLatencies() throws(BenchFailure) -> Latencies {
        let topic = try BenchDaemon.makeTopic(broker, isStamped: true, ["tier"])
        let daemon = try BenchDaemon(topic, broker)
        let latencies = try run(topic, output: "\(topic).tier")
        _ = try daemon.position()
        _ = daemon.stop()
        return latencies
    }

    private func copyLatencies() throws(BenchFailure) -> Latencies {
        let topic = try BenchDaemon.makeTopic(broker, isStamped: true, ["copy"])
        let copy = try TransactionalCopy(
            topic, to: "\(topic).copy", partitions: BenchDaemon.partitions, broker.bootstrap)
        copy.start()
        let latencies = try run(topic, output: "\(topic).copy")
        if let failure = copy.stop() { throw BenchFailure(message: "the plain copy: \(failure)") }
        return latencies
    }

    /// Writes to `topic` on a thread of its own, and reads `output` until everything has come.
    private func run(_ topic: String, output: String) throws(BenchFailure) -> Latencies {
        let count = warmUp + timed
        let appended = AppendTimes(count: count)
        let load = try KafkaLoad(
            Workload(customers: count, mixed: 0), to: topic, partitions: BenchDaemon.partitions, broker.bootstrap,
            compression: "none", linger: 1, times: appended)
        let reader = try RawReader(output, partitions: BenchDaemon.partitions, broker.bootstrap)
        let sending = Sending(load, count: count, rate: rate)
        sending.start()
        var (readAt, seen) = ([Double](repeating: 0, count: count), 0)
        let until = Machine.seconds() + Double(LatencyBench.warmUpSeconds + LatencyBench.seconds) + 120
        while seen < count || !sending.hasEnded {
            // It waits that long even for records that have come, to give out more of them together.
            reader.poll(timeout: 1) { value in
                guard let number = LatencyBench.number(value), number < count else { return }
                seen += 1
                readAt[number] = Machine.seconds(CLOCK_REALTIME) * 1_000
            }
            if let failure = sending.failure { throw BenchFailure(message: failure) }
            if Machine.seconds() > until {
                throw BenchFailure(message: "\(seen) of \(count) records came out of \(output)")
            }
        }
        if let failure = sending.failure { throw BenchFailure(message: failure) }
        let milliseconds = (warmUp..<count).map { readAt[$0] - Double(appended.time($0)) }
        guard (warmUp..<count).allSatisfy({ appended.time($0) > 0 && readAt[$0] > 0 }),
            milliseconds.allSatisfy({ $0 >= 0 })
        else {
            throw BenchFailure(
                message:
                    "not all records of \(topic) have a time, or one came before it: is the broker on this machine?")
        }
        return Latencies(milliseconds)
    }

    /// Of the record that led to it: `"event_id":"e000000000000017"`, in a record and in an event.
    private static func number(_ value: UnsafeRawBufferPointer) -> Int? {
        let key: StaticString = "\"event_id\":\"e"
        let length = key.utf8CodeUnitCount
        let last = value.count - length
        guard let base = value.baseAddress, last >= 0,
            let found = (0...last).first(where: { memcmp(base + $0, key.utf8Start, length) == 0 })
        else { return nil }
        var (number, at) = (0, found + length)
        while at < value.count, (0x30...0x39).contains(value[at]) {
            number = number * 10 + Int(value[at] - 0x30)
            at += 1
        }
        return number
    }
}

/// Quantiles of many.
struct Latencies {
    let p50: Double
    let p99: Double

    init(_ milliseconds: [Double]) {
        let sorted = milliseconds.sorted()
        (p50, p99) = (Latencies.quantile(0.5, of: sorted), Latencies.quantile(0.99, of: sorted))
    }

    /// Of an odd number of runs.
    init(middleOf runs: [Latencies]) {
        p50 = Latencies.quantile(0.5, of: runs.map(\.p50).sorted())
        p99 = Latencies.quantile(0.5, of: runs.map(\.p99).sorted())
    }

    private static func quantile(_ share: Double, of sorted: [Double]) -> Double {
        sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
    }
}

/// Records at a steady rate, from a thread of its own.
///
/// Sendable because the load is used by that thread alone.
private final class Sending: @unchecked Sendable {
    private let load: KafkaLoad
    private let count: Int
    private let rate: Int
    private let ending = Mutex<(hasEnded: Bool, failure: String?)>((false, nil))

    init(_ load: KafkaLoad, count: Int, rate: Int) {
        self.load = load
        self.count = count
        self.rate = rate
    }

    var failure: String? { ending.withLock { $0.failure } }

    /// Brokers have everything.
    var hasEnded: Bool { ending.withLock { $0.hasEnded } }

    func start() { SystemThread.detached("load") { [self] in send() } }

    private func send() {
        let began = Machine.seconds()
        var failure: String?
        do throws(BenchFailure) {
            for number in 0..<count {
                let due = began + Double(number) / Double(rate)
                while Machine.seconds() < due {
                    load.serve()
                    usleep(200)
                }
                try load.write(number)
            }
            try load.flush()
        } catch { failure = error.message }
        ending.withLock { $0 = (true, failure) }
    }
}
