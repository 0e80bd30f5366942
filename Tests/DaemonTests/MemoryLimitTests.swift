// What memory a process may have, as control groups of either version tell it, and what a budget means against it.
import Foundation
import TestSupport
import Testing

@testable import Daemon

@Suite struct MemoryLimitTests {
    private static func bytes(_ groups: String, _ files: [String: String]) throws -> Int {
        let folder = try TemporaryFolder()
        for (path, text) in files.map({ ("sys/fs/cgroup/" + $0, $1) }) + [("proc/self/cgroup", groups)] {
            try FileManager.default.createDirectory(
                at: folder.url(path).deletingLastPathComponent(), withIntermediateDirectories: true)
            _ = try folder.write(text, to: path)
        }
        return MemoryLimit.bytes(root: folder.url.path, machine: 8 << 30)
    }

    @Test func theLeastOfTheGroupsAndTheMachineCounts() throws {
        let service = "0::/system.slice/rfmd.service\n"
        #expect(try MemoryLimitTests.bytes(service, [:]) == 8 << 30)
        let own = "system.slice/rfmd.service/memory.max"
        #expect(try MemoryLimitTests.bytes(service, [own: "max\n"]) == 8 << 30)
        #expect(try MemoryLimitTests.bytes(service, [own: "\(1 << 30)\n"]) == 1 << 30)
        #expect(try MemoryLimitTests.bytes(service, [own: "\(16 << 30)\n"]) == 8 << 30)
        // One above it may allow less.
        #expect(
            try MemoryLimitTests.bytes(service, [own: "max\n", "system.slice/memory.max": "\(2 << 30)\n"]) == 2 << 30)
        // A container sees its own group as the root.
        #expect(try MemoryLimitTests.bytes("0::/\n", ["memory.max": "\(3 << 30)\n"]) == 3 << 30)
        let old = "5:cpu,cpuacct:/x\n4:memory:/user.slice/rfmd\n0::/y\n"
        #expect(
            try MemoryLimitTests.bytes(old, ["memory/user.slice/rfmd/memory.limit_in_bytes": "\(1 << 29)\n"]) == 1 << 29
        )
        #expect(MemoryLimit.bytes() > 1 << 26)
        #expect(MemoryLimit.bytes(root: "/nonexistent", machine: 7) == 7)
    }

    @Test func aBudgetThatIsTooMuchIsTold() {
        func told(_ bytes: Int, _ partitions: Int) -> String {
            let word = MemoryLimit.word(bytesPerShard: bytes, partitions: partitions, memory: 8 << 30)
            return "\(word.isTooMuch) " + word.fields.map { "\($0)=\($1)" }.joined(separator: " ")
        }
        #expect(told(2 << 30, 4) == "false bytes_per_shard=2GiB partitions=4 together=8GiB memory_mib=8192")
        #expect(told(3 << 29, 6) == "true bytes_per_shard=1536MiB partitions=6 together=9GiB memory_mib=8192")
        #expect(told(1 << 40, 1 << 30).hasPrefix("true bytes_per_shard=1TiB"))
    }
}
