// Snapshots of a measurement, gone when it is over.
import SnapshotStore
import Worker

/// A vault in an empty folder, which is removed with the object.
final class ScratchVault {
    let vault: FileSnapshotVault
    private let folder: ScratchFolder

    init() throws(BenchFailure) {
        do throws(SnapshotFailure) {
            folder = try ScratchFolder()
            vault = try FileSnapshotVault(folder: folder.path, instance: "bench")
        } catch { throw BenchFailure(message: error.text) }
    }

    deinit { vault.settle() }
}
