// The other clients of a worker in a simulation: producer, reader, and who tidies up behind snapshots.
import Codec
import Model
import SnapshotStore
import Worker

/// Questions to brokers and their answers, which take time, and may be lost.
final class Link {
    private let world: World
    private unowned let process: SimulatedProcess

    init(_ world: World, _ process: SimulatedProcess) {
        self.world = world
        self.process = process
    }

    /// What happens to every try of one question.
    enum Loss { case none, question, answer }

    private final class Call<Value> {
        var value: Value?
        var isAnswered = false
        let loss: Loss

        init(_ loss: Loss) { self.loss = loss }
    }

    /// Asks, and asks again as the client library does, for at most `timeout` ms. nil: no answer in that time, which does not say that
    /// the question did not arrive. What it does is done at most once. A question goes on its way even when who asked it dies.
    func call<Value>(_ timeout: Int64, loss: Loss = .none, _ body: @escaping () -> Value) -> Value? {
        if process.isDead { return nil }
        guard let fiber = world.schedule.current else { preconditionFailure("only a fiber asks") }
        let call = Call<Value>(loss)
        let until = world.schedule.now + timeout
        send(call, fiber, until, body)
        while !call.isAnswered && !process.isDead {
            let left = until - world.schedule.now
            if left <= 0 { return nil }
            world.schedule.wait(left)
        }
        return process.isDead ? nil : call.value
    }

    private func send<Value>(_ call: Call<Value>, _ fiber: Fiber, _ until: Int64, _ body: @escaping () -> Value) {
        let (schedule, dice, process, cluster) = (world.schedule, world.dice, process, world.cluster)
        let again = { [self] in
            schedule.after(dice.int64(50...200)) { [self] in
                if !process.isDead && schedule.now < until && !call.isAnswered { send(call, fiber, until, body) }
            }
        }
        if process.cannotReachBrokers || call.loss == .question { return again() }
        schedule.after(dice.delay(world.options.latency)) {
            if cluster.isAway || process.isCutOff { return again() }
            if call.value == nil { call.value = body() }
            schedule.after(dice.delay(self.world.options.latency)) {
                if process.cannotReachBrokers || call.loss == .answer || dice.chance(self.world.lostAnswers) {
                    return again()
                }
                call.isAnswered = true
                schedule.wake(fiber)
            }
        }
    }
}

/// Sendable because a simulation has one thread; so are the other clients.
final class SimulatedSink: TransactionSink, @unchecked Sendable {
    private let world: World
    private let process: SimulatedProcess
    private let id: String
    private var epoch = 0
    /// What the open transaction holds so far. It goes to the brokers with the commit: a client may hold it back until then.
    private var messages: [Message] = []

    init(_ world: World, _ process: SimulatedProcess, worker: Int) {
        self.world = world
        self.process = process
        id = "\(process.instance)-\(worker)"
    }

    func initialize(cancelled: () -> Bool) throws(TransportFailure) {
        let (cluster, id) = (world.cluster, id)
        while true {
            process.point("initialize")
            let answer = process.link.call(2_000) { cluster.initialize(id) }
            if process.isDead { throw .fatal("killed") }
            if case .done(let epoch)? = answer {
                self.epoch = epoch
                return
            }
            if cancelled() { throw .retriable("begin to produce: given up") }
            world.schedule.wait(world.dice.int64(20...100))
        }
    }

    /// One step of a transaction, which others may come between.
    private enum Step {
        case produce(TopicPartition, [Int])
        case positions
    }

    func produce(_ run: MessageRun) {
        let arena = world.cluster.arena
        let part = { (range: Range<Int>?) in
            range.map { arena.keep(UnsafeRawBufferPointer(rebasing: run.bytes[$0])) }
        }
        for message in run.messages {
            let entry = LogEntry(
                timestamp: message.timestamp ?? world.schedule.now, key: part(message.key), value: part(message.value),
                headers: run.headers[message.headers])
            let partition = TopicPartition(topic: run.topics[message.topic], partition: message.partition)
            messages.append((partition, entry, message.isTracked))
        }
    }

    func commit(_ inputs: InputPositions) throws(TransportFailure) -> CommitOutcome {
        let messages = messages
        self.messages = []
        let (offsets, tooLarge) = try send(messages, inputs)
        if let tooLarge { return try giveUp(tooLarge) }
        let (cluster, id, epoch) = (world.cluster, id, epoch)
        let loss = world.dice.chance(world.doubtfulCommits) ? world.dice.pick([Link.Loss.question, .answer]) : .none
        _ = try ask("commit", loss: loss) { cluster.end(id, epoch, .committed) }
        return .committed(offsets: messages.indices.filter { messages[$0].isTracked }.map { offsets[$0] })
    }

    func abort(_ inputs: InputPositions) throws(TransportFailure) {
        let messages = messages
        self.messages = []
        _ = try send(messages, inputs)
        let (cluster, id, epoch) = (world.cluster, id, epoch)
        _ = try ask("abort") { cluster.end(id, epoch, .aborted) }
    }

    func rest() { world.schedule.wait(world.dice.int64(0...5)) }

    private typealias Message = (partition: TopicPartition, entry: LogEntry, isTracked: Bool)

    /// Offsets of the messages; or those among which one is too large.
    private func send(_ messages: [Message], _ inputs: InputPositions) throws(TransportFailure) -> (
        offsets: [Int64], tooLarge: [Int]?
    ) {
        var offsets = [Int64](repeating: -1, count: messages.count)
        for step in steps(messages.map(\.partition), inputs) {
            switch step {
            case .produce(let partition, let indexes):
                let (cluster, id, epoch) = (world.cluster, id, epoch)
                let batch = indexes.map { messages[$0].entry }
                guard let done = try ask("produce", { cluster.produce(id, epoch, partition, batch) }) else {
                    return (offsets, indexes)
                }
                for (index, offset) in zip(indexes, done) { offsets[index] = offset }
            case .positions: try sendPositions(inputs)
            }
        }
        return (offsets, nil)
    }

    /// Partitions are written to in any order, each in the order of its messages.
    private func steps(_ partitions: [TopicPartition], _ inputs: InputPositions) -> [Step] {
        var parts: [(TopicPartition, [Int])] = []
        for (index, partition) in partitions.enumerated() {
            if let place = parts.firstIndex(where: { $0.0 == partition }) {
                parts[place].1.append(index)
            } else {
                parts.append((partition, [index]))
            }
        }
        var steps = parts.map { Step.produce($0.0, $0.1) }
        if !inputs.positions.isEmpty { steps.append(.positions) }
        world.dice.shuffle(&steps)
        return steps
    }

    private func sendPositions(_ inputs: InputPositions) throws(TransportFailure) {
        guard let membership = inputs.membership as? SimulatedMembership else {
            throw .fatal("not a membership of the simulation")
        }
        let (cluster, id, epoch) = (world.cluster, id, epoch)
        _ = try ask("send positions") { cluster.send(id, epoch, inputs.positions, membership) }
    }

    /// nil if the broker finds a message too large. No answer in time leaves it open whether it was done.
    private func ask<Value>(
        _ what: String, loss: Link.Loss = .none, _ body: @escaping () -> SimulatedCluster.Answer<Value>
    )
        throws(TransportFailure) -> Value?
    {
        let until = world.schedule.now + world.cluster.transactionMilliseconds
        while true {
            process.point(what)
            let answer = process.link.call(until - world.schedule.now, loss: loss, body)
            if process.isDead { throw .fatal("killed") }
            switch answer {
            case nil: throw .abort("\(what): no answer")
            case .done(let value)?: return value
            case .fenced?:
                world.noteFencing()
                throw .fenced("\(what): a producer with a newer epoch has the name \(id)")
            case .refused(let text)?: throw .abort("\(what): \(text)")
            case .tooLarge?: return nil
            case .concurrent?:
                if world.schedule.now >= until { throw .abort("\(what): the transaction before is still being ended") }
                world.schedule.wait(world.dice.int64(5...50))
            }
        }
    }

    private func giveUp(_ refused: [Int]) throws(TransportFailure) -> CommitOutcome {
        let until = world.schedule.now + 30_000
        do throws(TransportFailure) { try initialize { self.world.schedule.now > until } } catch {
            if case .retriable(let text) = error { throw .abort(text) }
            throw error
        }
        return .refused(tooLarge: refused)
    }

    func close() {}
}

final class SimulatedReader: LogReader, @unchecked Sendable {
    private let world: World
    private let process: SimulatedProcess

    init(_ world: World, _ process: SimulatedProcess) {
        self.world = world
        self.process = process
    }

    func range(of partition: TopicPartition) throws(TransportFailure) -> (first: Int64, end: Int64) {
        process.point("range")
        let log = world.cluster.log(partition)
        let answer = process.link.call(5_000) { (first: log.start, end: log.end) }
        if process.isDead { throw .fatal("killed") }
        guard let answer else { throw .retriable("offsets of \(partition): no answer") }
        return answer
    }

    func openTransactions(in partitions: [TopicPartition]) throws(TransportFailure) -> [TopicPartition] {
        process.point("open")
        let cluster = world.cluster
        let answer = process.link.call(5_000) { partitions.filter { !cluster.log($0).isSettled } }
        if process.isDead { throw .fatal("killed") }
        guard let answer else { throw .retriable("open transactions: no answer") }
        return answer
    }

    func read(
        _ partition: TopicPartition, from: Int64, end: Int64, progress: () throws(TransportFailure) -> Void,
        body: (RawRecord) throws(TransportFailure) -> Void
    ) throws(TransportFailure) {
        var position = max(from, try range(of: partition).first)
        let log = world.cluster.log(partition)
        let until = world.schedule.now + 180_000
        while position < end {
            try progress()
            process.point("read")
            if process.isDead { throw .fatal("killed") }
            if world.schedule.now > until { throw .retriable("no answer while reading \(partition) at \(position)") }
            if process.cannotReachBrokers || position >= log.stable {
                world.schedule.wait(world.dice.int64(50...400))
                continue
            }
            var left = world.dice.int(4...64)
            while position < min(end, log.stable) && left > 0 {
                // Its owner trimmed it meanwhile; a broker does not skip what is gone, it refuses.
                if position < log.start { throw .fatal("\(partition): the records at \(position) are gone") }
                let entry = log.entries[Int(position)]
                if entry.isVisible {
                    try body(
                        RawRecord(
                            offset: position, timestamp: entry.timestamp, key: entry.key, value: entry.value,
                            message: nil))
                    left -= 1
                }
                position += 1
            }
        }
    }

    func close() {}
}

/// Prunes and trims on a fiber of its own, like the daemon's trimmer.
final class SimulatedHousekeeper: Housekeeper, @unchecked Sendable {
    private let world: World
    private unowned let process: SimulatedProcess
    private let vault: any SnapshotVault
    private let lane: any Lane

    init(_ world: World, _ process: SimulatedProcess, vault: any SnapshotVault) {
        self.world = world
        self.process = process
        self.vault = vault
        lane = SimulatedLane("\(process.name) trimmer", world, process)
    }

    func tidy(
        group: String, shard: Int32, genesis: Digest, keep: Int, journal: TopicPartition, offsets: [UInt64: Int64]
    ) {
        lane.run { [unowned self] in
            let oldest = vault.prune(group: group, shard: shard, keep: keep) { identity in
                identity.journalRecord.withUnsafeBytes { JournalRecord($0)?.genesis.id } == genesis
            }
            guard let oldest, let offset = offsets[oldest] else { return }
            process.point("trim")
            let (log, schedule) = (world.cluster.log(journal), world.schedule)
            _ = process.link.call(5_000) {
                schedule.trace.note(schedule.now, "\(journal): trimmed before \(offset)")
                log.delete(before: offset)
            }
        }
    }
}

/// Work beside a worker: a fiber while there is something to do.
final class SimulatedLane: Lane, @unchecked Sendable {
    private let name: String
    private let world: World
    private unowned let process: SimulatedProcess
    private var queue: [@Sendable () -> Void] = []
    private var isBusy = false

    init(_ name: String, _ world: World, _ process: SimulatedProcess) {
        self.name = name
        self.world = world
        self.process = process
    }

    func run(_ work: @escaping @Sendable () -> Void) {
        if process.isDead { return }
        queue.append(work)
        if isBusy { return }
        isBusy = true
        world.schedule.start(name, process) { [self] in
            while !queue.isEmpty && !process.isDead { queue.removeFirst()() }
            queue = []
            isBusy = false
        }
    }

    func end() {}
}

struct SimulatedLanes: Lanes, @unchecked Sendable {
    let world: World
    unowned let process: SimulatedProcess

    func lane(_ name: String, _ priority: LanePriority) -> any Lane {
        SimulatedLane("\(process.name) \(name)", world, process)
    }

    func wait(until isDone: () -> Bool) -> Bool {
        while !isDone() {
            if process.isDead { return false }
            world.schedule.giveWay()
        }
        return true
    }
}

/// For what is looked at from outside of time: work is done by whoever waits for it.
final class TimelessLanes: Lanes, @unchecked Sendable {
    private var queue: [@Sendable () -> Void] = []

    private final class Timeless: Lane, @unchecked Sendable {
        private unowned let lanes: TimelessLanes

        init(_ lanes: TimelessLanes) { self.lanes = lanes }

        func run(_ work: @escaping @Sendable () -> Void) { lanes.queue.append(work) }

        func end() {}
    }

    func lane(_ name: String, _ priority: LanePriority) -> any Lane { Timeless(self) }

    func wait(until isDone: () -> Bool) -> Bool {
        while !isDone() {
            if queue.isEmpty { return false }
            queue.removeFirst()()
        }
        return true
    }
}
