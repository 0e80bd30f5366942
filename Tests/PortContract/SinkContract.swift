// What a TransactionSink promises, and what the group keeps of it (Sources/Worker/Ports.swift).
import Model
import Worker

/// A transaction as a clause writes it.
struct ContractTransaction {
    var messages: [(partition: TopicPartition, record: ContractRecord)]
    var positions: [(TopicPartition, Int64)] = []
    var tracked: [Int] = []

    func commit(to sink: any TransactionSink, as membership: any Membership) throws(TransportFailure) -> CommitOutcome {
        try produce(to: sink)
        return try sink.commit(InputPositions(positions: positions, membership: membership))
    }

    func abort(on sink: any TransactionSink, as membership: any Membership) throws(TransportFailure) {
        try produce(to: sink)
        try sink.abort(InputPositions(positions: positions, membership: membership))
    }

    /// Each message goes in a run of its own, from memory that is overwritten behind it.
    private func produce(to sink: any TransactionSink) throws(TransportFailure) {
        let buffer = ByteBuffer()
        var topics: [String] = []
        for (number, (partition, record)) in messages.enumerated() {
            if !topics.contains(partition.topic) { topics.append(partition.topic) }
            buffer.removeAll()
            let part = { (bytes: [UInt8]?) -> Range<Int>? in
                guard let bytes else { return nil }
                let start = buffer.count
                buffer.append(contentsOf: bytes)
                return start..<buffer.count
            }
            let message = OutputMessage(
                topic: topics.firstIndex(of: partition.topic) ?? 0, partition: partition.partition,
                key: part(record.key), value: part(record.value), headers: 0, timestamp: record.timestamp,
                isTracked: tracked.contains(number))
            try sink.produce(
                MessageRun(topics: topics, bytes: buffer.bytes, messages: [message], headers: [record.headers]))
            let length = buffer.count
            buffer.removeAll()
            buffer.append(contentsOf: [UInt8](repeating: 0xFF, count: length))
        }
    }
}

extension BrokerBench {
    /// A member with both partitions, and a producer that is ready.
    func pair(_ instance: String) throws -> (member: Member, sink: any TransactionSink) {
        let member = try Member(self, instance, assigns: true)
        try member.awaitAssignment(of: 2)
        let sink = try sink(instance)
        try sink.initialize { false }
        return (member, sink)
    }

    func membership(_ member: Member) throws -> any Membership {
        guard let membership = member.membership else { throw Broken("it is no member") }
        return membership
    }

    var outputs: [TopicPartition] { (0...1).map { TopicPartition(topic: output, partition: $0) } }
}

/// Bytes that no compression makes fewer.
private func incompressible(_ count: Int) -> [UInt8] {
    var state: UInt64 = 1
    return (0..<count).map { _ in
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return UInt8(truncatingIfNeeded: state >> 56)
    }
}

package let sinkContract: [Clause<any BrokerBench>] = [
    Clause("a transaction is seen whole, in order, with the offsets that are told") { bench in
        let (member, sink) = try bench.pair("a")
        defer { member.source.close() }
        defer { sink.close() }
        let header = RecordHeader(name: "h", value: nil)
        let wide = TopicPartition(topic: bench.narrow, partition: 1)
        let transaction = ContractTransaction(
            messages: [
                (bench.outputs[0], ContractRecord(key: [1], value: [2], headers: [header])),
                (wide, ContractRecord(key: nil, value: [3])),
                (bench.outputs[0], ContractRecord(key: [4], value: nil, timestamp: 1_700_000_000_000)),
                (bench.outputs[1], ContractRecord(key: [], value: [])),
            ], tracked: [1, 2])
        for round in 0...1 {
            // One marker ends what the round before wrote to each partition.
            let before = Int64(round * 3)
            let outcome = try transaction.commit(to: sink, as: try bench.membership(member))
            try require(outcome == .committed(offsets: [Int64(round * 2), before + 1]), "round \(round): \(outcome)")
        }
        let seen = try bench.read(bench.outputs[0])
        try require(seen.map(\.offset) == [0, 1, 3, 4], "offsets \(seen.map(\.offset))")
        try require(seen.map(\.key) == [[1], [4], [1], [4]] && seen.map(\.value) == [[2], nil, [2], nil], "\(seen)")
        try require(seen[1].timestamp == 1_700_000_000_000, "timestamp \(seen[1].timestamp ?? -1)")
        let empty = try bench.read(bench.outputs[1])
        try require(
            empty.map(\.key) == [[], []] && empty.map(\.value) == [[], []], "an empty part is not a missing one")
        try require(try bench.read(wide).map(\.key) == [nil, nil], "a key that nobody sent")
    },
    Clause("positions are committed with their transaction") { bench in
        let (member, sink) = try bench.pair("a")
        defer { member.source.close() }
        defer { sink.close() }
        try require(try member.source.committed([bench.first, bench.second]).isEmpty, "positions that nobody sent")
        let transaction = ContractTransaction(
            messages: [(bench.outputs[0], ContractRecord("a"))], positions: [(bench.first, 7)])
        _ = try transaction.commit(to: sink, as: try bench.membership(member))
        let committed = try member.source.committed([bench.first, bench.second])
        try require(committed == [bench.first: 7], "committed \(committed)")
    },
    Clause("an aborted transaction has arrived, nothing of it is seen, and the producer goes on") { bench in
        let (member, sink) = try bench.pair("a")
        defer { member.source.close() }
        defer { sink.close() }
        let reader = try bench.reader()
        defer { reader.close() }
        let transaction = ContractTransaction(
            messages: [
                (bench.outputs[0], ContractRecord("no")), (bench.outputs[1], ContractRecord(key: [1], value: nil)),
            ],
            positions: [(bench.first, 7)], tracked: [0])
        try transaction.abort(on: sink, as: try bench.membership(member))
        let outcome = try transaction.commit(to: sink, as: try bench.membership(member))
        // Behind the aborted message and its marker.
        try require(outcome == .committed(offsets: [2]), "\(outcome)")
        try require(try bench.read(bench.outputs[0]).map(\.offset) == [2], "what was aborted is seen")
        try transaction.abort(on: sink, as: try bench.membership(member))
        try bench.waitFor("the marker of the abort") { try reader.openTransactions(in: bench.outputs).isEmpty }
        try require(try bench.read(bench.outputs[1]).count == 1, "what was aborted is seen")
        let committed = try member.source.committed([bench.first])
        try require(committed == [bench.first: 7], "committed \(committed)")
    },
    Clause("positions of an earlier generation are refused, and their transaction with them") { bench in
        let (member, sink) = try bench.pair("a")
        defer { member.source.close() }
        defer { sink.close() }
        let old = try bench.membership(member)
        let other = try Member(bench, "b", assigns: true)
        defer { other.source.close() }
        try bench.waitFor("the next generation") {
            try member.serve()
            try other.serve()
            return member.assigned.count == 1 && other.assigned.count == 1
        }
        let transaction = ContractTransaction(
            messages: [(bench.outputs[0], ContractRecord("no"))], positions: [(bench.first, 7)])
        try mustFail("a commit of an earlier generation", { if case .abort = $0 { true } else { false } }) {
            _ = try transaction.commit(to: sink, as: old)
        }
        // Its successor ends what it began.
        sink.close()
        let next = try bench.sink("a")
        defer { next.close() }
        try next.initialize { false }
        try require(try bench.read(bench.outputs[0]).isEmpty, "what was refused is seen")
        try require(try member.source.committed([bench.first, bench.second]).isEmpty, "its positions are committed")
        _ = try transaction.commit(to: next, as: try bench.membership(member))
        try require(try bench.read(bench.outputs[0]).map(\.text) == ["no"], "the present generation is not heard")
    },
    Clause("a second producer of the same name fences the first") { bench in
        let (member, sink) = try bench.pair("a")
        defer { member.source.close() }
        defer { sink.close() }
        let second = try bench.sink("a")
        defer { second.close() }
        try second.initialize { false }
        let transaction = ContractTransaction(
            messages: [(bench.outputs[0], ContractRecord("x"))], positions: [(bench.first, 1)])
        try mustFail("a commit of the first", { if case .fenced = $0 { true } else { false } }) {
            _ = try transaction.commit(to: sink, as: try bench.membership(member))
        }
        _ = try transaction.commit(to: second, as: try bench.membership(member))
        try require(try bench.read(bench.outputs[0]).map(\.text) == ["x"], "not the second's alone")
    },
    Clause("a message that is too large is told, nothing is committed, and the producer goes on") { bench in
        let (member, sink) = try bench.pair("a")
        defer { member.source.close() }
        defer { sink.close() }
        let narrow = TopicPartition(topic: bench.narrow, partition: 0)
        var transaction = ContractTransaction(
            messages: [
                (bench.outputs[0], ContractRecord("small")),
                (narrow, ContractRecord(key: [1], value: incompressible(3_000))),
            ], positions: [(bench.first, 3)], tracked: [0])
        guard case .refused(let large) = try transaction.commit(to: sink, as: try bench.membership(member)) else {
            throw Broken("it was committed")
        }
        try require(large.contains(1), "\(large)")
        try require(try bench.read(bench.outputs[0]).isEmpty, "the small one is seen")
        try require(try member.source.committed([bench.first]).isEmpty, "the positions are committed")
        transaction.messages[1].record.value = [120]
        guard case .committed = try transaction.commit(to: sink, as: try bench.membership(member)) else {
            throw Broken("refused again")
        }
        try require(try bench.read(narrow).map(\.value) == [[120]], "not the short one")
        try require(try bench.read(bench.outputs[0]).map(\.text) == ["small"], "not the small one")
    },
    Clause("a message that is too large is told also when much more follows it, and what follows is not seen") {
        bench in
        let (member, sink) = try bench.pair("a")
        defer { member.source.close() }
        defer { sink.close() }
        let narrow = TopicPartition(topic: bench.narrow, partition: 0)
        // More than a client holds back: the broker has refused the first long before the last is produced.
        let more = ContractRecord(key: nil, value: incompressible(1_000))
        var transaction = ContractTransaction(
            messages: [(narrow, ContractRecord(key: [1], value: incompressible(3_000)))]
                + (0..<40_000).map { _ in (bench.outputs[0], more) }, positions: [(bench.first, 3)])
        guard case .refused(let large) = try transaction.commit(to: sink, as: try bench.membership(member)) else {
            throw Broken("it was committed")
        }
        try require(large == [0], "\(large)")
        transaction.messages.removeLast(39_999)
        transaction.messages[0].record.value = [120]
        guard case .committed = try transaction.commit(to: sink, as: try bench.membership(member)) else {
            throw Broken("refused again")
        }
        try require(try bench.read(narrow).map(\.value) == [[120]], "not the short one")
        try require(try bench.read(bench.outputs[0]).map(\.value) == [more.value], "not the one that followed")
    },
]
