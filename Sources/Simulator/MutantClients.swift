// Clients with a defect (Mutation.swift says which).
import Codec
import Model
import Worker

final class MutantSource: RecordSource, @unchecked Sendable {
    private let real: SimulatedSource
    private let mutation: Mutation
    private let world: World
    private let process: SimulatedProcess

    init(_ real: SimulatedSource, _ mutation: Mutation, _ world: World, _ process: SimulatedProcess) {
        self.real = real
        self.mutation = mutation
        self.world = world
        self.process = process
    }

    func poll(timeout: Int32) -> GroupEvent? { real.poll(timeout: timeout) }
    func assign(_ positions: [TopicPartition: Int64]) throws(TransportFailure) { try real.assign(positions) }
    func unassign() { real.unassign() }
    func close() { real.close() }
    func wait(timeout: Int32) { real.wait(timeout: timeout) }
    var wake: @Sendable () -> Void { real.wake }
    func release(_ records: ArraySlice<RawRecord>) { real.release(records) }
    func headers(of record: RawRecord) -> [RecordHeader] { real.headers(of: record) }

    func take(_ partition: TopicPartition, limit: Int, into records: inout [RawRecord]) throws(TransportFailure)
        -> Int64?
    {
        let before = records.count
        let end = try real.take(partition, limit: limit, into: &records)
        if records.count == before || !world.dice.one(in: 20) { return end }
        if mutation == .recordLost { records.remove(at: before) }
        if mutation == .recordTwice { records.insert(records[before], at: before) }
        return end
    }

    func end(of partition: TopicPartition) -> EndAnswer? {
        guard var answer = real.end(of: partition) else { return nil }
        if mutation == .endTooLate { answer.askedAt = process.clock.now() }
        return answer
    }

    func committed(_ partitions: [TopicPartition]) throws(TransportFailure) -> [TopicPartition: Int64] {
        if mutation == .unstablePositions {
            return world.cluster.group.committed.filter { partitions.contains($0.key) }
        }
        return try real.committed(partitions)
    }
}

final class MutantSink: TransactionSink, @unchecked Sendable {
    private let real: SimulatedSink
    private let mutation: Mutation
    private let world: World
    private var lastPositions: [TopicPartition: Int64] = [:]
    /// The open transaction: most defects need the whole.
    private var gathered = WholeTransaction()

    init(_ real: SimulatedSink, _ mutation: Mutation, _ world: World) {
        self.real = real
        self.mutation = mutation
        self.world = world
    }

    func initialize(cancelled: () -> Bool) throws(TransportFailure) { try real.initialize(cancelled: cancelled) }

    func rest() { real.rest() }
    func close() { real.close() }

    func produce(_ run: MessageRun) { gathered.add(run) }

    func commit(_ inputs: InputPositions) throws(TransportFailure) -> CommitOutcome {
        let transaction = gathered
        gathered = WholeTransaction()
        var changed = transaction
        var positions = inputs
        switch mutation {
        case .commitBeforeFlush: if world.dice.one(in: 4) { forget(&changed) { World.eventTopics.contains($0) } }
        case .letterLost: if world.dice.one(in: 4) { forget(&changed) { $0 == World.outputs.deadLetters } }
        case .offsetTooSmall: shift(&positions, by: -1)
        case .offsetTooLarge: shift(&positions, by: 1)
        case .laterGeneration:
            if let membership = world.cluster.group.anyMembership { positions.membership = membership }
        case .positionsLeftOut:
            if inputs.positions.allSatisfy({ lastPositions[$0.0] == $0.1 }) { positions.positions = [] }
            for (partition, position) in inputs.positions { lastPositions[partition] = position }
        case .versionNotWritten: forget(&changed) { $0 == World.outputs.versions }
        case .eventsSwapped: swap(&changed)
        case .wrongPartition:
            if let place = changed.messages.firstIndex(where: { isEvent($0, transaction) }), world.options.shards > 1 {
                changed.messages[place].partition = (changed.messages[place].partition + 1) % world.options.shards
            }
        case .clockNotJournaled: leaveOutClock(&changed)
        default: break
        }
        do throws(TransportFailure) { return try commit(changed, positions) } catch {
            guard case .abort = error, mutation == .committedAgain || mutation == .doubtTakenForDone else {
                throw error
            }
            try real.initialize { false }
            if mutation == .doubtTakenForDone {
                return .committed(offsets: transaction.messages.filter(\.isTracked).map { _ in 0 })
            }
            return try commit(changed, positions)
        }
    }

    func abort(_ inputs: InputPositions) throws(TransportFailure) {
        real.produce(gathered.run)
        gathered = WholeTransaction()
        try real.abort(inputs)
    }

    private func commit(_ transaction: WholeTransaction, _ inputs: InputPositions) throws(TransportFailure)
        -> CommitOutcome
    {
        real.produce(transaction.run)
        return try real.commit(inputs)
    }

    private func isEvent(_ message: OutputMessage, _ transaction: WholeTransaction) -> Bool {
        World.eventTopics.contains(transaction.topics[message.topic])
    }

    /// The first event changes places with the next one to the same partition.
    private func swap(_ transaction: inout WholeTransaction) {
        guard let one = transaction.messages.firstIndex(where: { isEvent($0, transaction) }) else { return }
        let first = transaction.messages[one]
        let next = transaction.messages[(one + 1)...].firstIndex {
            $0.topic == first.topic && $0.partition == first.partition
        }
        if let next { transaction.messages.swapAt(one, next) }
    }

    /// Leaves out the last message to one of some topics.
    private func forget(_ transaction: inout WholeTransaction, _ isMeant: (String) -> Bool) {
        guard let place = transaction.messages.lastIndex(where: { isMeant(transaction.topics[$0.topic]) }) else {
            return
        }
        transaction.messages.remove(at: place)
    }

    private func shift(_ inputs: inout InputPositions, by difference: Int64) {
        guard !inputs.positions.isEmpty, inputs.positions[0].1 + difference >= 0, world.dice.one(in: 4) else { return }
        inputs.positions[0].1 += difference
    }

    /// Writes journal records anew, without the instants, and chained to those that were committed.
    private func leaveOutClock(_ transaction: inout WholeTransaction) {
        for (index, message) in transaction.messages.enumerated()
        where transaction.topics[message.topic] == World.outputs.journal {
            guard let range = message.value,
                var record = JournalRecord(UnsafeRawBufferPointer(rebasing: transaction.bytes.bytes[range]))
            else { continue }
            let log = world.cluster.log(TopicPartition(topic: World.outputs.journal, partition: message.partition))
            let last = log.committed().last?.entry.value.flatMap { JournalRecord($0) }
            for slice in record.slices.indices { record.slices[slice].endedAt = nil }
            let written = record.seal(after: record.batch == 0 ? .zero : last?.chain ?? .zero)
            transaction.messages[index].value = transaction.append(written)
        }
    }
}

/// All runs of a transaction as one.
private struct WholeTransaction {
    let bytes = ByteBuffer()
    var topics: [String] = []
    var messages: [OutputMessage] = []
    private var headers: [[RecordHeader]] = []

    mutating func add(_ run: MessageRun) {
        let (start, list) = (bytes.count, headers.count)
        bytes.append(contentsOf: run.bytes)
        let moved = { (range: Range<Int>?) in range.map { $0.lowerBound + start..<$0.upperBound + start } }
        topics = run.topics
        headers += run.headers
        messages += run.messages.map { message in
            var message = message
            (message.key, message.value) = (moved(message.key), moved(message.value))
            message.headers += list
            return message
        }
    }

    func append(_ more: [UInt8]) -> Range<Int> {
        let start = bytes.count
        bytes.append(contentsOf: more)
        return start..<bytes.count
    }

    var run: MessageRun { MessageRun(topics: topics, bytes: bytes.bytes, messages: messages, headers: headers) }
}

final class MutantReader: LogReader, @unchecked Sendable {
    private let real: SimulatedReader
    private let mutation: Mutation
    private let world: World

    init(_ real: SimulatedReader, _ mutation: Mutation, _ world: World) {
        self.real = real
        self.mutation = mutation
        self.world = world
    }

    func range(of partition: TopicPartition) throws(TransportFailure) -> (first: Int64, end: Int64) {
        let range = try real.range(of: partition)
        if mutation != .journalReadTooShort { return range }
        return (range.first, min(range.end, world.cluster.log(partition).stable))
    }

    func openTransactions(in partitions: [TopicPartition]) throws(TransportFailure) -> [TopicPartition] {
        _ = try real.openTransactions(in: partitions)
        return []
    }

    func read(
        _ partition: TopicPartition, from: Int64, end: Int64, progress: () throws(TransportFailure) -> Void,
        body: (RawRecord) throws(TransportFailure) -> Void
    ) throws(TransportFailure) { try real.read(partition, from: from, end: end, progress: progress, body: body) }

    func close() { real.close() }
}

/// Trims behind the newest batch that it knows.
final class MutantHousekeeper: Housekeeper, @unchecked Sendable {
    private let real: SimulatedHousekeeper
    private let world: World

    init(_ real: SimulatedHousekeeper, _ world: World) {
        self.real = real
        self.world = world
    }

    func tidy(
        group: String, shard: Int32, genesis: Digest, keep: Int, journal: TopicPartition, offsets: [UInt64: Int64]
    ) {
        if let newest = offsets.values.max() { world.cluster.log(journal).delete(before: newest) }
        real.tidy(group: group, shard: shard, genesis: genesis, keep: keep, journal: journal, offsets: offsets)
    }
}

/// Trims behind the newest batch that it knows, once another member has the shard.
final class LosingHousekeeper: Housekeeper, @unchecked Sendable {
    private let real: SimulatedHousekeeper
    private let world: World
    private unowned let process: SimulatedProcess
    /// The newest batch of each journal that it heard of.
    private var newest: [TopicPartition: Int64] = [:]

    init(_ real: SimulatedHousekeeper, _ world: World, _ process: SimulatedProcess) {
        self.real = real
        self.world = world
        self.process = process
    }

    func tidy(
        group: String, shard: Int32, genesis: Digest, keep: Int, journal: TopicPartition, offsets: [UInt64: Int64]
    ) {
        let isNew = newest[journal] == nil
        newest[journal] = offsets.values.max()
        real.tidy(group: group, shard: shard, genesis: genesis, keep: keep, journal: journal, offsets: offsets)
        if isNew { watch(journal) }
    }

    private func watch(_ journal: TopicPartition) {
        world.schedule.after(100) { [weak self] in
            guard let self, !process.isDead else { return }
            let input = TopicPartition(topic: world.options.topics[0], partition: journal.partition)
            let owner = world.cluster.group.owner(of: input)
            if let owner, !owner.hasPrefix("\(process.instance)-"), let newest = newest.removeValue(forKey: journal) {
                return world.cluster.log(journal).delete(before: newest)
            }
            watch(journal)
        }
    }
}
