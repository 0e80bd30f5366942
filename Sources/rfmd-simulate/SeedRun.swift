// Many seeds on all cores: parts of them, each run by a process of its own, so that a seed that traps ends its part and nothing else.
import Glibc
import Simulator
import Synchronization

enum SeedRun {
    private static let seedsPerPart: UInt64 = 100
    /// Begins the line by which a part tells its numbers.
    private static let mark = "#part"

    static func howToRepeat(_ seed: UInt64, _ mutation: Mutation?) -> String {
        "repeat it by 'make simulate SEED=\(seed)\(mutation.map { " MUTATION=\($0.rawValue)" } ?? "")'"
    }

    // MARK: One part

    static func runPart(_ options: SimulateOptions) -> Int32 {
        var failed = 0
        var statistics = Statistics()
        for seed in options.first..<options.first + options.count {
            Trap.note(seed, options.mutation)
            let outcome = Simulation.run(seed, mutation: options.mutation)
            statistics.add(outcome.statistics)
            if outcome.passed { continue }
            failed += 1
            for problem in outcome.problems { print("seed \(seed): \(problem)") }
            print("seed \(seed): \(howToRepeat(seed, options.mutation))")
            // A later seed may trap, and what is printed is not to go with it.
            fflush(nil)
        }
        print(([mark, String(failed)] + statistics.numbers.map { String($0) }).joined(separator: " "))
        return failed == 0 ? 0 : 1
    }

    // MARK: All of them

    private struct Progress {
        var next: UInt64
        /// Parts that a trap ended, from the seed behind it on.
        var left: [Range<UInt64>] = []
        var failed = 0
        var statistics = Statistics()
        var problem: String?
    }

    /// Shared by the threads that wait for the parts.
    private final class Shared: Sendable {
        let options: SimulateOptions
        let progress: Mutex<Progress>
        /// One process is started after the other, so that none inherits another's pipe.
        private let spawning = Mutex(())

        init(_ options: SimulateOptions) {
            self.options = options
            progress = Mutex(Progress(next: options.first))
        }

        private func nextPart() -> Range<UInt64>? {
            progress.withLock { progress in
                if let part = progress.left.popLast() { return part }
                let end = options.first + options.count
                if progress.next >= end || progress.problem != nil { return nil }
                let part = progress.next..<min(end, progress.next + seedsPerPart)
                progress.next = part.upperBound
                return part
            }
        }

        func work() {
            while let part = nextPart() {
                guard let output = run(part) else {
                    progress.withLock { $0.problem = "a process cannot be started" }
                    return
                }
                take(output, part)
            }
        }

        private func take(_ output: String, _ part: Range<UInt64>) {
            var lines = output.split(separator: "\n", omittingEmptySubsequences: false)[...]
            if lines.last == "" { lines.removeLast() }
            var numbers = lines.last.map { $0.split(separator: " ") } ?? []
            let isWhole = numbers.first.map { $0 == mark } ?? false
            if isWhole { lines.removeLast() }
            numbers.removeFirst(min(1, numbers.count))
            let parsed = numbers.compactMap { Int($0) }
            progress.withLock { progress in
                for line in lines { print(line) }
                fflush(nil)
                if isWhole, let statistics = Statistics(numbers: Array(parsed.dropFirst())) {
                    progress.failed += parsed[0]
                    progress.statistics.add(statistics)
                    return
                }
                // The last line is the trap's; what came before it in this part is in the output.
                progress.failed += lines.filter { $0.contains("repeat it by") }.count
                let trapped = lines.last.flatMap { $0.split(separator: " ").dropFirst().first }
                    .flatMap { UInt64($0.dropLast()) }
                guard let trapped, part.contains(trapped) else {
                    progress.problem = "the seeds from \(part.lowerBound) on ended without a word"
                    return
                }
                if trapped + 1 < part.upperBound { progress.left.append(trapped + 1..<part.upperBound) }
            }
        }

        /// What a process prints that runs these seeds.
        private func run(_ part: Range<UInt64>) -> String? {
            var arguments = ["rfmd-simulate", "--part", "--first", "\(part.lowerBound)", "--seeds", "\(part.count)"]
            if let mutation = options.mutation { arguments += ["--mutation", mutation.rawValue] }
            guard let (child, output) = spawning.withLock({ _ in SeedRun.spawn(arguments) }) else { return nil }
            defer { close(output) }
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while true {
                let count = read(output, &buffer, buffer.count)
                if count > 0 { bytes += buffer[..<count] } else if count == 0 || errno != EINTR { break }
            }
            var status: Int32 = 0
            while waitpid(child, &status, 0) < 0 && errno == EINTR {}
            return String(decoding: bytes, as: UTF8.self)
        }
    }

    /// Starts this program with other arguments: the process, and where its output can be read.
    private static func spawn(_ arguments: [String]) -> (pid_t, Int32)? {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[1]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        var words = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var child = pid_t()
        if posix_spawn(&child, "/proc/self/exe", &actions, nil, &words, environ) == 0 { return (child, ends[0]) }
        close(ends[0])
        return nil
    }

    static func runAll(_ options: SimulateOptions) -> Int32 {
        let began = seconds()
        let shared = Shared(options)
        let threads = (0..<options.jobs).map { _ in
            var thread = pthread_t()
            let failure = pthread_create(
                &thread, nil,
                { opaque in
                    guard let opaque else { return nil }
                    Unmanaged<Shared>.fromOpaque(opaque).takeRetainedValue().work()
                    return nil
                }, Unmanaged.passRetained(shared).toOpaque())
            precondition(failure == 0, "a thread cannot be started")
            return thread
        }
        for thread in threads { pthread_join(thread, nil) }
        let (failed, statistics, problem) = shared.progress.withLock { ($0.failed, $0.statistics, $0.problem) }
        if let problem {
            print("rfmd-simulate: \(problem)")
            return 1
        }
        let took = seconds() - began
        print(statistics.text)
        let tenths = Int(Double(options.count) / max(took, 0.001) * 10)
        print("\(Int(took * 10) / 10) s, \(tenths / 10).\(tenths % 10) seeds a second")
        print("\(options.count - UInt64(failed)) passed, \(failed) failed")
        return failed == 0 ? 0 : 1
    }

    private static func seconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}
