// The broker of a measurement: one that is there, or a single one that is started from a Kafka distribution and ended afterwards.
import Glibc
import SnapshotStore
import Worker

final class BenchBroker {
    let bootstrap: String
    /// Holds its log and what children print.
    let folder: ScratchFolder
    private let process: ChildProcess?

    /// Uses the broker at `bootstrap`, or else starts one from `KAFKA_HOME`.
    init(bootstrap: String?) throws(BenchFailure) {
        do throws(SnapshotFailure) { folder = try ScratchFolder() } catch { throw BenchFailure(message: error.text) }
        if let bootstrap {
            self.bootstrap = bootstrap
            process = nil
            return
        }
        guard let home = getenv("KAFKA_HOME").map({ String(cString: $0) }) else {
            throw BenchFailure(message: "needs a broker: give --bootstrap, or set KAFKA_HOME to a Kafka distribution")
        }
        let ports = (try BenchBroker.freePort(), try BenchBroker.freePort())
        self.bootstrap = "127.0.0.1:\(ports.0)"
        let configuration = "\(folder.path)/server.properties"
        try BenchBroker.write(BenchBroker.properties(ports, folder.path), to: configuration)
        let environment = ["LOG_DIR": "\(folder.path)/logs", "KAFKA_HEAP_OPTS": "-Xmx1g"]
        let log = "\(folder.path)/broker.log"
        let format = try ChildProcess(
            "\(home)/bin/kafka-storage.sh", ["format", "-t", "cmZtZC1iZW5jaC1icm9rZQ", "-c", configuration], log: log,
            environment: environment)
        guard format.wait().status == 0 else { throw BenchFailure(message: "no storage for a broker: see \(log)") }
        process = try ChildProcess(
            "\(home)/bin/kafka-server-start.sh", [configuration], log: log, environment: environment)
    }

    deinit { _ = process?.wait(after: SIGKILL) }

    private static func properties(_ ports: (Int, Int), _ folder: String) -> String {
        """
        process.roles=broker,controller
        node.id=1
        listeners=PLAINTEXT://127.0.0.1:\(ports.0),CONTROLLER://127.0.0.1:\(ports.1)
        advertised.listeners=PLAINTEXT://127.0.0.1:\(ports.0)
        controller.listener.names=CONTROLLER
        controller.quorum.voters=1@127.0.0.1:\(ports.1)
        log.dirs=\(folder)/data
        offsets.topic.replication.factor=1
        transaction.state.log.replication.factor=1
        transaction.state.log.min.isr=1
        group.initial.rebalance.delay.ms=0

        """
    }

    /// What a program said at the end.
    static func lastLine(of log: String) -> String {
        guard let file = fopen(log, "re") else { return "it said nothing" }
        defer { fclose(file) }
        var (last, line) = ("it said nothing", [CChar](repeating: 0, count: 2_048))
        while fgets(&line, Int32(line.count), file) != nil {
            last = String(decoding: line.prefix { $0 != 0 && $0 != 10 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        return last
    }

    static func write(_ text: String, to path: String) throws(BenchFailure) {
        guard let file = fopen(path, "we") else {
            throw BenchFailure(message: "\(path): \(String(cString: strerror(errno)))")
        }
        fputs(text, file)
        fclose(file)
    }

    /// One that nobody listens on at the moment.
    private static func freePort() throws(BenchFailure) -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let failed = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) != 0 || getsockname(descriptor, $0, &length) != 0
            }
        }
        if failed { throw BenchFailure(message: "no free port: \(String(cString: strerror(errno)))") }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}
