// Applied records are freed by librdkafka's thread that fetched them, by the worker if there are too many, and all of them in the end.
import PortContract
import Testing
import Worker

@testable import KafkaTransport

extension BrokerTests {
    @Suite struct Returned {
        /// A member of a group of its own that took `count` records and holds them.
        private final class Holder {
            let source: GroupConsumer
            private(set) var held: [RawRecord] = []

            init(_ cluster: TestCluster, _ count: Int) throws {
                let bench = try KafkaBench(cluster)
                let partition = TopicPartition(topic: bench.input, partition: 0)
                try bench.send(
                    (0..<count).map { ContractRecord(key: [0x63], value: Array("record \($0)".utf8)) }, to: partition)
                source = try #require(bench.source("returned") as? GroupConsumer)
                let limit = ContinuousClock.now + .seconds(30)
                while held.count < count {
                    if case .assigned = source.poll(timeout: 0) { try source.assign([partition: 0]) }
                    source.wait(timeout: 10)
                    _ = try source.take(partition, limit: count - held.count, into: &held)
                    try #require(ContinuousClock.now < limit, "\(held.count) of \(count) records after 30 s")
                }
            }

            deinit { source.close() }
        }

        /// A client that is destroyed while a record of it is held waits for it in vain.
        private func expectThatItEnds(_ holder: Holder) {
            holder.source.close()
            #expect(holder.source.returned.count == 0)
            #expect(holder.source.client.hasEnded, "3 s were not enough, or a record was not freed")
        }

        @Test func theThreadThatFetchedFreesThem() throws {
            let holder = try Holder(Kafka.shared.get(), 500)
            holder.source.release(holder.held[...])
            // Nothing else is called meanwhile: a fetch is answered within 50 ms.
            let limit = ContinuousClock.now + .seconds(10)
            while holder.source.returned.count > 0 && ContinuousClock.now < limit { holder.source.wait(timeout: 10) }
            #expect(holder.source.returned.broughtBack == 500)
            expectThatItEnds(holder)
        }

        @Test func theRestIsFreedWithTheClient() throws {
            let holder = try Holder(Kafka.shared.get(), 500)
            holder.source.unassign()
            // No partition is fetched any more, so that no answer frees them: at most that of the fetch which was on its way.
            holder.source.release(holder.held[...])
            expectThatItEnds(holder)
        }

        @Test func whatIsReleasedBehindTheEndIsFreedAtOnce() throws {
            let holder = try Holder(Kafka.shared.get(), 500)
            // Its end waits for what is held, 3 s, and goes on by itself.
            holder.source.close()
            #expect(!holder.source.client.hasEnded)
            holder.source.release(holder.held[...])
            #expect(holder.source.returned.count == 0)
        }

        /// No client is told of what is added here: only the bounds and `freeAll` free.
        @Test func tooManyAreFreedAtOnce() throws {
            let holder = try Holder(Kafka.shared.get(), 500)
            let byCount = ReturnedRecords(records: 150)
            byCount.add(holder.held[..<100])
            byCount.add(holder.held[100..<200])
            #expect(byCount.count == 100)
            byCount.add(holder.held[200..<250])
            #expect(byCount.count == 150)
            byCount.freeAll()
            #expect(byCount.count == 0)
            let bySize = ReturnedRecords(kilobytes: 1)
            bySize.add(holder.held[250..<300])
            #expect(bySize.count == 50)
            bySize.add(holder.held[300..<400])
            #expect(bySize.count == 50)
            bySize.freeAll()
            byCount.add(holder.held[400...])
            byCount.freeAll()
            expectThatItEnds(holder)
        }

        /// As when leaders move: the broker that fetched them answers no more fetches.
        @Test func thoseOfAnotherBrokerMakeRoom() throws {
            let holder = try Holder(Kafka.shared.get(), 500)
            let returned = ReturnedRecords(records: 300)
            returned.add(holder.held[..<200], of: 1)
            returned.add(holder.held[200..<300], of: 2)
            #expect(returned.count == 300)
            returned.add(holder.held[300...], of: 2)
            #expect(returned.count == 300)
            returned.freeAll()
            expectThatItEnds(holder)
        }
    }
}
