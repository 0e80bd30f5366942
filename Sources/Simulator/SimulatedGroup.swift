// The consumer group at its coordinator: static members, the eager protocol, range assignment, generations, sessions.
import Worker

/// Group metadata of one generation.
final class SimulatedMembership: Membership {
    let instance: String
    let member: Int
    let generation: Int

    init(instance: String, member: Int, generation: Int) {
        self.instance = instance
        self.member = member
        self.generation = generation
    }
}

final class SimulatedGroup {
    private final class Member {
        let instance: String
        var id: Int
        /// nil once it is gone without a word.
        var client: SimulatedSource?
        let topics: [String]
        var seenAt: Int64
        var hasJoined = true
        var assignment: [TopicPartition] = []

        init(_ instance: String, id: Int, _ client: SimulatedSource, seenAt: Int64) {
            self.instance = instance
            self.id = id
            self.client = client
            topics = client.topics
            self.seenAt = seenAt
        }
    }

    enum Heartbeat { case fine, rebalance, unknown, fenced }

    private let schedule: Schedule
    private let dice: Dice
    private(set) var generation = 0
    private var isPreparing = false
    /// By instance name, in the order of the names.
    private var members: [Member] = []
    private var lastID = 0
    private(set) var committed: [TopicPartition: Int64] = [:]
    private var held: [(producer: Int, positions: [(TopicPartition, Int64)])] = []

    var sessionMilliseconds: Int64 = 3_000
    var partitions: [String: Int32] = [:]

    init(_ schedule: Schedule, dice: Dice) {
        self.schedule = schedule
        self.dice = dice
    }

    private func member(_ instance: String) -> Member? { members.first { $0.instance == instance } }

    // MARK: Members

    /// JoinGroup. The answer comes as `SimulatedSource.joined`.
    func join(_ client: SimulatedSource) {
        if let member = member(client.instance) {
            member.seenAt = schedule.now
            let isSame = member.client === client && member.id == client.member
            if !isSame {
                // A static member that comes back: whoever had the name before is fenced.
                lastID += 1
                member.id = lastID
                if let old = member.client, old !== client, old.isJoining {
                    schedule.after(dice.delay(40)) { old.replaced() }
                }
                member.client = client
            }
            client.member = member.id
            if isPreparing {
                member.hasJoined = true
                finishIfAllJoined()
            } else {
                answer(member)
            }
            return
        }
        lastID += 1
        client.member = lastID
        let new = Member(client.instance, id: lastID, client, seenAt: schedule.now)
        members.append(new)
        members.sort { $0.instance < $1.instance }
        prepare()
        new.hasJoined = true
        finishIfAllJoined()
    }

    func heartbeat(_ instance: String, _ id: Int, _ generation: Int) -> Heartbeat {
        guard let member = member(instance) else { return .unknown }
        if member.id != id { return .fenced }
        member.seenAt = schedule.now
        if isPreparing { return member.hasJoined ? .fine : .rebalance }
        return generation == self.generation ? .fine : .unknown
    }

    /// The client is gone without a word: its session runs out by itself.
    func forget(_ client: SimulatedSource) {
        for member in members where member.client === client { member.client = nil }
    }

    /// A coordinator that comes (back) up counts sessions from then on.
    func renewSessions() { for member in members { member.seenAt = schedule.now } }

    /// Called now and then: sessions end.
    func expireSessions() {
        let gone = members.filter { member in
            let isWaiting = isPreparing && member.hasJoined && member.client != nil
            return !isWaiting && schedule.now - member.seenAt > sessionMilliseconds
        }
        if gone.isEmpty { return }
        for member in gone { schedule.trace.note(schedule.now, "group: the session of \(member.instance) ended") }
        members.removeAll { member in gone.contains { $0 === member } }
        prepare()
        finishIfAllJoined()
    }

    private func prepare() {
        if isPreparing { return }
        isPreparing = true
        for member in members { member.hasJoined = false }
    }

    private func finishIfAllJoined() {
        guard isPreparing, members.allSatisfy(\.hasJoined) else { return }
        let count = members.count
        schedule.after(dice.delay(300)) { [unowned self] in
            guard isPreparing, members.count == count, members.allSatisfy(\.hasJoined) else { return }
            isPreparing = false
            generation += 1
            deal()
            schedule.trace.note(
                schedule.now,
                "group: generation \(generation): "
                    + members.map { "\($0.instance) \($0.assignment.count)" }.joined(separator: ", "))
            for member in members {
                member.seenAt = schedule.now
                answer(member)
            }
        }
    }

    /// Range: of each topic its members get contiguous parts, in the order of their names.
    private func deal() {
        for member in members { member.assignment = [] }
        for (topic, count) in partitions.sorted(by: { $0.key < $1.key }) {
            let subscribed = members.filter { $0.topics.contains(topic) }
            if subscribed.isEmpty { continue }
            var next: Int32 = 0
            for (place, member) in subscribed.enumerated() {
                let share = count / Int32(subscribed.count) + (place < Int(count) % subscribed.count ? 1 : 0)
                for index in next..<next + share {
                    member.assignment.append(TopicPartition(topic: topic, partition: index))
                }
                next += share
            }
        }
    }

    private func answer(_ member: Member) {
        let (client, id, assignment, generation) = (member.client, member.id, member.assignment, generation)
        schedule.after(dice.delay(40)) { client?.joined(member: id, generation: generation, assignment) }
    }

    // MARK: Positions

    /// Why positions of this membership are not taken; nil if they are.
    func problem(of membership: SimulatedMembership) -> String? {
        guard let member = member(membership.instance) else { return "unknown member" }
        if member.id != membership.member { return "another member has this instance's name" }
        return membership.generation == generation ? nil : "generation \(membership.generation), not \(generation)"
    }

    /// Of whoever is a member now.
    var anyMembership: SimulatedMembership? {
        members.first.map { SimulatedMembership(instance: $0.instance, member: $0.id, generation: generation) }
    }

    /// Positions of a transaction that is not ended.
    func hold(_ positions: [(TopicPartition, Int64)], producer: Int) {
        if let place = held.firstIndex(where: { $0.producer == producer }) {
            held[place].positions += positions
        } else {
            held.append((producer, positions))
        }
    }

    func end(_ producer: Int, _ fate: LogEntry.Fate) {
        guard let place = held.firstIndex(where: { $0.producer == producer }) else { return }
        let positions = held.remove(at: place).positions
        if fate == .committed { for (partition, position) in positions { committed[partition] = position } }
    }

    /// True if a transaction that is not ended holds a position of one of these.
    func isUnstable(_ partitions: [TopicPartition]) -> Bool {
        held.contains { $0.positions.contains { partitions.contains($0.0) } }
    }

    /// Somebody (retention of positions) makes them absent.
    func forgetPositions() { committed = [:] }

    /// The topic is deleted.
    func forgetPositions(of topic: String) { committed = committed.filter { $0.key.topic != topic } }

    /// The member that has a partition now.
    func owner(of partition: TopicPartition) -> String? {
        members.first { $0.assignment.contains(partition) }?.instance
    }
}
