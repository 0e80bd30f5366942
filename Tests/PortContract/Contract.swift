// What each port promises, as clauses that the simulated side and the real side are both held to.
import Worker

/// A clause that does not hold.
package struct Broken: Error, CustomStringConvertible {
    package var description: String

    package init(_ description: String) { self.description = description }
}

/// One promise, and how it is tried.
package struct Clause<Bench>: Sendable, CustomStringConvertible {
    package var promise: String
    package var description: String { promise }
    package var run: @Sendable (Bench) throws -> Void

    init(_ promise: String, _ run: @escaping @Sendable (Bench) throws -> Void) {
        self.promise = promise
        self.run = run
    }
}

/// A record as a clause writes it.
package struct ContractRecord: Equatable, Sendable {
    package var key: [UInt8]?
    package var value: [UInt8]?
    /// ms; nil: the broker's or the client's clock.
    package var timestamp: Int64?
    package var headers: [RecordHeader] = []

    package init(key: [UInt8]?, value: [UInt8]?, timestamp: Int64? = nil, headers: [RecordHeader] = []) {
        self.key = key
        self.value = value
        self.timestamp = timestamp
        self.headers = headers
    }

    init(_ value: String) { self.init(key: Array("k".utf8), value: Array(value.utf8)) }
}

/// How a shop's own transaction ends.
package enum ContractFate: Sendable { case committed, aborted }

/// Brokers with nothing in them, for one clause.
package protocol BrokerBench: AnyObject {
    /// Topics of two partitions: an input, an output, and one that takes no message of 2,000 bytes.
    var input: String { get }
    var output: String { get }
    var narrow: String { get }
    /// ms, of the clock that sources are given.
    var clock: Int64 { get }

    /// A member of the clause's group that reads `input`.
    func source(_ instance: String) throws -> any RecordSource
    func sink(_ instance: String) throws -> any TransactionSink
    func reader() throws -> any LogReader
    /// Writes without a transaction, acknowledged when it returns.
    func send(_ records: [ContractRecord], to partition: TopicPartition) throws
    /// Writes in a transaction that stays open until the closure that it returns is called; the broker has the records by then.
    func sendOpen(_ records: [ContractRecord], to partition: TopicPartition) throws -> (ContractFate) throws -> Void
    func deleteRecords(before offset: Int64, of partition: TopicPartition) throws
    /// Lets a little time pass.
    func pause()
}

extension BrokerBench {
    var first: TopicPartition { TopicPartition(topic: input, partition: 0) }
    var second: TopicPartition { TopicPartition(topic: input, partition: 1) }

    /// Asks again and again, for half a minute at most.
    func waitFor(_ what: String, _ condition: () throws -> Bool) throws {
        let limit = HalfAMinute(self)
        while !(try condition()) {
            if limit.isOver { throw Broken("waited in vain for \(what)") }
            pause()
        }
    }
}

/// Half a minute of the bench's clock.
struct HalfAMinute {
    private let bench: any BrokerBench
    private let end: Int64

    init(_ bench: any BrokerBench) {
        self.bench = bench
        end = bench.clock + 30_000
    }

    var isOver: Bool { bench.clock > end }
}

func require(_ condition: Bool, _ otherwise: @autoclosure () throws -> String) throws {
    if !condition { throw Broken(try otherwise()) }
}

/// Runs what must fail in one way.
func mustFail(_ what: String, _ isMeant: (TransportFailure) -> Bool, _ body: () throws -> Void) throws {
    do { try body() } catch let failure as TransportFailure {
        if isMeant(failure) { return }
        throw Broken("\(what): failed otherwise: \(failure)")
    }
    throw Broken("\(what): did not fail")
}
