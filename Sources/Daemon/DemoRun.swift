// `rfmd demo`: the daemon between an embedded broker, invented shoppers and a subscriber, all in this process.
import Codec
import Demo
import Glibc
import KafkaTransport
import Model
import Options
import Rules
import Settings
import SnapshotStore
import Telemetry
import Worker

final class DemoRun {
    private let json: Bool
    private let signals = StopSignals()
    /// Somebody asked it to stop.
    private var isAsked = false
    private static let input = "shop.events"
    private static let group = "rfmd-demo"
    /// How long rfmd may take to join its group (the embedded broker takes 3 s), ms.
    private static let startMilliseconds: Int64 = 30_000
    /// How long rfmd may take to work off what was sent, ms.
    private static let catchUpMilliseconds: Int64 = 60_000
    /// How long rfmd may take to stop, ms.
    private static let stopMilliseconds: Int64 = 30_000

    private struct Failure: Error {
        var text: String
    }

    static func run(_ invocation: Invocation) -> Int32 {
        guard let duration = CommandLineParser.duration(invocation.value("duration") ?? "20s"), duration >= 1_000,
            duration <= 3_600_000
        else {
            printError("rfmd demo: --duration: expected a time from 1s to 1h, such as 20s\n")
            return ExitCode.usage
        }
        let demo = DemoRun(json: invocation.flags.contains("json"))
        do throws(Failure) {
            if let problem = ProcessSetup.limitProblem() { throw Failure(text: problem) }
            try demo.run(duration)
        } catch {
            printError("rfmd demo: \(error.text)\n")
            return ExitCode.failed
        }
        return ExitCode.done
    }

    private init(json: Bool) { self.json = json }

    private func show(_ line: String) {
        if !json { printOut(line + "\n") }
    }

    /// True from the first signal on, or when nobody reads any more.
    private func isCancelled() -> Bool {
        if !isAsked && (signals.wait(milliseconds: 0) || outputIsLost) {
            isAsked = true
            show("stopping, as asked")
        }
        return isAsked
    }

    /// Watches until `isOver` says so or the time has run out. False if it ran out.
    private func watch(_ shop: DemoShop, for milliseconds: Int64, until isOver: () throws(Failure) -> Bool)
        throws(Failure) -> Bool
    {
        let limit = TrustedClock.monotonic() + milliseconds
        while !(try isOver()) {
            if TrustedClock.monotonic() > limit { return false }
            shop.watch(milliseconds: 50, show: show)
        }
        return true
    }

    private func run(_ duration: Int64) throws(Failure) {
        // Snapshots of the demo are of no use to anybody.
        let folder: ScratchFolder
        do throws(SnapshotFailure) { folder = try ScratchFolder() } catch { throw Failure(text: error.text) }
        let ladders = Presets.fourTierLadders.map(\.name)
        let outputs = OutputTopics([:], ladders: ladders)
        let shop: DemoShop
        do throws(DemoFailure) {
            shop = try DemoShop(
                duration: duration, inputTopic: DemoRun.input,
                watched: ladders.map(outputs.topic(ofLadder:)) + [outputs.warnings],
                others: [(outputs.deadLetters, 4), (outputs.journal, 4), (outputs.versions, 1)])
        } catch { throw Failure(text: error.description) }
        show(
            "rfmd demo: an embedded broker (its transactions are not real: this shows the flow, not the guarantee), invented shoppers, a day "
                + "every \(DemoShop.dayMilliseconds) ms for \(duration / 1_000) s, once rfmd has joined its group (about 4 s)"
        )
        let client = ClientOptions(bootstrap: shop.bootstrap, group: DemoRun.group, instance: "demo")
        let service = try makeService(client, outputs, shop, folder.path)
        service.start()
        defer {
            service.close()
            withExtendedLifetime(folder) {}
        }
        let lag = try feed(shop, service, client, outputs)
        service.requestStop()
        guard try watch(shop, for: DemoRun.stopMilliseconds, until: { service.endings != nil }) else {
            throw Failure(text: "rfmd did not stop in \(DemoRun.stopMilliseconds / 1_000) s: \(phases(service))")
        }
        try summarize(shop, service, lag)
    }

    private func makeService(_ client: ClientOptions, _ outputs: OutputTopics, _ shop: DemoShop, _ folder: String)
        throws(Failure) -> Service
    {
        let text = """
            instance: demo
            kafka: { bootstrap: "\(client.bootstrap)", group: \(client.group) }
            inputs: [ { topic: \(DemoRun.input) } ]
            time: { clock: event }
            snapshots: { folder: "\(folder)", every: 5s }
            """
        let configuration: Configuration
        do throws(SettingsProblems) {
            configuration = try Configuration.load(text: text, file: "demo")
        } catch { throw Failure(text: error.problems.map(\.description).joined(separator: "\n")) }
        let environment = Service.Environment(
            client: client, outputs: outputs, cluster: "demo", partitions: shop.partitions, messageBytes: 1 << 20,
            rebuilds: false)
        do throws(SnapshotFailure) {
            let vault = try FileSnapshotVault(folder: folder, instance: client.instance)
            return Service(configuration, environment, vault: vault, logger: Logger(minimum: .error))
        } catch { throw Failure(text: error.text) }
    }

    private func phases(_ service: Service) -> String {
        Set(service.workers.map { $0.status.connectionProblem ?? $0.status.phase.rawValue }).sorted().joined(
            separator: ", ")
    }

    /// Sends shoppers' events and waits until rfmd has worked them all off. Returns the lag that was left.
    private func feed(_ shop: DemoShop, _ service: Service, _ client: ClientOptions, _ outputs: OutputTopics)
        throws(Failure) -> Int64
    {
        let isStarted = try watch(shop, for: DemoRun.startMilliseconds) {
            service.isReady || service.failed || isCancelled()
        }
        guard isStarted else {
            throw Failure(
                text: "rfmd did not get to work in \(DemoRun.startMilliseconds / 1_000) s: \(phases(service))")
        }
        do throws(DemoFailure) {
            try shop.run(isCancelled: { service.failed || isCancelled() }, show: show)
        } catch { throw Failure(text: error.description) }
        if shop.sent.events == 0 { return 0 }
        let reader: PartitionReader
        do throws(TransportFailure) { reader = try PartitionReader(client, name: "demo-lag") } catch {
            throw Failure(text: error.text)
        }
        defer { reader.close() }
        var lag: Int64 = 0
        _ = try watch(shop, for: isAsked ? 1_000 : DemoRun.catchUpMilliseconds) { () throws(Failure) in
            do throws(TransportFailure) { lag = try DemoRun.lag(reader, shop, outputs) } catch {
                throw Failure(text: error.text)
            }
            return lag == 0 || service.failed || (!isAsked && isCancelled())
        }
        return lag
    }

    /// Records that no committed batch has applied: what was sent less the positions of the journal's last records.
    private static func lag(_ reader: PartitionReader, _ shop: DemoShop, _ outputs: OutputTopics)
        throws(TransportFailure) -> Int64
    {
        var lag: Int64 = 0
        for (partition, end) in shop.sent.ends.enumerated() {
            let journal = TopicPartition(topic: outputs.journal, partition: Int32(partition))
            let (first, journalEnd) = try reader.range(of: journal)
            var position: Int64 = 0
            try reader.read(
                journal, from: max(first, journalEnd - 1), end: journalEnd, progress: {},
                body: { (raw: RawRecord) throws(TransportFailure) in
                    position = raw.value.flatMap { JournalRecord($0) }?.positions[DemoRun.input] ?? 0
                })
            lag += max(0, end - position)
        }
        return lag
    }

    private func summarize(_ shop: DemoShop, _ service: Service, _ lag: Int64) throws(Failure) {
        // The subscriber reads to the end of what was written.
        var before = shop.changes
        repeat {
            before = shop.changes
            shop.watch(milliseconds: isAsked ? 50 : 400, show: show)
        } while shop.changes != before
        let changes = shop.changes
        let warnings = changes.warningsRaised
        let statuses = service.workers.map(\.status)
        for ending in service.endings ?? [] {
            switch ending {
            case .stopped: break
            case .stoppedUncommitted(let text), .fenced(let text), .refused(let text), .defect(let text):
                throw Failure(text: text)
            }
        }
        if json {
            printOut(
                "{\"events\":\(shop.sent.events),\"customers\":\(shop.sent.customers),\"tier_changes\":\(changes.tierChanges),"
                    + "\"warnings\":\(warnings),\"lag\":\(lag)}\n")
        } else {
            let rejected = rejections(statuses.map(\.counts))
            printOut(
                """

                events        \(shop.sent.events), of \(shop.sent.customers) customers\(rejected)
                tier changes  \(changes.tierChanges)
                lifecycle     \(changes.lifecycleChanges)
                warnings      \(warnings) raised, \(changes.warningsResolved) resolved
                lag           \(lag)

                """)
        }
        if lag > 0 && !isAsked {
            throw Failure(text: "\(lag) events were not worked off in \(DemoRun.catchUpMilliseconds / 1_000) s")
        }
    }

    /// The tills of the demo have faults now and then, on purpose.
    private func rejections(_ counts: [RecordCounts]) -> String {
        let reasons = RejectionReason.allCases.map { reason in
            (reason.name, counts.map { $0.reasons[Int(reason.rawValue)] }.reduce(0, +))
        }.filter { $0.1 > 0 }
        if reasons.isEmpty { return "" }
        let all = reasons.map { "\($0.1) \($0.0)" }.joined(separator: ", ")
        return
            "\nrejected      \(reasons.map(\.1).reduce(0, +)) faulty ones, sent on purpose, now in the dead-letter topic: \(all)"
    }
}
