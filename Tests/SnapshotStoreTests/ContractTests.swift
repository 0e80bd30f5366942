// The real folder keeps the contract that the simulated disk is held to (Tests/PortContract).
import Glibc
import PortContract
import Testing
import Worker

@testable import SnapshotStore

@Suite struct ContractTests {
    private final class FolderBench: VaultBench {
        private let folder: TestFolder

        init() throws { folder = try TestFolder() }

        func vault(_ name: String) throws -> any SnapshotVault {
            try FileSnapshotVault(
                folder: folder.path, instance: name, writer: name, calls: .system, lanes: ThreadLanes())
        }

        func pause() { usleep(1_000) }
    }

    @Test(arguments: vaultContract) func folder(clause: Clause<any VaultBench>) throws {
        try clause.run(try FolderBench())
    }
}
