// The real ports keep the contract that the simulated ones are held to (Tests/PortContract).
import PortContract
import Testing

extension BrokerTests {
    @Suite struct Contract {
        @Test(arguments: sourceContract + readerContract + sinkContract)
        func broker(clause: Clause<any BrokerBench>) throws { try clause.run(KafkaBench(Kafka.shared.get())) }
    }
}
