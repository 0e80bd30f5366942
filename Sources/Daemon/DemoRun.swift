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

struct DemoRun {
    private let json: Bool
    private let signals: StopSignals
    private static let input = "shop.events"
    private static let group = "rfmd-demo"
    /// How long rfmd may take to work off what was sent, ms.
    private static let catchUpMilliseconds: Int64 = 60_000

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
        let demo = DemoRun(json: invocation.flags.contains("json"), signals: StopSignals())
        do throws(Failure) { try demo.run(duration) } catch {
            printError("rfmd demo: \(error.text)\n")
            return ExitCode.failed
        }
        return ExitCode.done
    }

    private func show(_ line: String) {
        if !json { printOut(line + "\n") }
    }

    private func run(_ duration: Int64) throws(Failure) {
        var template = Array("/tmp/rfmd-demo-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else {
            throw Failure(text: "no folder can be made in /tmp: \(String(cString: strerror(errno)))")
        }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { removeFolder(folder) }
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
                + "every \(DemoShop.dayMilliseconds) ms")
        let client = ClientOptions(bootstrap: shop.bootstrap, group: DemoRun.group, instance: "demo")
        let service = try makeService(client, outputs, shop, folder)
        service.start()
        defer { service.close() }
        let lag = try feed(shop, service, client, outputs)
        service.requestStop()
        while service.endings == nil { shop.watch(milliseconds: 50, show: show) }
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
            return try Service(configuration, environment, logger: Logger(minimum: .error))
        } catch { throw Failure(text: error.text) }
    }

    /// Sends shoppers' events and waits until rfmd has worked them all off. Returns the lag that was left.
    private func feed(_ shop: DemoShop, _ service: Service, _ client: ClientOptions, _ outputs: OutputTopics)
        throws(Failure) -> Int64
    {
        var lag: Int64
        do throws(DemoFailure) {
            while !service.isReady && !service.failed { shop.watch(milliseconds: 50, show: show) }
            try shop.run(isCancelled: { service.failed || signals.wait(milliseconds: 0) }, show: show)
        } catch { throw Failure(text: error.description) }
        do throws(TransportFailure) {
            let reader = try PartitionReader(client, name: "demo-lag")
            defer { reader.close() }
            let until = TrustedClock.monotonic() + DemoRun.catchUpMilliseconds
            repeat {
                shop.watch(milliseconds: 100, show: show)
                lag = try DemoRun.lag(reader, shop, outputs)
            } while lag > 0 && !service.failed && TrustedClock.monotonic() < until
        } catch { throw Failure(text: error.text) }
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
            shop.watch(milliseconds: 400, show: show)
        } while shop.changes != before
        let changes = shop.changes
        let warnings = changes.warningsRaised
        let statuses = service.workers.map(\.status)
        for case .refused(let text)? in service.endings ?? [] { throw Failure(text: text) }
        for case .defect(let text)? in service.endings ?? [] { throw Failure(text: text) }
        if json {
            printOut(
                "{\"events\":\(shop.sent.events),\"customers\":\(shop.sent.customers),\"tier_changes\":\(changes.tierChanges),"
                    + "\"warnings\":\(warnings),\"lag\":\(lag)}\n")
        } else {
            let rejected = statuses.map(\.counts.rejected).reduce(0, +)
            printOut(
                """

                events        \(shop.sent.events), of \(shop.sent.customers) customers (\(rejected) rejected)
                tier changes  \(changes.tierChanges)
                lifecycle     \(changes.lifecycleChanges)
                warnings      \(warnings) raised, \(changes.warningsResolved) resolved
                lag           \(lag)

                """)
        }
        if lag > 0 {
            throw Failure(text: "\(lag) events were not worked off in \(DemoRun.catchUpMilliseconds / 1_000) s")
        }
    }

    /// Snapshots of the demo are of no use to anybody.
    private func removeFolder(_ folder: String) {
        guard let directory = opendir(folder) else { return }
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { unlink("\(folder)/\(name)") }
        }
        closedir(directory)
        rmdir(folder)
    }
}
