// `rfmd run` and `rfmd demo` before anything flows: what they say while no broker answers, and how soon they stop.
import Foundation
import TestSupport
import Testing

@Suite struct RunVerbTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    /// A running `rfmd`, and what it writes.
    private struct Running {
        let child: Child
        let log: URL

        func output() throws -> String { try String(contentsOf: log, encoding: .utf8) }

        func await(_ text: String) throws {
            try wait(for: "'\(text)'", seconds: 20, context: "\((try? output()) ?? "")") {
                if !child.process.isRunning { throw Missing("it ended: \(try output())") }
                return try output().contains(text)
            }
        }

        func stop(by signal: Int32 = SIGTERM) -> (status: Int32, seconds: Double) {
            let asked = Date()
            child.signal(signal)
            child.process.waitUntilExit()
            return (child.process.terminationStatus, Date().timeIntervalSince(asked))
        }
    }

    private func start(_ arguments: [String], environment: [String: String] = [:]) throws -> Running {
        let log = folder.url("log")
        return Running(
            child: try Child(try Repository.binary(), arguments, environment: environment, log: log), log: log)
    }

    /// Starts `rfmd`, waits until its output holds `text`, and stops it.
    private func stopped(_ arguments: [String], after text: String, by signal: Int32 = SIGTERM) throws -> (
        output: String, status: Int32, seconds: Double
    ) {
        let running = try start(arguments)
        try running.await(text)
        let (status, seconds) = running.stop(by: signal)
        return (try running.output(), status, seconds)
    }

    private func configuration(_ bootstrap: String) throws -> String {
        try folder.write(
            "kafka: { bootstrap: \"\(bootstrap)\" }\ninputs: [{ topic: t }]\nsnapshots: { folder: \(folder.url("snapshots").path) }\n",
            to: "rfmd.yaml")
    }

    /// Nobody listens on port 1.
    @Test func aRefusedConnectionIsToldAtOnceAndAStopIsHeardAtOnce() throws {
        let began = Date()
        let run = try stopped(
            ["run", "--config", try configuration("127.0.0.1:1")], after: "no broker can be reached: waiting")
        #expect(Date().timeIntervalSince(began) - run.seconds < 5)
        #expect(run.status == 0 && run.seconds < 1.5, "\(run)")
        #expect(run.output.contains("Connection refused"))
        #expect(run.output.contains("stopping: nothing was begun yet") && run.output.contains("NOTICE stopped"))
    }

    /// As systemd's watchdog sends it: from outside, so that no instruction fails again.
    @Test func anAbortFromOutsideEndsIt() throws {
        let running = try start(["run", "--config", try configuration("127.0.0.1:1")])
        try running.await("no broker can be reached")
        running.child.signal(SIGABRT)
        try wait(for: "its end", seconds: 10) { !running.child.process.isRunning }
        #expect(running.child.process.terminationReason == .uncaughtSignal)
        #expect(running.child.process.terminationStatus == SIGABRT)
        #expect(try running.output().contains("ended by a defect"))
    }

    /// A terminal that is closed ends what was started in it; a service is asked to read its configuration again, which it cannot yet.
    @Test func aHangupIsTheEndOfATerminalAndNoneOfAService() throws {
        let path = try configuration("127.0.0.1:1")
        let run = try stopped(["run", "--config", path], after: "no broker can be reached", by: SIGHUP)
        #expect(run.status == 0 && run.output.contains("NOTICE stopped"), "\(run)")
        let service = try start(["run", "--config", path], environment: ["INVOCATION_ID": "1"])
        try service.await("no broker can be reached")
        service.child.signal(SIGHUP)
        try service.await("a new configuration is read at the next start: restart the service")
        #expect(service.stop().status == 0)
    }

    /// Who sets librdkafka's `debug` sees what it says.
    @Test func librdkafkasDebugLinesAreShown() throws {
        let path = try folder.write(
            """
            kafka: { bootstrap: "127.0.0.1:1", properties: { debug: broker } }
            inputs: [{ topic: t }]
            snapshots: { folder: \(folder.url("snapshots").path) }
            """, to: "debug.yaml")
        let run = try stopped(["run", "--config", path], after: "facility=CONNECT")
        #expect(run.status == 0 && run.output.contains("INFO librdkafka facility="))
    }

    /// A port that takes connections and never answers.
    @Test func aBrokerThatDoesNotAnswerHoldsUpNoStop() throws {
        let listener = try Listener()
        let run = try stopped(
            ["run", "--config", try configuration("127.0.0.1:\(listener.port)")], after: "rfmd starts")
        #expect(run.status == 0 && run.seconds < 1.5, "\(run)")
        #expect(run.output.contains("NOTICE stopped"))
    }

    /// Before it has joined its group, and in the midst of it.
    @Test(arguments: ["once rfmd has joined", "(by an event)"])
    func theDemoStopsSoonWheneverItIsAsked(text: String) throws {
        let demo = try stopped(["demo", "--duration", "60s"], after: text)
        #expect(demo.status == 0 && demo.seconds < 4, "\(demo)")
        #expect(demo.output.contains("stopping, as asked") && demo.output.contains("\nlag  "))
    }

    @Test func theDemoSaysWhatRejectedMeans() throws {
        let demo = try Command.run(try Repository.binary(), ["demo", "--duration", "2s"])
        #expect(demo.status == 0, "\(demo.errorText)")
        let line = try #require(demo.outputText.split(separator: "\n").first { $0.hasPrefix("rejected") })
        #expect(
            line.contains("sent on purpose, now in the dead-letter topic:") && line.contains("negative_amount"),
            "\(line)")
        #expect(demo.outputText.contains("for 2 s, once rfmd has joined its group"))
    }
}

/// Listens on a port of loopback and accepts nothing.
private final class Listener {
    private let descriptor: Int32
    let port: UInt16

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let isListening = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 8) == 0
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        try #require(isListening)
        port = UInt16(bigEndian: address.sin_port)
    }

    deinit { close(descriptor) }
}
