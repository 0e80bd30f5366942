// A member of the simulated group: the RecordSource of a worker in a simulation.
import Model
import Worker

/// What librdkafka's own threads do (heartbeats, fetching, asking for ends) is done by timers here, as long as the process runs and is
/// not cut off.
///
/// Sendable because a simulation has one thread.
final class SimulatedSource: RecordSource, @unchecked Sendable {
    private enum State: Equatable {
        /// To join with the next beat.
        case out
        case joining
        case member
        /// The worker was told and has not yet given its partitions up.
        case revoking
        case replaced
    }

    private let world: World
    private let process: SimulatedProcess
    let instance: String
    let topics: [String]
    var member: Int?
    private var generation = 0
    private var state = State.out
    private(set) var isClosed = false
    var isJoining: Bool { state == .joining }
    private var events: [GroupEvent] = []
    private var positions: [TopicPartition: Int64] = [:]
    /// The end that was told last, of each partition.
    private var toldEnd: [TopicPartition: Int64] = [:]
    private var answers: [TopicPartition: EndAnswer] = [:]
    private var assignment = 0
    /// It was told an assignment and has not yet said what to read: like librdkafka, it hears of no other before that.
    private var owesAnswer = false
    private var isRung = false
    private var waiting: Fiber?
    private var isDown = false
    /// A deliberate defect: records of transactions that are not committed are given out, too.
    private var seesUncommitted: Bool { world.mutation == .uncommittedRead }

    init(_ world: World, _ process: SimulatedProcess, worker: Int, topics: [String]) {
        self.world = world
        self.process = process
        // A member with other inputs is another member (docs/decisions/0007).
        instance = "\(process.instance)-\(worker)" + (topics.count < world.options.topics.count ? "-less" : "")
        self.topics = topics
        beat(after: 1)
        probe(after: world.dice.int64(1...150))
    }

    private var schedule: Schedule { world.schedule }
    private var isLost: Bool { isClosed || process.isDead }

    // MARK: Waiting

    var wake: @Sendable () -> Void { { [weak self] in self?.ring() } }

    private func ring() {
        isRung = true
        guard let fiber = waiting else { return }
        waiting = nil
        schedule.wake(fiber)
    }

    func wait(timeout: Int32) {
        process.point("wait")
        if isRung {
            isRung = false
            return schedule.giveWay()
        }
        waiting = schedule.current
        schedule.wait(Int64(timeout) * world.options.slowness)
        waiting = nil
        isRung = false
    }

    /// Records may have arrived; told a little later.
    func noteArrival(_ partition: TopicPartition) {
        guard positions[partition] != nil else { return }
        schedule.after(world.dice.delay(30)) { [weak self] in self?.ring() }
    }

    func poll(timeout: Int32) -> GroupEvent? {
        process.point("poll")
        if isLost { return .failed(.fatal("killed")) }
        if events.isEmpty {
            if timeout > 0 { wait(timeout: timeout) } else { schedule.giveWay() }
        }
        if isLost { return .failed(.fatal("killed")) }
        return events.isEmpty ? nil : events.removeFirst()
    }

    private func push(_ event: GroupEvent) {
        events.append(event)
        ring()
    }

    // MARK: The group

    private func beat(after milliseconds: Int64) {
        schedule.after(milliseconds) { [weak self] in
            guard let self, !isLost else { return }
            beatOnce()
            beat(after: world.dice.int64(200...400))
        }
    }

    private func beatOnce() {
        if process.isPaused { return }
        if process.cannotReachBrokers {
            if !isDown { push(.connection(problem: "the brokers do not answer")) }
            isDown = true
            return
        }
        if isDown { push(.connection(problem: nil)) }
        isDown = false
        schedule.after(world.dice.delay(30)) { [weak self] in
            guard let self, !isLost, !process.cannotReachBrokers else { return }
            speak()
        }
    }

    /// One question to the coordinator.
    private func speak() {
        let group = world.cluster.group
        switch state {
        case .out:
            state = .joining
            group.join(self)
        case .joining, .replaced: break
        case .member, .revoking:
            guard let member else { return }
            switch group.heartbeat(instance, member, generation) {
            case .fine: break
            case .rebalance: if state == .member && !owesAnswer { revoke(lost: false) }
            case .unknown: if state == .member && !owesAnswer { revoke(lost: true) }
            case .fenced: replaced()
            }
        }
    }

    /// Another client joined under this name. Told at once to one that waits for its own join, to others with their next beat.
    func replaced() {
        if isLost || state == .replaced { return }
        state = .replaced
        push(.failed(.fenced("another member has the name \(instance)")))
    }

    private func revoke(lost: Bool) {
        state = .revoking
        push(.revoked(lost: lost))
    }

    /// The group's answer to a join.
    func joined(member: Int, generation: Int, _ assigned: [TopicPartition]) {
        guard !isLost, state == .joining, member == self.member else { return }
        state = .member
        self.generation = generation
        owesAnswer = true
        push(
            .assigned(
                assigned, membership: SimulatedMembership(instance: instance, member: member, generation: generation)))
    }

    func assign(_ positions: [TopicPartition: Int64]) throws(TransportFailure) {
        process.point("assign")
        if isLost { throw .fatal("killed") }
        self.positions = positions
        owesAnswer = false
        toldEnd = [:]
        answers = [:]
        assignment += 1
        schedule.trace.note(
            schedule.now,
            "\(instance): reads "
                + positions.sorted { $0.key.description < $1.key.description }.map { "\($0.key)@\($0.value)" }.joined(
                    separator: " "))
        ring()
    }

    func unassign() {
        positions = [:]
        owesAnswer = false
        answers = [:]
        assignment += 1
        if state == .revoking {
            state = .out
            schedule.after(world.dice.delay(20)) { [weak self] in
                guard let self, !isLost, !process.isPaused, state == .out, !process.cannotReachBrokers else { return }
                speak()
            }
        }
    }

    func close() {
        if isClosed { return }
        isClosed = true
        world.cluster.group.forget(self)
        world.remove(self)
        unassign()
    }

    func committed(_ partitions: [TopicPartition]) throws(TransportFailure) -> [TopicPartition: Int64] {
        let until = schedule.now + 5_000
        let cluster = world.cluster
        while schedule.now < until {
            process.point("committed")
            let answer = process.link.call(1_000) { () -> [TopicPartition: Int64]? in
                if cluster.group.isUnstable(partitions) { return nil }
                return cluster.group.committed.filter { partitions.contains($0.key) }
            }
            if isLost { throw .fatal("killed") }
            if let answer, let positions = answer { return positions }
            schedule.wait(100)
        }
        throw .retriable("committed positions are not stable")
    }

    // MARK: Records

    func take(_ partition: TopicPartition, limit: Int, into records: inout [RawRecord]) throws(TransportFailure)
        -> Int64?
    {
        process.point("take")
        if isLost { throw .fatal("killed") }
        guard var next = positions[partition], !process.cannotReachBrokers, !world.dice.one(in: 8) else { return nil }
        let log = world.cluster.log(partition)
        if next < log.start || next > log.end { throw .fatal("\(partition): the records at offset \(next) are gone") }
        let stable = seesUncommitted ? log.end : log.stable
        var left = min(limit, world.dice.one(in: 3) ? world.dice.int(1...4) : limit)
        while left > 0 && next < stable {
            let entry = log.entries[Int(next)]
            if entry.isVisible || seesUncommitted && !entry.isMarker {
                records.append(
                    RawRecord(
                        offset: next, timestamp: entry.timestamp, key: entry.key, value: entry.value,
                        message: world.number(partition, next)))
                left -= 1
            }
            next += 1
        }
        // Markers and aborted records behind the last one.
        while next < stable && !log.entries[Int(next)].isVisible && !seesUncommitted { next += 1 }
        positions[partition] = next
        guard next == stable, toldEnd[partition] != next else { return nil }
        toldEnd[partition] = next
        return next
    }

    func release(_ records: ArraySlice<RawRecord>) {}

    func headers(of record: RawRecord) -> [RecordHeader] { world.entry(record.message)?.headers ?? [] }

    // MARK: Where inputs end

    private func probe(after milliseconds: Int64) {
        schedule.after(milliseconds) { [weak self] in
            guard let self, !isLost else { return }
            if !process.isPaused && !process.cannotReachBrokers && !positions.isEmpty { ask() }
            probe(after: world.dice.int64(150...400))
        }
    }

    private func ask() {
        let number = assignment
        for partition in positions.keys.sorted(by: { $0.description < $1.description }) {
            let askedAt = process.clock.now()
            schedule.after(world.dice.delay(20)) { [weak self] in
                guard let self, !isLost, !process.cannotReachBrokers, assignment == number else { return }
                let answer = EndAnswer(offset: world.cluster.log(partition).stable, askedAt: askedAt)
                world.noteAnswer(partition, answer)
                answers[partition] = answer
            }
        }
    }

    func end(of partition: TopicPartition) -> EndAnswer? { answers[partition] }
}
