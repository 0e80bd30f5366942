// How much memory this process may have, and what the budget of the state means against it.
import Glibc
import Settings

enum MemoryLimit {
    /// The machine's memory, or less if a control group allows less; bytes. `root` is / but in tests.
    static func bytes(root: String = "", machine: Int = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE)))
        -> Int
    {
        ([machine] + groupLimits(root)).min() ?? machine
    }

    /// What the control groups allow that this process is in: its own and those above it, of cgroup v2 and v1.
    private static func groupLimits(_ root: String) -> [Int] {
        guard let groups = text(of: root + "/proc/self/cgroup") else { return [] }
        var limits: [Int] = []
        for line in groups.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            let isUnified = parts[0] == "0" && parts[1].isEmpty
            guard isUnified || parts[1].split(separator: ",").contains("memory") else { continue }
            let mount = root + (isUnified ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory")
            let file = isUnified ? "memory.max" : "memory.limit_in_bytes"
            var path = parts[2].split(separator: "/")
            while true {
                let folder = ([mount] + path.map(String.init)).joined(separator: "/")
                // `max` is no number.
                if let limit = text(of: "\(folder)/\(file)")?.split(separator: "\n").first.flatMap({ Int($0) }) {
                    limits.append(limit)
                }
                if path.popLast() == nil { break }
            }
        }
        return limits
    }

    /// These files are short, and have no size before they are read.
    private static func text(of path: String) -> String? {
        guard let file = fopen(path, "re") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 16_384)
        return String(decoding: bytes[..<fread(&bytes, 1, bytes.count, file)], as: UTF8.self)
    }

    /// What `limits.bytes_per_shard` means for one process that has all partitions, as it has when the others of its group are gone.
    static func word(bytesPerShard: Int, partitions: Int, memory: Int) -> (isTooMuch: Bool, fields: [(String, String)])
    {
        let (together, overflow) = bytesPerShard.multipliedReportingOverflow(by: partitions)
        return (
            overflow || together > memory,
            [
                ("bytes_per_shard", ByteSize.text(bytesPerShard)), ("partitions", String(partitions)),
                ("together", overflow ? "more than can be counted" : ByteSize.text(together)),
                ("memory_mib", String(memory >> 20)),
            ]
        )
    }
}
