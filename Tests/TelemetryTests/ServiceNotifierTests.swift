// What arrives at a service manager: a datagram socket in its place.
import Foundation
import Telemetry
import Testing

@Suite(.serialized) struct ServiceNotifierTests {
    /// A stand-in for systemd, named in the environment as long as it lives.
    private final class Manager {
        let descriptor: Int32
        let path: String

        init() throws {
            path =
                FileManager.default.temporaryDirectory.appendingPathComponent(
                    "rfmd-notify-\(UUID().uuidString.prefix(8))"
                ).path
            descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
            try #require(descriptor >= 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            try #require(path.utf8.count < 108)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            let bound = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            try #require(bound == 0)
            setenv("NOTIFY_SOCKET", path, 1)
        }

        deinit {
            unsetenv("NOTIFY_SOCKET")
            close(descriptor)
            unlink(path)
        }

        /// Everything that has arrived; sending over a local datagram socket is done when the call returns.
        func messages() -> [String] {
            var result: [String] = []
            var bytes = [UInt8](repeating: 0, count: 4_096)
            while true {
                let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
                if count < 0 { return result }
                result.append(String(decoding: bytes.prefix(count), as: UTF8.self))
            }
        }
    }

    @Test func tellsEachThingByItsName() throws {
        let manager = try Manager()
        let notifier = ServiceNotifier()
        notifier.extendTimeout(microseconds: 30_000_000)
        notifier.ready()
        notifier.watchdog()
        notifier.failed(errno: 28)
        notifier.stopping()
        #expect(
            manager.messages() == ["EXTEND_TIMEOUT_USEC=30000000", "READY=1", "WATCHDOG=1", "ERRNO=28", "STOPPING=1"])
    }

    @Test func aStatusIsOneLineAndToldWhenItChanges() throws {
        let manager = try Manager()
        let notifier = ServiceNotifier()
        notifier.status("waiting for a broker")
        notifier.status("waiting for a broker")
        notifier.status("shard a\nREADY=1\r\nSTOPPING=1")
        #expect(manager.messages() == ["STATUS=waiting for a broker", "STATUS=shard a READY=1 STOPPING=1"])
    }

    @Test func nothingIsSentWithoutASocket() throws {
        let manager = try Manager()
        unsetenv("NOTIFY_SOCKET")
        let notifier = ServiceNotifier()
        notifier.ready()
        notifier.status("unheard")
        #expect(manager.messages() == [])
    }

    @Test func theWatchdogIsAskedForByTheEnvironment() {
        defer {
            unsetenv("WATCHDOG_USEC")
            unsetenv("WATCHDOG_PID")
        }
        #expect(ServiceNotifier().watchdogMicroseconds == nil)
        setenv("WATCHDOG_USEC", "30000000", 1)
        #expect(ServiceNotifier().watchdogMicroseconds == 30_000_000)
        setenv("WATCHDOG_PID", "1", 1)
        #expect(ServiceNotifier().watchdogMicroseconds == nil)
        setenv("WATCHDOG_PID", String(getpid()), 1)
        #expect(ServiceNotifier().watchdogMicroseconds == 30_000_000)
    }
}
