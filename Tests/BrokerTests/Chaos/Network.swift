// Hosts of a test: network namespaces, joined by a wire in this process that can delay, lose and hold back what they send.
import Foundation
import Model
import Synchronization
import TestSupport

/// Each host has its own addresses and ports. Between them there is one wire: TUN devices that this process reads and writes. So it needs
/// nothing of the kernel but namespaces and TUN; tc's netem is a module that many kernels do not have.
final class Network: Sendable {
    /// What happens to packets from and to a host.
    struct Quality: Sendable {
        var delayMilliseconds: Int64 = 0
        var lossPercent: UInt64 = 0
        /// Nothing passes, and nobody is told.
        var isCut = false
    }

    private struct Host {
        var name: String
        var device: Int32
        var quality = Quality()
    }

    private let subnet: String
    /// The first is this process's own side; its address ends with 1.
    private let hosts: Mutex<[Host]>
    private let isOver = Atomic<Bool>(false)

    /// nil where there is no root or no TUN: then this process and its children share one host, and its network is not touched.
    static func make(_ names: [String]) throws -> Network? {
        guard getuid() == 0, access("/dev/net/tun", R_OK | W_OK) == 0 else { return nil }
        return try Network(names)
    }

    private init(_ names: [String]) throws {
        Network.removeOld()
        subnet = "10.213.\(getpid() % 254 + 1)"
        var hosts: [Host] = []
        for (index, name) in ([""] + names).enumerated() {
            let interface = "rfmd\(getpid() % 100_000)-\(index)"
            let device = try Network.open(interface)
            hosts.append(Host(name: name, device: device))
            let address = "\(subnet).\(index + 1)/24"
            if index == 0 {
                try Network.ip(["address", "add", address, "dev", interface])
                try Network.ip(["link", "set", interface, "mtu", "16000", "up"])
                continue
            }
            let space = Network.space(name)
            try Network.ip(["netns", "add", space])
            try Network.ip(["link", "set", interface, "netns", space])
            try Network.ip(["-n", space, "link", "set", "lo", "up"])
            try Network.ip(["-n", space, "address", "add", address, "dev", interface])
            try Network.ip(["-n", space, "link", "set", interface, "mtu", "16000", "up"])
        }
        self.hosts = Mutex(hosts)
        let devices = hosts.map(\.device)
        Thread.detachNewThread { [self] in carry(devices) }
    }

    deinit {
        for name in hosts.withLock({ $0.map(\.name) }) where !name.isEmpty { Network.delete(Network.space(name)) }
    }

    /// Ends the wire; hosts can no longer reach each other.
    func close() { isOver.store(true, ordering: .relaxed) }

    func address(_ host: String) -> String {
        "\(subnet).\((hosts.withLock { $0.firstIndex { $0.name == host } } ?? 0) + 1)"
    }

    /// The program and arguments that run this program on a host.
    func command(on host: String, _ program: String, _ arguments: [String]) -> (program: String, arguments: [String]) {
        ("/usr/bin/nsenter", ["--net=/run/netns/\(Network.space(host))", "--", program] + arguments)
    }

    func set(_ host: String, _ quality: Quality) {
        hosts.withLock { hosts in
            for index in hosts.indices where hosts[index].name == host { hosts[index].quality = quality }
        }
    }

    // MARK: Setting up

    private static func space(_ host: String) -> String { "rfmd-test-\(getpid())-\(host)" }

    private static func ip(_ arguments: [String]) throws {
        let result = try Command.run("ip", arguments)
        if result.status != 0 { throw Missing("ip \(arguments.joined(separator: " ")): \(result.errorText)") }
    }

    /// A namespace's name is a file on which it is mounted.
    private static func delete(_ space: String) {
        umount2("/run/netns/\(space)", Int32(MNT_DETACH))
        unlink("/run/netns/\(space)")
    }

    /// Removes the hosts of test processes that were killed.
    private static func removeOld() {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/run/netns")) ?? [] {
            guard let match = name.wholeMatch(of: /rfmd-test-(\d+)-.*/), let owner = pid_t(match.1),
                kill(owner, 0) != 0, errno == ESRCH
            else { continue }
            delete(name)
        }
    }

    /// A TUN device that lives as long as its descriptor.
    private static func open(_ interface: String) throws -> Int32 {
        let device = Glibc.open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)
        // struct ifreq: the name, then flags: IFF_TUN | IFF_NO_PI.
        var request = [UInt8](repeating: 0, count: 40)
        request.replaceSubrange(0..<interface.utf8.count, with: interface.utf8)
        request[16] = 0x01
        request[17] = 0x10
        let setInterface: UInt = 0x4004_54CA
        let made = request.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { ioctl(device, setInterface, $0) } ?? -1
        }
        guard device >= 0, made == 0 else { throw Missing("a TUN device (error \(errno))") }
        return device
    }

    // MARK: The wire

    private struct Packet {
        var due: Int64
        var device: Int32
        var bytes: [UInt8]
    }

    private func carry(_ devices: [Int32]) {
        var waiting: [Packet] = []
        var dice = SplitMix64(seed: 1)
        var polled = devices.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while !isOver.load(ordering: .relaxed) {
            let patience = waiting.first.map { max(0, min(200, $0.due - Network.now())) } ?? 200
            poll(&polled, nfds_t(polled.count), Int32(patience))
            let now = Network.now()
            let due = waiting.prefix { $0.due <= now }
            for packet in due { _ = packet.bytes.withUnsafeBytes { write(packet.device, $0.baseAddress, $0.count) } }
            waiting.removeFirst(due.count)
            for (from, device) in devices.enumerated() where polled[from].revents != 0 {
                while true {
                    let count = read(device, &buffer, buffer.count)
                    guard count > 0 else { break }
                    send(buffer[0..<count], from: from, now, &dice, &waiting)
                }
            }
        }
        for device in devices { Glibc.close(device) }
    }

    private func send(
        _ bytes: ArraySlice<UInt8>, from: Int, _ now: Int64, _ dice: inout SplitMix64, _ waiting: inout [Packet]
    ) {
        // IPv4: the last byte of the destination's address.
        guard bytes.count >= 20, bytes[0] >> 4 == 4 else { return }
        let to = Int(bytes[19]) - 1
        let ends = hosts.withLock { hosts in
            hosts.indices.contains(to) ? (hosts[from].quality, hosts[to].quality, hosts[to].device) : nil
        }
        guard let ends, !ends.0.isCut, !ends.1.isCut else { return }
        if dice.next() % 100 < ends.0.lossPercent + ends.1.lossPercent { return }
        let delay = ends.0.delayMilliseconds + ends.1.delayMilliseconds
        if delay == 0 {
            _ = bytes.withUnsafeBytes { write(ends.2, $0.baseAddress, $0.count) }
            return
        }
        // Up to a quarter more or less: packets overtake each other.
        let due = now + delay - delay / 4 + Int64(dice.next() % UInt64(delay / 2 + 1))
        let place = waiting.lastIndex { $0.due <= due }.map { $0 + 1 } ?? 0
        waiting.insert(Packet(due: due, device: ends.2, bytes: Array(bytes)), at: place)
    }

    private static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000 + Int64(time.tv_nsec) / 1_000_000
    }
}
