// Tidies up behind snapshots, on a thread of its own: prunes the folder, then deletes what the journal no longer needs.
import Model
import Synchronization
import Worker

package final class JournalTrimmer: Housekeeper {
    private struct Request {
        var group: String
        var shard: Int32
        var genesis: Digest
        var keep: Int
        var journal: TopicPartition
        var offsets: [UInt64: Int64]
    }

    private struct State {
        /// The newest request of each shard.
        var requests: [Int32: Request] = [:]
        var stops = false
    }

    private let options: ClientOptions
    private let vault: any SnapshotVault
    private let isCurrent: @Sendable (SnapshotIdentity, Digest) -> Bool
    private let onFailure: @Sendable (String) -> Void
    private let state = Mutex(State())
    private let bell = Bell()

    /// `isCurrent` says whether a snapshot is of the genesis with this id. `onFailure` is told when the journal could not be trimmed:
    /// that is tried again after the next snapshot.
    package init(
        _ options: ClientOptions, vault: any SnapshotVault,
        isCurrent: @escaping @Sendable (SnapshotIdentity, Digest) -> Bool,
        onFailure: @escaping @Sendable (String) -> Void
    ) {
        self.options = options
        self.vault = vault
        self.isCurrent = isCurrent
        self.onFailure = onFailure
        SystemThread.detached("trimmer") { [self] in run() }
    }

    package func tidy(
        group: String, shard: Int32, genesis: Digest, keep: Int, journal: TopicPartition, offsets: [UInt64: Int64]
    ) {
        let request = Request(
            group: group, shard: shard, genesis: genesis, keep: keep, journal: journal, offsets: offsets)
        state.withLock { $0.requests[shard] = request }
        bell.ring()
    }

    /// Ends the thread; what was asked for and not begun is left to the next snapshot.
    package func stop() {
        state.withLock { $0.stops = true }
        bell.ring()
    }

    private func run() {
        while true {
            bell.wait(timeout: 60_000)
            let (requests, stops) = state.withLock { state in
                defer { state.requests = [:] }
                return (state.requests, state.stops)
            }
            if stops { return }
            if requests.isEmpty { continue }
            do throws(TransportFailure) {
                let admin = try KafkaAdmin(options)
                defer { admin.close() }
                for request in requests.values { try tidy(request, admin) }
            } catch { onFailure(error.text) }
        }
    }

    private func tidy(_ request: Request, _ admin: KafkaAdmin) throws(TransportFailure) {
        let oldest = vault.prune(group: request.group, shard: request.shard, keep: request.keep) {
            isCurrent($0, request.genesis)
        }
        guard let oldest, let offset = request.offsets[oldest] else { return }
        try admin.deleteRecords(before: [(request.journal, offset)])
    }
}
