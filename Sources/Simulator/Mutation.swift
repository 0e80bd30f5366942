// Deliberate defects, to see that the auditor finds them: each stands in one port, between the real code and the simulation.
import Worker

public enum Mutation: String, CaseIterable, Sendable {
    case none

    func source(_ source: SimulatedSource, _ world: World) -> any RecordSource { source }
    func sink(_ sink: SimulatedSink, _ world: World) -> any TransactionSink { sink }
    func reader(_ reader: SimulatedReader, _ world: World) -> any LogReader { reader }
    func vault(_ vault: any SnapshotVault, _ world: World) -> any SnapshotVault { vault }
    func housekeeper(_ housekeeper: SimulatedHousekeeper, _ world: World) -> any Housekeeper { housekeeper }
}
