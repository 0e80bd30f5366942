// The machine as a measurement sees it: clocks, memory, processor time.
import CMemory
import Glibc

enum Machine {
    static func seconds(_ clock: clockid_t = CLOCK_MONOTONIC) -> Double {
        var time = timespec()
        clock_gettime(clock, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    static func nanoseconds() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// Of this thread.
    static var cpuSeconds: Double { seconds(CLOCK_THREAD_CPUTIME_ID) }

    /// Of this process, all threads.
    static var processCPUSeconds: Double { seconds(CLOCK_PROCESS_CPUTIME_ID) }

    /// Of this process, as the kernel counts it; 0 where it does not tell.
    static func residentBytes() -> Int {
        guard let file = fopen("/proc/self/statm", "re") else { return 0 }
        defer { fclose(file) }
        var text = [CChar](repeating: 0, count: 128)
        guard fgets(&text, Int32(text.count), file) != nil else { return 0 }
        let numbers = String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self).split(
            separator: " ")
        return numbers.count < 2 ? 0 : (Int(numbers[1]) ?? 0) * sysconf(Int32(_SC_PAGESIZE))
    }

    /// So that memory which is kept for later does not count as used.
    static func giveBackMemory() { rfmd_give_back() }

    static func pause(milliseconds: UInt32) { usleep(milliseconds * 1_000) }

    /// Seconds of the fastest of three runs: what disturbs a run makes it slower, never faster.
    static func fastest(_ body: () -> Void) -> Double {
        var best = Double.infinity
        for _ in 0..<3 {
            let began = seconds()
            body()
            best = min(best, seconds() - began)
        }
        return best
    }
}
