// What workers tell, as log lines.
import Codec
import Model
import Telemetry
import Worker

struct WorkerLog: WorkerObserver {
    let logger: Logger

    func observe(_ event: WorkerEvent, worker: Int) {
        let here = ("worker", String(worker))
        switch event {
        case .assigned(let shards):
            logger.notice("shards assigned", [here, ("shards", shards.map { String($0) }.joined(separator: ","))])
        case .assignmentUnusable(let missing):
            logger.warning(
                "waiting for the group: every member must have the same inputs", [here, ("missing", "\(missing)")])
        case .revoked(let lost): logger.notice("shards revoked", [here, ("lost", String(lost))])
        case .recovered(let shard, let point, let batches):
            logger.info(
                "shard recovered",
                [here, ("shard", String(shard)), ("from", text(point)), ("batches_to_apply_again", String(batches))])
        case .live(let shard, let batch):
            logger.info("shard caught up with its journal", [here, ("shard", String(shard)), ("batch", String(batch))])
        case .rebuilt(let shard, let lost):
            logger.log(
                .warning, "state given up and begun anew", [here, ("shard", String(shard)), ("lost", lost)],
                id: "rebuilt \(shard)")
        case .versionInForce(let shard, let version):
            logger.notice(
                "a new version of the rules comes into force", [here, ("shard", String(shard)), ("version", version)])
        case .snapshotUnusable(let shard, let reason):
            logger.log(
                .warning, "snapshot cannot be used", [here, ("shard", String(shard)), ("reason", reason)],
                id: "unusable \(reason)")
        case .snapshotFailed(let shard, let reason):
            logger.error("snapshot could not be written", [here, ("shard", String(shard)), ("reason", reason)])
        case .snapshotWritten(let shard, let batch, let customers, let milliseconds):
            logger.debug(
                "snapshot written",
                [
                    here, ("shard", String(shard)), ("batch", String(batch)), ("customers", String(customers)),
                    ("ms", String(milliseconds)),
                ])
        case .leftOpen(let partitions):
            logger.warning(
                "transactions do not end: what an earlier life of this worker may have left open is aborted",
                [
                    here,
                    (
                        "in",
                        partitions.isEmpty
                            ? "the group's positions" : partitions.map(\.description).joined(separator: ",")
                    ),
                ])
        case .connection(let problem?):
            logger.warning("no broker can be reached: waiting", [here, ("problem", problem)])
        case .connection(nil): logger.notice("brokers can be reached again", [here])
        case .reset(let reason, let delay):
            logger.warning(
                "the worker recovers from the last commit", [here, ("reason", reason), ("in_ms", String(delay))])
        case .rejected(let reasons):
            let counts = reasons.map { ($0.key.name, String($0.value)) }.sorted { $0.0 < $1.0 }
            logger.warning("records were rejected: see the dead-letter topic", [here] + counts)
        case .limitReached(let reason, let shards):
            logger.log(
                .error, "a limit is reached: what would add to these shards goes to the dead-letter topic",
                [
                    here, ("limit", reason.name), ("shards", shards.map { String($0) }.joined(separator: ",")),
                    ("meaning", reason.message),
                ], id: "limit \(reason.name)")
        case .truncated(let letters):
            logger.error(
                "dead letters were too large for their topic and were cut short", [here, ("letters", String(letters))])
        case .clockJumped(let by):
            logger.error(
                "the machine's clock jumped and is not believed until it has been steady",
                [here, ("by_ms", String(by))])
        case .inputsSilent(let partitions, let milliseconds):
            // A few are named: all of them may be hundreds.
            let named = partitions.prefix(8).map(\.description).joined(separator: ",")
            logger.log(
                .error, "inputs cannot be read: their shards' clocks and deadlines stand still",
                [here, ("partitions", String(partitions.count)), ("first", named), ("for_ms", String(milliseconds))],
                id: "silent \(worker)")
        case .inputsAnswer: logger.notice("all inputs can be read again", [here])
        }
    }

    private func text(_ point: RecoveryPoint) -> String {
        switch point {
        case .newGenesis: "new genesis"
        case .genesis: "genesis"
        case .snapshot(let batch): "snapshot of batch \(batch)"
        case .memory(let batch): "memory, batch \(batch)"
        }
    }
}
