// The simulated brokers and disk as the port contract wants them: a clause is a fiber of a run in which nothing goes wrong.
import Model
import PortContract
import SnapshotStore
import Worker

@testable import Simulator

/// Unchecked because a simulation has one thread.
final class SimulatedBench: BrokerBench, VaultBench, @unchecked Sendable {
    private let world: World
    private var processes: [SimulatedProcess] = []

    init() {
        var options = Options(seed: 1)
        (options.topics, options.shards, options.slowness, options.latency) = (["in.a"], 2, 1, 10)
        (options.sessionMilliseconds, options.messageBytes) = (3_000, 2_000)
        world = World(options, mutation: nil, show: nil)
    }

    /// Tries one clause on a world of its own.
    static func run<Bench>(_ clause: Clause<Bench>, as bench: @escaping (SimulatedBench) -> Bench) throws {
        let own = SimulatedBench()
        var result: Result<Void, any Error>?
        own.world.schedule.start("clause", nil) { result = Result { try clause.run(bench(own)) } }
        var steps = 0
        while result == nil && steps < 1_000_000 && own.world.schedule.step() { steps += 1 }
        defer { own.world.dispose() }
        guard let result else { throw Broken("no end after \(steps) steps") }
        try result.get()
    }

    private func process(_ instance: String) -> SimulatedProcess {
        let process = SimulatedProcess(
            world, name: "\(instance)#\(processes.count)", instance: instance, version: 0, rebuilds: false, skew: 0)
        processes.append(process)
        return process
    }

    func pause() { world.schedule.wait(15) }

    // MARK: Brokers

    let input = "in.a"
    let output = "rfm.tier-changes"
    let narrow = World.outputs.deadLetters
    var clock: Int64 { world.schedule.now }

    func source(_ instance: String) -> any RecordSource {
        let source = SimulatedSource(world, process(instance), worker: 0, topics: [input])
        world.add(source)
        return source
    }

    func sink(_ instance: String) -> any TransactionSink { SimulatedSink(world, process(instance), worker: 0) }

    func reader() -> any LogReader { SimulatedReader(world, process("reader")) }

    private func append(_ records: [ContractRecord], to partition: TopicPartition, producer: Int) {
        let arena = world.cluster.arena
        for record in records {
            world.cluster.log(partition).append(
                LogEntry(
                    timestamp: record.timestamp ?? world.schedule.now, key: record.key.map { arena.keep($0) },
                    value: record.value.map { arena.keep($0) }, headers: record.headers), producer: producer)
        }
    }

    func send(_ records: [ContractRecord], to partition: TopicPartition) {
        append(records, to: partition, producer: 0)
    }

    func sendOpen(_ records: [ContractRecord], to partition: TopicPartition) -> (ContractFate) throws -> Void {
        let producer = world.cluster.newProducer()
        append(records, to: partition, producer: producer)
        return { [world] fate in
            world.cluster.log(partition).mark(
                producer, fate == .committed ? .committed : .aborted, at: world.schedule.now)
        }
    }

    func deleteRecords(before offset: Int64, of partition: TopicPartition) {
        world.cluster.log(partition).delete(before: offset)
    }

    // MARK: Disk

    func vault(_ name: String) throws -> any SnapshotVault {
        let process = process(name)
        return try FileSnapshotVault(
            folder: SimulatedDisk.folder, instance: name, writer: name, calls: world.disk.calls(process),
            lanes: SimulatedLanes(world: world, process: process))
    }
}
