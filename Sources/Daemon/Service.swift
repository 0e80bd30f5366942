// Wires the parts of a running daemon together: clients, snapshots, workers. Start and stop, nothing else.
import Codec
import Glibc
import KafkaTransport
import Model
import Settings
import SnapshotStore
import Telemetry
import Worker

final class Service {
    let workers: [Worker]
    private let trimmer: JournalTrimmer

    struct Environment {
        var client: ClientOptions
        var outputs: OutputTopics
        /// Part of CloudEvents' `source`.
        var cluster: String
        var partitions: Int32
        /// The producer's largest message, bytes.
        var messageBytes: Int
        var rebuilds: Bool
    }

    init(_ configuration: Configuration, _ environment: Environment, vault: FileSnapshotVault, logger: Logger) {
        let settings = configuration.settings
        let clock = TrustedClock()
        trimmer = JournalTrimmer(
            environment.client, vault: vault,
            isCurrent: { identity, genesis in
                identity.journalRecord.withUnsafeBytes { JournalRecord($0)?.genesis.id } == genesis
            },
            onFailure: { logger.warning("the journal could not be trimmed", [("reason", $0)]) })
        let topics = configuration.version.mappings.map(\.topic)
        let most = (Int(environment.partitions) + settings.workers - 1) / settings.workers * topics.count
        let ahead = FetchAhead(partitions: most)
        let client = environment.client
        let messageBytes = environment.messageBytes
        workers = (0..<settings.workers).map { [trimmer] number in
            Worker(
                WorkerOptions(
                    number: number, group: client.group, partitions: environment.partitions,
                    topics: environment.outputs,
                    format: .init(rawValue: settings.outputs.format.rawValue) ?? .structured,
                    source: EventEncoder.source(cluster: environment.cluster, group: client.group),
                    version: configuration.version,
                    emitFrom: configuration.emitFrom, snapshotEvery: settings.snapshots.every,
                    snapshotsKept: settings.snapshots.keep,
                    rebuilds: environment.rebuilds),
                WorkerPorts(
                    source: { () throws(TransportFailure) in
                        try GroupConsumer(
                            client, worker: number, topics: topics, ahead: ahead, now: { clock.now() })
                    },
                    sink: { () throws(TransportFailure) in
                        try TransactionalProducer(client, worker: number, messageBytes: messageBytes)
                    },
                    reader: { () throws(TransportFailure) in
                        try PartitionReader(client, name: "\(client.instance)-\(number)-reader")
                    }, lanes: ThreadLanes(), vault: vault, housekeeper: trimmer, clock: clock,
                    randomID: Service.randomID, observer: WorkerLog(logger: logger)))
        }
    }

    private static let randomID: @Sendable () -> Digest = {
        var generator = SystemRandomNumberGenerator()
        return Digest(high: generator.next(), low: generator.next())
    }

    func start() { for worker in workers { worker.start() } }

    func requestStop() { for worker in workers { worker.requestStop() } }

    /// nil as long as a worker lives.
    var endings: [WorkerEnding]? {
        let endings = workers.compactMap(\.ending)
        return endings.count == workers.count ? endings : nil
    }

    /// A worker that ended by itself: the others are to be stopped.
    var failed: Bool { workers.contains { $0.ending != nil } }

    /// Every worker recovered its shards and reads.
    var isReady: Bool { workers.allSatisfy { $0.status.phase == .running } }

    func close() { trimmer.stop() }
}

extension OutputTopics {
    /// Topics of a configuration, with the default names where it has none.
    init(_ settings: [String: String], ladders: [String]) {
        var named: [String: String] = [:]
        for ladder in ladders { named[ladder] = settings[ladder] }
        self.init(
            ladders: named, warnings: settings["warnings"] ?? "rfm.churn-warnings",
            deadLetters: settings["dead_letters"] ?? "rfm.dead-letters", journal: settings["journal"] ?? "rfm.journal",
            versions: settings["versions"] ?? "rfm.versions")
    }
}
