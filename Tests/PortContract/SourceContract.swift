// What a RecordSource and a LogReader promise (Sources/Worker/Ports.swift).
import Worker

/// A record as it was read, its bytes copied.
struct ReadRecord: Equatable {
    var offset: Int64
    var key: [UInt8]?
    var value: [UInt8]?
    var timestamp: Int64?
    var headers: [RecordHeader] = []

    init(_ record: RawRecord, headers: [RecordHeader] = []) {
        offset = record.offset
        key = record.key.map { [UInt8]($0) }
        value = record.value.map { [UInt8]($0) }
        timestamp = record.timestamp
        self.headers = headers
    }

    var text: String { String(decoding: value ?? [], as: UTF8.self) }
}

/// A member at work: what its source said and gave.
final class Member {
    let source: any RecordSource
    private let bench: any BrokerBench
    /// What it is given it begins to read at once: a group goes on only when that is answered.
    private let assigns: Bool
    private(set) var membership: (any Membership)?
    private(set) var assigned: [TopicPartition] = []
    private(set) var failure: TransportFailure?
    private(set) var revocations = 0
    private(set) var records: [TopicPartition: [ReadRecord]] = [:]
    private(set) var ends: [TopicPartition: Int64] = [:]

    init(_ bench: any BrokerBench, _ instance: String, assigns: Bool = false) throws {
        self.bench = bench
        self.assigns = assigns
        source = try bench.source(instance)
    }

    /// One look at the group; gives up what is taken away.
    func serve(timeout: Int32 = 50) throws {
        switch source.poll(timeout: timeout) {
        case .assigned(let partitions, let membership):
            (assigned, self.membership) = (partitions, membership)
            if assigns { try source.assign(Dictionary(uniqueKeysWithValues: partitions.map { ($0, 0) })) }
        case .revoked:
            revocations += 1
            (assigned, membership) = ([], nil)
            source.unassign()
        case .failed(let failure): self.failure = failure
        case .connection, nil: break
        }
    }

    func awaitAssignment(of count: Int) throws {
        try bench.waitFor("an assignment of \(count) partitions") {
            try serve()
            if let failure { throw failure }
            return membership != nil && assigned.count == count
        }
    }

    func take(_ partition: TopicPartition) throws {
        var raw: [RawRecord] = []
        let end = try source.take(partition, limit: 100, into: &raw)
        records[partition, default: []] += raw.map { ReadRecord($0, headers: source.headers(of: $0)) }
        source.release(raw[...])
        if let end { ends[partition] = end }
    }

    /// Reads until the end of the partition is told as `end`.
    func read(_ partition: TopicPartition, to end: Int64) throws -> [ReadRecord] {
        try bench.waitFor("the end of \(partition) at \(end) (last told: \(ends[partition] ?? -1))") {
            try serve(timeout: 0)
            source.wait(timeout: 50)
            try take(partition)
            return ends[partition] == end
        }
        return records[partition] ?? []
    }
}

extension BrokerBench {
    func range(of partition: TopicPartition) throws -> (first: Int64, end: Int64) {
        let reader = try reader()
        defer { reader.close() }
        return try reader.range(of: partition)
    }

    /// Everything committed that a reader sees from `offset` on.
    func read(_ partition: TopicPartition, from offset: Int64 = 0, progress: () throws -> Void = {}) throws
        -> [ReadRecord]
    {
        let reader = try reader()
        defer { reader.close() }
        var found: [ReadRecord] = []
        var problem: (any Error)?
        let end = try reader.range(of: partition).end
        try reader.read(
            partition, from: offset, end: end,
            progress: { () throws(TransportFailure) in
                do { try progress() } catch { problem = error }
            },
            body: { (record: RawRecord) throws(TransportFailure) in found.append(ReadRecord(record)) })
        if let problem { throw problem }
        return found
    }
}

package let sourceContract: [Clause<any BrokerBench>] = [
    Clause("a partition is open as long as a transaction there is") { bench in
        let reader = try bench.reader()
        defer { reader.close() }
        let partitions = [bench.first, bench.second]
        try bench.send([ContractRecord("a")], to: bench.first)
        try bench.send([ContractRecord("a")], to: bench.second)
        try require(try reader.openTransactions(in: partitions).isEmpty, "open without a transaction")
        for fate in [ContractFate.committed, .aborted] {
            let end = try bench.sendOpen([ContractRecord("b")], to: bench.second)
            let open = try reader.openTransactions(in: partitions)
            try require(open == [bench.second], "open: \(open)")
            try end(fate)
            try bench.waitFor("the end of the transaction") { try reader.openTransactions(in: partitions).isEmpty }
        }
    },
    Clause("records come in offset order, with everything that they hold") { bench in
        let header = RecordHeader(name: "h", value: [1, 2])
        let sent = [
            ContractRecord(key: [1], value: [2], timestamp: 1_700_000_000_000, headers: [header]),
            ContractRecord(key: nil, value: [3]), ContractRecord(key: [4], value: nil),
            ContractRecord(
                key: [], value: [],
                headers: [RecordHeader(name: "n", value: nil), RecordHeader(name: "e", value: []), header]),
        ]
        try bench.send(sent, to: bench.first)
        let member = try Member(bench, "a")
        defer { member.source.close() }
        try member.awaitAssignment(of: 2)
        try member.source.assign([bench.first: 0, bench.second: 0])
        let read = try member.read(bench.first, to: 4)
        try require(read.map(\.offset) == [0, 1, 2, 3], "offsets \(read.map(\.offset))")
        for (record, sent) in zip(read, sent) {
            try require(
                record.key == sent.key && record.value == sent.value && record.headers == sent.headers,
                "sent \(sent), read \(record)")
            try require(sent.timestamp == nil || record.timestamp == sent.timestamp, "timestamp of \(record)")
        }
        try require(try member.read(bench.second, to: 0).isEmpty, "an empty partition gave a record")
    },
    Clause("reading begins where it was assigned") { bench in
        try bench.send((0..<5).map { ContractRecord("\($0)") }, to: bench.first)
        let member = try Member(bench, "a")
        defer { member.source.close() }
        try member.awaitAssignment(of: 2)
        try member.source.assign([bench.first: 3, bench.second: 0])
        try require(try member.read(bench.first, to: 5).map(\.offset) == [3, 4], "not what is at 3 and 4")
    },
    Clause("aborted records are not seen, and the end lies behind control records") { bench in
        try bench.send([ContractRecord("plain")], to: bench.first)
        try bench.sendOpen([ContractRecord("no")], to: bench.first)(.aborted)
        try bench.sendOpen([ContractRecord("yes")], to: bench.first)(.committed)
        let member = try Member(bench, "a")
        defer { member.source.close() }
        try member.awaitAssignment(of: 2)
        try member.source.assign([bench.first: 0, bench.second: 0])
        let end = try bench.range(of: bench.first).end
        try require(end == 5, "three records and two markers end at \(end)")
        let read = try member.read(bench.first, to: end)
        try require(read.map(\.text) == ["plain", "yes"], "read \(read.map(\.text))")
    },
    Clause("an open transaction holds the end back, and not the high watermark") { bench in
        try bench.send([ContractRecord("a")], to: bench.first)
        let end = try bench.sendOpen([ContractRecord("b")], to: bench.first)
        try bench.send([ContractRecord("c")], to: bench.first)
        try require(try bench.range(of: bench.first) == (0, 3), "the high watermark is not 3")
        let member = try Member(bench, "a")
        defer { member.source.close() }
        try member.awaitAssignment(of: 2)
        try member.source.assign([bench.first: 0, bench.second: 0])
        try require(try member.read(bench.first, to: 1).map(\.text) == ["a"], "more than what is stable")
        try bench.waitFor("the answer that it ends at 1") {
            try member.serve()
            return member.source.end(of: bench.first)?.offset == 1
        }
        try end(.committed)
        try require(try member.read(bench.first, to: 4).map(\.text) == ["a", "b", "c"], "not all in their order")
        try bench.waitFor("the answer that it ends at 4") {
            try member.serve()
            return member.source.end(of: bench.first)?.offset == 4
        }
    },
    Clause("an end is as old as its question, and asked for twice a second") { bench in
        let member = try Member(bench, "a")
        defer { member.source.close() }
        try member.awaitAssignment(of: 2)
        let before = bench.clock
        try member.source.assign([bench.first: 0, bench.second: 0])
        try require(member.source.end(of: bench.first) == nil, "an answer of an assignment before")
        try bench.waitFor("an answer") {
            try member.serve()
            return member.source.end(of: bench.first) != nil
        }
        try bench.send([ContractRecord("a")], to: bench.first)
        let acknowledged = bench.clock
        for _ in 0..<5 {
            guard let last = member.source.end(of: bench.first) else { throw Broken("an answer is gone") }
            try require(last.askedAt >= before && last.askedAt <= bench.clock, "asked at \(last.askedAt)")
            try bench.waitFor("a newer answer") {
                try member.serve()
                return (member.source.end(of: bench.first)?.askedAt ?? 0) > last.askedAt
            }
            guard let next = member.source.end(of: bench.first) else { throw Broken("an answer is gone") }
            // Twice a second, on a machine that does other things beside.
            try require(next.askedAt - last.askedAt < 3_000, "\(next.askedAt - last.askedAt) ms between two questions")
            try require(
                next.askedAt <= acknowledged || next.offset == 1, "asked after the record was acknowledged: \(next)")
        }
    },
    Clause("records that are gone are told as a failure, and nothing is skipped") { bench in
        try bench.send((0..<5).map { ContractRecord("\($0)") }, to: bench.first)
        try bench.deleteRecords(before: 3, of: bench.first)
        let member = try Member(bench, "a")
        defer { member.source.close() }
        try member.awaitAssignment(of: 2)
        try member.source.assign([bench.first: 1, bench.second: 0])
        try mustFail("reading what is gone", { if case .fatal = $0 { true } else { false } }) {
            _ = try member.read(bench.first, to: 5)
        }
    },
    Clause("wake ends a wait, also one that begins later") { bench in
        let member = try Member(bench, "a")
        defer { member.source.close() }
        try member.awaitAssignment(of: 2)
        try member.source.assign([bench.first: 0, bench.second: 0])
        // Nothing else is to end the wait.
        try bench.waitFor("rest") {
            try member.serve(timeout: 0)
            let before = bench.clock
            member.source.wait(timeout: 500)
            return bench.clock - before >= 400
        }
        let before = bench.clock
        member.source.wake()
        member.source.wait(timeout: 20_000)
        try require(bench.clock - before < 10_000, "waited \(bench.clock - before) ms")
    },
    Clause("members share the partitions, and each is told what is taken from it") { bench in
        let one = try Member(bench, "a", assigns: true)
        defer { one.source.close() }
        try one.awaitAssignment(of: 2)
        let other = try Member(bench, "b", assigns: true)
        defer { other.source.close() }
        try bench.waitFor("a part for each") {
            try one.serve()
            try other.serve()
            return one.assigned.count == 1 && other.assigned.count == 1
        }
        try require(one.revocations == 1, "\(one.revocations) revocations")
        try require(Set(one.assigned + other.assigned) == [bench.first, bench.second], "one partition twice")
    },
    Clause("an instance that another replaces is told so") { bench in
        let old = try Member(bench, "a", assigns: true)
        defer { old.source.close() }
        try old.awaitAssignment(of: 2)
        let new = try Member(bench, "a", assigns: true)
        defer { new.source.close() }
        try bench.waitFor("the old one to be fenced, and the new one to have its part") {
            try old.serve()
            try new.serve()
            if case .fenced? = old.failure { return new.assigned.count == 2 }
            return false
        }
        try require(new.failure == nil, "the new one failed: \(String(describing: new.failure))")
    },
]

package let readerContract: [Clause<any BrokerBench>] = [
    Clause("a reader sees committed records only, up to the end that it is given") { bench in
        try bench.send([ContractRecord("a")], to: bench.first)
        try bench.sendOpen([ContractRecord("no")], to: bench.first)(.aborted)
        try bench.sendOpen([ContractRecord("b")], to: bench.first)(.committed)
        try require(try bench.read(bench.first).map(\.text) == ["a", "b"], "not a and b")
        try require(try bench.read(bench.first, from: 1).map(\.text) == ["b"], "not b alone")
        try require(try bench.read(bench.second).isEmpty, "an empty partition holds a record")
    },
    Clause("a reader waits for open transactions below its end") { bench in
        let end = try bench.sendOpen([ContractRecord("late")], to: bench.first)
        var isOpen = true
        let read = try bench.read(bench.first) {
            if isOpen { try end(.committed) }
            isOpen = false
        }
        try require(read.map(\.text) == ["late"], "read \(read.map(\.text))")
    },
    Clause("a reader begins at the first record that is kept") { bench in
        try bench.send((0..<4).map { ContractRecord("\($0)") }, to: bench.first)
        try bench.deleteRecords(before: 2, of: bench.first)
        try require(try bench.range(of: bench.first) == (2, 4), "range \(try bench.range(of: bench.first))")
        try require(try bench.read(bench.first).map(\.offset) == [2, 3], "not what is at 2 and 3")
    },
]
