// A named time zone from the system's zone files, as a table of offsets.
import Glibc
import Model

enum ZoneLoader {
    /// nil if the system has no such zone. Called before any thread is started: it sets TZ for a moment.
    static func load(_ name: String) -> ZoneTable? {
        if name == "UTC" { return .utc }
        let isName = !name.isEmpty && !name.contains("..") && !name.hasPrefix("/") && !name.hasPrefix(":")
        guard isName, isZoneFile("/usr/share/zoneinfo/\(name)") else { return nil }
        let before = getenv("TZ").map { String(cString: $0) }
        setenv("TZ", ":\(name)", 1)
        tzset()
        defer {
            if let before { setenv("TZ", before, 1) } else { unsetenv("TZ") }
            tzset()
        }
        // Offsets are asked for day by day; where two days differ the instant is found by halving, to the second.
        var transitions: [Int64] = []
        var offsets = [offset(at: Limits.earliestTime / 1_000)]
        var second = Limits.earliestTime / 1_000
        let last = Limits.latestTime / 1_000 + 1_100 * 86_400
        while second < last {
            let next = second + 86_400
            let after = offset(at: next)
            if after != offsets[offsets.count - 1] {
                var low = second
                var high = next
                while high - low > 1 {
                    let middle = (low + high) / 2
                    if offset(at: middle) == offsets[offsets.count - 1] { low = middle } else { high = middle }
                }
                transitions.append(high * 1_000)
                offsets.append(offset(at: high))
                second = high
            } else {
                second = next
            }
        }
        return ZoneTable(name: name, transitions: transitions, offsets: offsets)
    }

    private static func isZoneFile(_ path: String) -> Bool {
        guard let file = fopen(path, "re") else { return false }
        defer { fclose(file) }
        var magic = [UInt8](repeating: 0, count: 4)
        return fread(&magic, 1, 4, file) == 4 && magic == Array("TZif".utf8)
    }

    /// ms.
    private static func offset(at second: Int64) -> Int64 {
        var time = time_t(second)
        var parts = tm()
        localtime_r(&time, &parts)
        return Int64(parts.tm_gmtoff) * 1_000
    }
}
