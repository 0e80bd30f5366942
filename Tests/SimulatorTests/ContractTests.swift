// The simulated ports keep the contract of the real ones: what runs on them says something about the daemon.
import PortContract
import Testing

@Suite struct ContractTests {
    @Test(arguments: sourceContract + readerContract + sinkContract)
    func brokers(clause: Clause<any BrokerBench>) throws { try SimulatedBench.run(clause) { $0 } }

    @Test(arguments: vaultContract)
    func disk(clause: Clause<any VaultBench>) throws { try SimulatedBench.run(clause) { $0 } }
}
