// Throw-away brokers in KRaft mode from $KAFKA_HOME, on free loopback ports, ended by the ids of their processes.
import Foundation
import KafkaTransport
import Synchronization
import TestSupport
import Worker

enum Kafka {
    static let home = ProcessInfo.processInfo.environment["KAFKA_HOME"].flatMap { $0.isEmpty ? nil : $0 }
    static let howToEnable: String =
        "no broker: set KAFKA_HOME to a Kafka distribution (4.3.1 is what they are run with; Java 17), then these tests run"

    /// The broker that most tests share, started by the first of them.
    static let shared = Shared()

    final class Shared: Sendable {
        private let cluster = Mutex<TestCluster?>(nil)

        func get() throws -> TestCluster {
            try cluster.withLock { cluster in
                if let cluster { return cluster }
                let new = try TestCluster(brokers: 1)
                try new.start()
                cluster = new
                return new
            }
        }
    }

    static func tool(_ name: String, _ arguments: [String], input: String = "") throws -> Command {
        try Command.run("\(home ?? "")/bin/\(name)", arguments, input: Data(input.utf8))
    }
}

/// One broker, or three with everything replicated three times.
final class TestCluster: @unchecked Sendable {
    private let folder: TemporaryFolder
    private let ports: [(client: Int, controller: Int)]
    private var brokers: [Child?]
    private let replicas: Int
    /// Each broker is a host of its own there.
    private let network: Network?
    /// A second port of the only broker, where the user rfmd must show his password; each connection lives 3 s, and must be made anew.
    private let guarded: Int
    private var password: String?

    var count: Int { ports.count }
    var bootstrap: String { ports.indices.map { "\(address($0)):\(ports[$0].client)" }.joined(separator: ",") }
    var options: ClientOptions { ClientOptions(bootstrap: bootstrap, group: "tests", instance: "tests") }

    var guardedBootstrap: String { "127.0.0.1:\(guarded)" }

    init(brokers count: Int, network: Network? = nil, password: String? = nil) throws {
        self.network = network
        folder = try TemporaryFolder()
        let free = try TestCluster.freePorts(2 * count + 1)
        (guarded, self.password) = (free[2 * count], password)
        ports = (0..<count).map { (free[2 * $0], free[2 * $0 + 1]) }
        brokers = Array(repeating: nil, count: count)
        replicas = min(count, 3)
        let id = TestCluster.identifier()
        for broker in 0..<count {
            let path = try folder.write(properties(broker), to: "broker-\(broker).properties")
            let format = try Kafka.tool("kafka-storage.sh", ["format", "-t", id, "-c", path])
            guard format.status == 0 else {
                throw Missing("a formatted broker: \(format.errorText)\(format.outputText)")
            }
        }
    }

    static func host(_ broker: Int) -> String { "broker-\(broker)" }

    private func address(_ broker: Int) -> String { network?.address(TestCluster.host(broker)) ?? "127.0.0.1" }

    private func properties(_ broker: Int) -> String {
        let voters = ports.enumerated().map { "\($0 + 1)@\(address($0)):\($1.controller)" }.joined(separator: ",")
        let lines: [(String, String)] = [
            ("process.roles", "broker,controller"), ("node.id", "\(broker + 1)"),
            (
                "listeners",
                "PLAINTEXT://\(address(broker)):\(ports[broker].client),CONTROLLER://\(address(broker)):\(ports[broker].controller)"
            ),
            ("advertised.listeners", "PLAINTEXT://\(address(broker)):\(ports[broker].client)"),
            ("controller.listener.names", "CONTROLLER"), ("controller.quorum.voters", voters),
            ("log.dirs", folder.url("data-\(broker)").path), ("auto.create.topics.enable", "false"),
            ("default.replication.factor", "\(replicas)"), ("min.insync.replicas", replicas == 3 ? "2" : "1"),
            ("offsets.topic.replication.factor", "\(replicas)"), ("offsets.topic.num.partitions", "4"),
            ("transaction.state.log.replication.factor", "\(replicas)"), ("transaction.state.log.num.partitions", "4"),
            ("transaction.state.log.min.isr", replicas == 3 ? "2" : "1"), ("group.initial.rebalance.delay.ms", "0"),
            ("group.min.session.timeout.ms", "1000"), ("log.retention.ms", "-1"),
            ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "1000"),
            ("controlled.shutdown.enable", "true"),
        ]
        return (password.map { withPassword($0, lines) } ?? lines).map { "\($0.0)=\($0.1)\n" }.joined()
    }

    private func withPassword(_ password: String, _ lines: [(String, String)]) -> [(String, String)] {
        lines.map { name, value in
            name.hasSuffix("listeners") ? (name, "\(value),SASL_PLAINTEXT://127.0.0.1:\(guarded)") : (name, value)
        } + [
            (
                "listener.security.protocol.map",
                "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT"
            ),
            ("sasl.enabled.mechanisms", "PLAIN"), ("connections.max.reauth.ms", "3000"),
            (
                "listener.name.sasl_plaintext.plain.sasl.jaas.config",
                "org.apache.kafka.common.security.plain.PlainLoginModule required user_rfmd=\"\(password)\";"
            ),
        ]
    }

    /// Changes the password, for which the broker is started again.
    func setPassword(_ new: String) throws {
        password = new
        _ = try folder.write(properties(0), to: "broker-0.properties")
        try stop(0, with: SIGTERM)
        try start()
    }

    /// Starts those that do not run and waits until all answer.
    func start() throws {
        for broker in brokers.indices where !(brokers[broker]?.process.isRunning ?? false) { try launch(broker) }
        try waitUntilReady()
    }

    private func launch(_ broker: Int) throws {
        var environment = ProcessInfo.processInfo.environment
        environment["LOG_DIR"] = folder.url("logs").path
        environment["KAFKA_HEAP_OPTS"] = "-Xms128m -Xmx512m"
        var command = (
            program: "\(Kafka.home ?? "")/bin/kafka-server-start.sh",
            arguments: [folder.url("broker-\(broker).properties").path]
        )
        if let network {
            command = network.command(on: TestCluster.host(broker), command.program, command.arguments)
        }
        brokers[broker] = try Child(
            command.program, command.arguments, environment: environment, log: folder.url("broker-\(broker).log"))
    }

    private func waitUntilReady() throws {
        let admin = try KafkaAdmin(options)
        defer { admin.close() }
        let probe = "probe-\(UUID().uuidString)"
        // A topic with all its replicas can be made only when every broker has joined.
        try wait(for: "the brokers at \(bootstrap)", seconds: 90, context: self.log) {
            do throws(TransportFailure) {
                try admin.create([TopicSpecification(name: probe, partitions: 1, configuration: [])])
                return true
            } catch { return false }
        }
    }

    /// Waits until every partition has all its replicas: the next broker may die then.
    func awaitInSync(seconds: Double = 90) throws {
        try wait(for: "replicas in sync", seconds: seconds, context: self.log) {
            try leastInSync(bootstrap) == replicas
        }
    }

    private var log: String {
        brokers.indices.map { broker in
            let text = (try? String(contentsOf: folder.url("broker-\(broker).log"), encoding: .utf8)) ?? ""
            return text.suffix(2_000).description
        }.joined(separator: "\n")
    }

    /// SIGTERM or SIGKILL, and waits until the process is gone.
    func stop(_ broker: Int, with signal: Int32) throws {
        guard let child = brokers[broker] else { return }
        child.signal(signal)
        _ = try child.waitForEnd(seconds: 60, context: { self.log })
        brokers[broker] = nil
    }

    func signal(_ broker: Int, _ number: Int32) { brokers[broker]?.signal(number) }

    /// Copies what the brokers wrote and logged.
    func keep(in destination: URL) throws { try FileManager.default.copyItem(at: folder.url, to: destination) }

    deinit { for broker in brokers { broker?.signal(SIGKILL) } }

    func create(_ topics: [String], partitions: Int32, configuration: [(String, String)] = []) throws {
        let admin = try KafkaAdmin(options)
        defer { admin.close() }
        try admin.create(
            topics.map { TopicSpecification(name: $0, partitions: partitions, configuration: configuration) })
        // Other brokers hear of it a little later.
        try wait(for: "topics \(topics)") { try topics.allSatisfy { try admin.topics()[$0] == partitions } }
    }

    func reader() throws -> PartitionReader {
        try PartitionReader(options, name: "tests-\(UUID().uuidString.prefix(8))")
    }

    private static func freePorts(_ count: Int) throws -> [Int] {
        var sockets: [Int32] = []
        defer { for socket in sockets { close(socket) } }
        return try (0..<count).map { _ in
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            sockets.append(descriptor)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let failed = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, length) != 0 || getsockname(descriptor, $0, &length) != 0
                }
            }
            if failed { throw Missing("a free port on loopback") }
            return Int(UInt16(bigEndian: address.sin_port))
        }
    }

    /// 16 random bytes in the way Kafka writes them.
    private static func identifier() -> String {
        var bytes = withUnsafeBytes(of: UUID().uuid) { Data($0) }
        // A leading "-" would be taken for an option.
        bytes[0] &= 0x7F
        return bytes.base64EncodedString().replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_").replacingOccurrences(of: "=", with: "")
    }
}
