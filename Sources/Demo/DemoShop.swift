// The demo's world: a broker, a shop that sends its events to it, and a subscriber. rfmd itself stands between the two.
import CRDKafka
import Glibc
import Model

/// How to use it: make one, start a worker with `bootstrap` on `inputTopic` (native records, event clock, the same number of
/// partitions everywhere), `run`, then `watch` until the journal's positions are `sent.ends`, then read `sent` and `changes`.
/// One thread at a time.
package final class DemoShop {
    package let partitions: Int32
    package let inputTopic: String
    let cluster: MockCluster
    private let producer: DemoProducer
    private let watcher: DemoWatcher
    private var generator: ShopperGenerator
    private let duration: Int64

    /// ms of the machine's clock that one simulated day takes.
    package static let dayMilliseconds: Int64 = 100

    package var bootstrap: String { cluster.bootstrap }
    package var sent: DemoSent { producer.sent }
    package var changes: DemoChanges { watcher.changes }

    /// Starts the broker with all topics. `duration` in ms. `watched`: the topics of tier changes, lifecycle changes and warnings;
    /// `others`: what else rfmd writes, with its partitions.
    package init(
        duration: Int64, partitions: Int32 = 4, inputTopic: String, watched: [String],
        others: [(name: String, partitions: Int32)],
        seed: UInt64 = 1
    ) throws(DemoFailure) {
        self.duration = duration
        self.partitions = partitions
        self.inputTopic = inputTopic
        cluster = try MockCluster()
        try cluster.createTopics([inputTopic] + watched, partitions: partitions)
        for (name, partitions) in others { try cluster.createTopics([name], partitions: partitions) }
        producer = try DemoProducer(cluster, topic: inputTopic, partitions: partitions)
        watcher = try DemoWatcher(cluster, topics: watched, partitions: partitions)
        generator = ShopperGenerator(
            seed: seed, shoppers: DemoShop.shoppers(duration: duration),
            start: DemoShop.start(endingAt: Clock.wall, after: duration))
    }

    /// So many that what they send in `duration` stays far below what the mock keeps of a partition.
    static func shoppers(duration: Int64) -> Int { Int(max(40, min(400, 400 * 60_000 / max(1, duration)))) }

    /// The first simulated midnight: the last simulated day ends about now.
    private static func start(endingAt now: Int64, after duration: Int64) -> Int64 {
        (CivilTime.floorDivide(now, CivilTime.millisecondsPerDay) - duration / dayMilliseconds - 1)
            * CivilTime.millisecondsPerDay
    }

    /// Sends a simulated day every `dayMilliseconds` until the duration is over or `isCancelled`, and watches meanwhile. `show` is
    /// called with lines for people. Everything that was sent is in the topic when it returns.
    package func run(isCancelled: () -> Bool, show: (String) -> Void) throws(DemoFailure) {
        let began = Clock.milliseconds
        var days: Int64 = 0
        while !isCancelled() && days * DemoShop.dayMilliseconds < duration {
            try producer.send(generator.nextDay())
            days += 1
            watch(milliseconds: began + days * DemoShop.dayMilliseconds - Clock.milliseconds, show: show)
        }
        try producer.finish()
    }

    /// Watches for so long, or what has arrived if the time is over.
    package func watch(milliseconds: Int64, show: (String) -> Void) {
        for line in watcher.watch(milliseconds: max(0, milliseconds)) { show(line) }
    }
}

enum Clock {
    /// Monotonic, ms.
    static var milliseconds: Int64 { read(CLOCK_MONOTONIC) }
    /// UTC, ms.
    static var wall: Int64 { read(CLOCK_REALTIME) }

    private static func read(_ clock: clockid_t) -> Int64 {
        var time = timespec()
        clock_gettime(clock, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }
}
