// The brokers: topics, transactions and the consumer group, as far as rfmd can see them.
import Model
import Worker

/// What a broker answers is decided in one moment; how long question and answer are on their way is the matter of `Link`.
final class SimulatedCluster {
    let schedule: Schedule
    let dice: Dice
    let arena = Arena()
    let group: SimulatedGroup
    private(set) var logs: [TopicPartition: PartitionLog] = [:]
    private var transactions: [String: TransactionState] = [:]
    private var producers = 0

    /// Nobody reaches a broker.
    var isAway = false
    /// Largest message that the topic of dead letters takes, bytes; a batch that holds a larger one is refused whole.
    var messageBytes = 1 << 20
    var letters = ""
    var transactionMilliseconds: Int64 = 4_000
    /// How long a marker may take to be written, ms.
    var markerMilliseconds: Int64 = 20
    /// An abort is completed without any.
    var skipsMarkers = false

    init(_ schedule: Schedule, dice: Dice) {
        self.schedule = schedule
        self.dice = dice
        group = SimulatedGroup(schedule, dice: dice)
    }

    func create(_ topic: String, partitions: Int32) {
        for index in 0..<partitions {
            let partition = TopicPartition(topic: topic, partition: index)
            logs[partition] = PartitionLog(partition)
        }
    }

    func log(_ partition: TopicPartition) -> PartitionLog {
        guard let log = logs[partition] else { preconditionFailure("there is no partition \(partition)") }
        return log
    }

    /// Numbers of producers begin with 1.
    func newProducer() -> Int {
        producers += 1
        return producers
    }

    // MARK: Transactions (the coordinator's side)

    enum Answer<Value> {
        case done(Value)
        /// A later producer of this name, or the broker itself, ended this one.
        case fenced
        /// The transaction before is still being ended.
        case concurrent
        /// Not of the present generation, or not of this group any more.
        case refused(String)
        case tooLarge
    }

    private func transaction(_ id: String) -> TransactionState {
        if let known = transactions[id] { return known }
        let new = TransactionState(id, producer: newProducer())
        transactions[id] = new
        return new
    }

    /// InitProducerId: fences older producers of this name and ends what they had open.
    func initialize(_ id: String) -> Answer<Int> {
        let state = transaction(id)
        switch state.status {
        case .empty:
            state.epoch += 1
            return .done(state.epoch)
        case .ongoing:
            state.epoch += 1
            end(state, .aborted)
            return .concurrent
        case .ending: return .concurrent
        }
    }

    private func open(_ id: String, _ epoch: Int) -> Answer<TransactionState> {
        let state = transaction(id)
        if state.epoch != epoch { return .fenced }
        switch state.status {
        case .ending: return .concurrent
        case .ongoing: return .done(state)
        case .empty:
            state.status = .ongoing
            state.number += 1
            let number = state.number
            schedule.after(transactionMilliseconds + dice.int64(0...500)) { [unowned self] in
                // The broker gives it up, and its producer with it.
                guard state.number == number, state.status == .ongoing else { return }
                schedule.trace.note(schedule.now, "broker: the transaction of \(id) timed out")
                state.epoch += 1
                end(state, .aborted)
            }
            return .done(state)
        }
    }

    /// Appends messages to one partition; the answer is their offsets.
    func produce(_ id: String, _ epoch: Int, _ partition: TopicPartition, _ messages: [LogEntry]) -> Answer<[Int64]> {
        switch open(id, epoch) {
        case .done(let state):
            if letters == partition.topic && messages.contains(where: { $0.value?.count ?? 0 > messageBytes }) {
                return .tooLarge
            }
            let log = log(partition)
            if !state.logs.contains(where: { $0 === log }) { state.logs.append(log) }
            return .done(messages.map { log.append($0, producer: state.producer) })
        case .fenced: return .fenced
        case .concurrent: return .concurrent
        case .refused(let text): return .refused(text)
        case .tooLarge: return .tooLarge
        }
    }

    /// TxnOffsetCommit.
    func send(_ id: String, _ epoch: Int, _ positions: [(TopicPartition, Int64)], _ membership: SimulatedMembership)
        -> Answer<Void>
    {
        switch open(id, epoch) {
        case .done(let state):
            if let problem = group.problem(of: membership) { return .refused(problem) }
            state.hasPositions = true
            group.hold(positions, producer: state.producer)
            return .done(())
        case .fenced: return .fenced
        case .concurrent: return .concurrent
        case .refused(let text): return .refused(text)
        case .tooLarge: return .tooLarge
        }
    }

    /// EndTxn: from here on it is decided.
    func end(_ id: String, _ epoch: Int, _ fate: LogEntry.Fate) -> Answer<Void> {
        let state = transaction(id)
        if state.epoch != epoch { return .fenced }
        switch state.status {
        case .ending: return .concurrent
        case .empty: return .done(())
        case .ongoing:
            end(state, fate)
            return .done(())
        }
    }

    /// The markers are written one by one, in any order.
    private func end(_ state: TransactionState, _ fate: LogEntry.Fate) {
        state.status = .ending
        let (logs, hasPositions) = (state.logs, state.hasPositions)
        (state.logs, state.hasPositions) = ([], false)
        if skipsMarkers && fate == .aborted {
            schedule.after(dice.delay(markerMilliseconds)) { [unowned self] in
                state.status = .empty
                schedule.trace.note(schedule.now, "broker: \(state.id) is left open")
            }
            return
        }
        var left = logs.count + 1
        let done = { [unowned self] in
            left -= 1
            if left == 0 {
                state.status = .empty
                schedule.trace.note(schedule.now, "broker: \(state.id) \(fate)")
            }
        }
        for log in logs {
            schedule.after(dice.delay(markerMilliseconds)) { [unowned self] in
                log.mark(state.producer, fate, at: schedule.now)
                done()
            }
        }
        schedule.after(dice.delay(markerMilliseconds)) { [unowned self] in
            if hasPositions { group.end(state.producer, fate) }
            done()
        }
    }
}

/// One transactional id at its coordinator.
private final class TransactionState {
    enum Status { case empty, ongoing, ending }

    let id: String
    let producer: Int
    var epoch = 0
    var status = Status.empty
    /// Counts transactions.
    var number = 0
    var logs: [PartitionLog] = []
    var hasPositions = false

    init(_ id: String, producer: Int) {
        self.id = id
        self.producer = producer
    }
}
