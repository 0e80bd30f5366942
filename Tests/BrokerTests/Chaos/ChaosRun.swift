// A chaos run: three brokers, two groups of two daemons under load, faults for a while, peace, and then the audit of what is left.
import Foundation
import Synchronization
import TestSupport
import Worker

/// A group of two daemons with one snapshot folder, its load, and what must have come of it.
private final class ChaosGroup {
    let scene: Scene
    let change: (inout Scene.Options) -> Void
    let members: [ChaosMember]
    let load: Load
    let collector: JournalCollector

    init(
        _ label: String, inputs: [String], ladders: [String], _ run: ChaosRun,
        _ generator: EventGenerator, perSecond: Int, _ change: @escaping (inout Scene.Options) -> Void
    ) throws {
        let scene = try Scene(label, cluster: run.cluster, inputs: inputs, partitions: 4, ladders: ladders)
        let disk = SmallDisk(scene.folder.url)
        members = try (1...2).map { number in
            let name = "\(label)-\(number)"
            let yaml = scene.yaml {
                $0.instance = name
                // The journal is trimmed behind the oldest: its collector must have read it also over a bad network.
                $0.snapshotsKept = 10
                $0.snapshotEvery = "5s"
                change(&$0)
            }
            return try ChaosMember(
                name, yaml, run.record, network: run.network, disk: number == 1 ? disk : nil, dice: run.fork())
        }
        for member in members { try member.process.awaitReady(seconds: 180) }
        collector = try JournalCollector(scene)
        let (record, bootstrap) = (run.record, run.cluster.bootstrap)
        load = Load(generator, try scene.producer(), topics: inputs, count: .max, perSecond: perSecond) { reason in
            // As a shop does.
            record.note("\(label): another producer of records: \(reason)")
            record.count("producer of records begun anew")
            return try TestProducer(bootstrap)
        }
        self.scene = scene
        self.change = change
    }

    var topics: [String] { scene.eventTopics + [scene.outputs.deadLetters] }
    var replicated: [(name: String, partitions: Int32)] {
        (scene.inputs + topics + [scene.outputs.journal]).map { ($0, scene.partitions) }
            + [(scene.outputs.versions, 1)]
    }
}

final class ChaosRun {
    let record: ChaosRecord
    let cluster: TestCluster
    fileprivate let network: Network?
    private var dice: RandomSource
    private var groups: [ChaosGroup] = []

    /// Both groups at once: they share the brokers' faults.
    init(seed: UInt64, minutes: Double) throws {
        record = try ChaosRecord(seed: seed, minutes: minutes)
        dice = RandomSource(seed: seed)
        let names = ["event-1", "event-2", "wall-1", "wall-2"]
        network = try Network.make((0..<3).map(TestCluster.host) + names)
        if network == nil { print("chaos: no root or no /dev/net/tun: the network is left alone") }
        cluster = try TestCluster(brokers: 3, network: network)
        try cluster.start()
    }

    fileprivate func fork() -> RandomSource { RandomSource(seed: dice.next()) }

    /// nil, or what went wrong and how to see it again.
    func run() throws -> String? {
        do {
            try begin()
            suffer()
            if !record.hasFailed { try recover() }
            if !record.hasFailed { try audit() }
        } catch { record.fail("\(error)") }
        for group in groups { for member in group.members where record.hasFailed { try member.keepLastLog() } }
        network?.close()
        print("chaos with seed \(record.seed): \(Int(record.seconds)) s; \(record.figures)")
        return try record.close(cluster)
    }

    private func begin() throws {
        let name = "chaos-\(record.seed)"
        // Event clock and one input: an uninterrupted run decides the same.
        let event = EventGenerator(seed: record.seed, customers: 3_000, step: 120_000)
        groups.append(
            try ChaosGroup("event", inputs: ["\(name).events"], ladders: [], self, event, perSecond: 600) { _ in })
        // Wall clock, two inputs, and deadlines all the time: the journal says what was decided upon.
        let wall = EventGenerator(seed: record.seed, customers: 400, step: nil)
        groups.append(
            try ChaosGroup(
                "wall", inputs: ["\(name).clicks", "\(name).sales"], ladders: ["pulse"], self, wall, perSecond: 200
            ) {
                $0.clock = "wall"
                $0.more = BrokerTests.pulse
            })
    }

    // MARK: Faults

    private func suffer() {
        let record = self.record
        let end = Date().addingTimeInterval(record.minutes * 60)
        let isOver: @Sendable () -> Bool = { Date() > end || record.hasFailed }
        let all = DispatchGroup()
        func go(_ work: @escaping @Sendable () throws -> Void) {
            all.enter()
            Thread.detachNewThread {
                do { try work() } catch { record.fail("\(error)") }
                all.leave()
            }
        }
        let brokers = ChaosBrokers(
            cluster, network, record, topics: groups.flatMap(\.replicated), dice: fork())
        go {
            try brokers.suffer(until: isOver)
            try brokers.heal()
        }
        for member in groups.flatMap(\.members) { go { try member.suffer(until: isOver) } }
        all.wait()
    }

    /// Liveness: when faults are over, everything is read and committed within bounds.
    private func recover() throws {
        for group in groups { try group.load.stop() }
        let began = Date()
        let members = groups.flatMap(\.members)
        for group in groups {
            try group.scene.awaitDrained(
                group.members[0].process, seconds: 240,
                meanwhile: { for member in members { _ = try member.startAgainIfFenced() } })
        }
        for member in members { try member.awaitRunning() }
        print("chaos: caught up \(Int(Date().timeIntervalSince(began))) s after the last fault")
        for member in members { try member.stop() }
    }

    // MARK: Audit

    private func audit() throws {
        let seen = try JavaReader.read(groups.flatMap(\.topics), cluster.bootstrap)
        for group in groups {
            let scene = group.scene
            let audit = try Auditor(scene).run(group.collector)
            for topic in group.topics { compare(seen[topic] ?? [], try scene.read(topic)) }
            let events = scene.eventTopics.reduce(0) { $0 + (seen[$1]?.count ?? 0) }
            print(
                "chaos, \(scene.name): \(audit.counts.consumed) records, \(audit.batches) batches, \(events) events, "
                    + "\(seen[scene.outputs.deadLetters]?.count ?? 0) dead letters")
            if events == 0 || audit.counts.consumed == 0 { record.fail("\(scene.name): nothing was read") }
            let read = try scene.inputs.flatMap { try scene.read($0) }.count
            if audit.counts.consumed != UInt64(read) {
                record.fail("\(scene.name): \(audit.counts.consumed) records were consumed of \(read)")
            }
        }
        try compareWithCalm(groups[0], seen)
    }

    /// What Java's consumer reads of a topic is what librdkafka reads, which the auditor has compared with the journal.
    private func compare(_ java: [StoredRecord], _ own: [StoredRecord]) {
        for (left, right) in zip(java, own)
        where left.partition != right.partition || left.offset != right.offset || left.key != right.key
            || left.value != right.value
        {
            record.fail(
                "Java reads \(left.partition) offset \(left.offset) where librdkafka reads "
                    + "\(right.partition) offset \(right.offset):\n  \(left.valueText)\n  \(right.valueText)")
            return
        }
        if java.count != own.count, let topic = (java.first ?? own.first)?.partition.topic {
            record.fail("\(topic): Java reads \(java.count) records, librdkafka \(own.count)")
        }
    }

    /// The decisions of each customer are those of a daemon to which nothing happened.
    private func compareWithCalm(_ group: ChaosGroup, _ seen: [String: [StoredRecord]]) throws {
        let scene = group.scene
        let calm = try Scene("calm", cluster: cluster, inputs: scene.inputs, partitions: 4, creates: false)
        let uninterrupted = try calm.start(group.change).awaitReady()
        try calm.awaitDrained(uninterrupted, seconds: 300)
        try uninterrupted.stop()
        let actual = scene.eventTopics.flatMap { seen[$0] ?? [] }
        let differences = ChaosComparison.differences(
            actual, of: scene.name, from: try calm.events(), of: calm.name)
        for difference in differences.prefix(20) { record.fail(difference) }
        if differences.count > 20 { record.fail("and \(differences.count - 20) more differences") }
        print("chaos: \(actual.count) decisions compared with an uninterrupted run")
    }
}
