// `rfmd run`: from a checked configuration to workers, and the conversation with the service manager and the operator.
import Codec
import Glibc
import KafkaTransport
import Model
import Options
import Rules
import Settings
import SnapshotStore
import Telemetry
import Worker

struct Run {
    private let configuration: Configuration
    private let rebuilds: Bool
    private let logger: Logger
    private let notifier = ServiceNotifier()
    private let signals: StopSignals

    /// A loop that did not go round for so long is not reported alive, ms.
    private static let loopLimit: Int64 = 20_000
    static let extensionSeconds: UInt64 = 60
    /// How long a refusal must stand, ms: a broker that has just started, or heard late of a topic, does not know them all.
    private static let refusalMilliseconds: Int64 = 3_000

    static func run(_ invocation: Invocation) -> Int32 {
        guard let configuration = loadConfiguration(invocation.value("config") ?? OptionTable.defaultConfig) else {
            return ExitCode.configuration
        }
        return Run(configuration, rebuilds: invocation.flags.contains("rebuild")).run()
    }

    private init(_ configuration: Configuration, rebuilds: Bool) {
        self.configuration = configuration
        self.rebuilds = rebuilds
        let logger = Logger()
        self.logger = logger
        // To a service it is a wish to read the configuration again; systemd would take its end for a clean one.
        let isService = getenv("INVOCATION_ID") != nil || getenv("NOTIFY_SOCKET") != nil
        // Before any thread is made, so that only the main thread hears them.
        signals = StopSignals(
            onHangup: isService
                ? { logger.warning("a new configuration is read at the next start: restart the service") } : nil)
    }

    private func run() -> Int32 {
        let settings = configuration.settings
        var client = ClientOptions(
            bootstrap: settings.kafka.bootstrap, group: settings.kafka.group, instance: configuration.instance,
            properties: settings.kafka.properties.map { ($0.name, $0.value.value) }, onLog: logLibrary)
        let ladders = configuration.version.ladders.map(\.name)
        let outputs = OutputTopics(settings.outputs.topics.mapValues(\.value), ladders: ladders)
        logger.notice(
            "rfmd starts",
            [
                ("version", programVersion), ("instance", client.instance), ("group", client.group),
                ("rules", configuration.version.digest.short), ("workers", String(settings.workers)),
            ])
        for doubt in configuration.doubts { logger.warning(doubt.message, [("key", doubt.key)]) }
        do throws(Stop) {
            if let problem = ProcessSetup.limitProblem() { throw .failed(problem) }
            let vault = try makeVault(client.instance)
            let (topics, cluster) = try prepareTopics(client, outputs, ladders)
            for note in topics.notes { logger.warning(note) }
            client.largestRecord = topics.largestInput
            tellBudget(partitions: Int(topics.partitions))
            let environment = Service.Environment(
                client: client, outputs: outputs, cluster: cluster, partitions: topics.partitions,
                messageBytes: max(topics.largestInput, 1 << 20) + Limits.letterMarginBytes, rebuilds: rebuilds)
            let service = Service(configuration, environment, vault: vault, logger: logger)
            service.start()
            return supervise(service)
        } catch {
            switch error {
            case .asked:
                notifier.stopping()
                logger.notice("stopping: nothing was begun yet")
                logger.notice("stopped")
                return ExitCode.done
            case .failed(let text): return fail(text)
            }
        }
    }

    /// Why there is nothing to supervise.
    private enum Stop: Error {
        case asked
        case failed(String)
    }

    private func fail(_ text: String) -> Int32 {
        logger.error("rfmd cannot go on", [("reason", text)])
        notifier.status(text)
        return ExitCode.failed
    }

    private var logLibrary: @Sendable (Int32, String, String) -> Void {
        // Who sets `debug` wants to see it.
        let usual: LogLevel = configuration.settings.kafka.properties.contains { $0.name == "debug" } ? .info : .debug
        return { [logger] level, facility, text in
            logger.log(
                level <= 4 ? .warning : usual, "librdkafka", [("facility", facility), ("text", text)],
                id: "librdkafka \(facility)")
        }
    }

    // MARK: Before the workers

    private func tellBudget(partitions: Int) {
        guard let budget = configuration.version.limits.bytes else { return }
        let word = MemoryLimit.word(bytesPerShard: budget, partitions: partitions, memory: MemoryLimit.bytes())
        if word.isTooMuch {
            logger.warning(
                "limits.bytes_per_shard does not protect this process: with all partitions its state may be larger than the memory",
                word.fields)
        } else {
            logger.notice("the state is bounded", word.fields)
        }
    }

    /// Before anything is made in Kafka: a folder that cannot be written is found now.
    private func makeVault(_ instance: String) throws(Stop) -> FileSnapshotVault {
        do throws(SnapshotFailure) {
            return try FileSnapshotVault(folder: configuration.settings.snapshots.folder.value, instance: instance)
        } catch { throw .failed(error.text) }
    }

    /// Waits for the brokers as long as it takes. They are asked on a thread of its own, so that a signal is heard meanwhile.
    private func prepareTopics(_ client: ClientOptions, _ outputs: OutputTopics, _ ladders: [String])
        throws(Stop) -> (TopicPreparation.Result, String)
    {
        let waiting = WaitingForBrokers(client.bootstrap, logger, notifier)
        let admin: KafkaAdmin
        do throws(TransportFailure) {
            admin = try KafkaAdmin(client) { waiting.tell($0) }
        } catch { throw .failed(error.text) }
        let preparation = TopicPreparation(
            inputs: configuration.version.mappings.map(\.topic), outputs: outputs, ladders: ladders,
            snapshotEvery: configuration.settings.snapshots.every, admin: admin)
        let question = BrokerQuestion(preparation)
        notifier.status("waiting for the brokers at \(client.bootstrap)")
        var refusedSince: Int64?
        while true {
            // Who is asked to stop leaves the thread and its client to the end of the process.
            if signals.wait(milliseconds: 100) { throw .asked }
            admin.poll()
            waiting.goOn()
            switch question.answer() {
            case nil: continue
            case .failure(.transport(.retriable(let text))):
                waiting.tellAgain(text)
                question.askAgain()
            case .success(let result):
                question.end()
                admin.close()
                waiting.end()
                return result
            case .failure(.refused(let text)):
                let since = refusedSince ?? TrustedClock.monotonic()
                if TrustedClock.monotonic() - since >= Run.refusalMilliseconds { throw .failed(text) }
                refusedSince = since
                question.askAgain()
                notifier.status("looking again: \(text)")
            case .failure(.transport(.abort(let text))), .failure(.transport(.fenced(let text))),
                .failure(.transport(.missing(let text))), .failure(.transport(.fatal(let text))):
                throw .failed(text)
            }
        }
    }

    // MARK: While they work

    private func supervise(_ service: Service) -> Int32 {
        var isReady = false
        var stopsSince: Int64?
        var nextExtensionAt: Int64 = 0
        var nextNoticeAt: Int64 = 0
        while true {
            let asked = signals.wait(milliseconds: 200)
            if asked && stopsSince != nil {
                logger.warning(
                    "asked to stop again: stopping at once, what is in hand is applied again at the next start")
                return ExitCode.failed
            }
            if stopsSince == nil && (asked || service.failed) {
                stopsSince = TrustedClock.monotonic()
                notifier.stopping()
                if asked { logger.notice("stopping: committing what is in hand and writing last snapshots") }
                service.requestStop()
            }
            let isAlive = service.workers.allSatisfy { $0.sinceTick < Run.loopLimit || $0.ending != nil }
            if TrustedClock.monotonic() >= nextNoticeAt {
                nextNoticeAt = TrustedClock.monotonic() + noticeMilliseconds
                if isAlive { notifier.watchdog() }
                notifier.status(StatusLine.text(service.workers.map(\.status)))
            }
            if !isReady && service.isReady {
                isReady = true
                notifier.ready()
                logger.notice("ready: records flow")
            }
            if (!isReady || stopsSince != nil) && isAlive && TrustedClock.monotonic() >= nextExtensionAt {
                nextExtensionAt = TrustedClock.monotonic() + 5_000
                notifier.extendTimeout(microseconds: Run.extensionSeconds * 1_000_000)
            }
            if let endings = service.endings {
                service.close()
                logger.flush()
                return conclude(endings, StatusLine.totals(service.workers.map(\.status)))
            }
        }
    }

    /// Between two words to the service manager, ms: well inside the time of its watchdog.
    private var noticeMilliseconds: Int64 {
        min(1_000, notifier.watchdogMicroseconds.map { Int64($0 / 3_000) } ?? 1_000)
    }

    private func conclude(_ endings: [WorkerEnding], _ totals: [(String, String)]) -> Int32 {
        var code = ExitCode.done
        for ending in Set(endings.map { "\($0)" }).compactMap({ text in endings.first { "\($0)" == text } }) {
            switch ending {
            case .stopped: break
            case .stoppedUncommitted(let text):
                logger.warning(
                    "stopped without a last commit; nothing is lost, it is applied again at the next start",
                    [("reason", text)])
            case .fenced(let text):
                code = fail(
                    "the group took another process of the name '\(configuration.instance)' for this one. If there is one, give each its own "
                        + "(instance); if there is none, a slow network delivered a request twice, and a new start goes on. Kafka says: \(text)"
                )
            case .refused(let text), .defect(let text): code = fail(text)
            }
        }
        if code == ExitCode.done { logger.notice("stopped", totals) }
        return code
    }
}
