// The arguments of rfmd-simulate, and what it prints.
import Glibc
import Simulator

enum SimulateCommand {
    private static let usage =
        "usage: rfmd-simulate [--first SEED] [--seeds COUNT] [--mutations] | --seed SEED [--mutation NAME] [--digest]\n"

    static func run(_ arguments: [String]) -> Int32 {
        var first: UInt64 = 1
        var count: UInt64 = 100
        var single: UInt64?
        var mutation: Mutation?
        var onlyDigest = false
        var mutations = false
        var rest = arguments[...]
        while let option = rest.popFirst() {
            if option == "--digest" {
                onlyDigest = true
                continue
            }
            if option == "--mutations" {
                mutations = true
                continue
            }
            guard let value = rest.popFirst() else { return wrong(option) }
            switch (option, UInt64(value)) {
            case ("--first", let number?): first = number
            case ("--seeds", let number?): count = number
            case ("--seed", let number?): single = number
            case ("--mutation", _):
                guard let known = Mutation(rawValue: value) else { return wrong(value) }
                mutation = known
            default: return wrong(option)
            }
        }
        Trap.watch()
        if let single { return runOne(single, mutation, onlyDigest: onlyDigest) }
        return runMany(first, count, mutation, mutations: mutations)
    }

    private static func wrong(_ what: String) -> Int32 {
        let text = Array("rfmd-simulate: '\(what)' is not understood\n\(usage)".utf8)
        write(STDERR_FILENO, text, text.count)
        return 64
    }

    private static func runOne(_ seed: UInt64, _ mutation: Mutation?, onlyDigest: Bool) -> Int32 {
        Trap.note(seed)
        let outcome = Simulation.run(seed, mutation: mutation) { if !onlyDigest { print($0) } }
        print("seed \(seed): digest \(outcome.digest), \(outcome.statistics.text)")
        for problem in outcome.problems { print("seed \(seed): \(problem)") }
        print(outcome.passed ? "1 passed, 0 failed" : "0 passed, 1 failed")
        return outcome.passed ? 0 : 1
    }

    /// How many seeds it takes to find each deliberate defect.
    private static func findMutations(_ first: UInt64, _ count: UInt64) -> Int32 {
        var missed = 0
        for mutation in Mutation.allCases {
            var found: Outcome?
            for seed in first..<first + count where found == nil {
                Trap.note(seed)
                let outcome = Simulation.run(seed, mutation: mutation)
                if !outcome.passed { found = outcome }
            }
            if let found {
                print("\(mutation.rawValue): seed \(found.seed): \(found.problems.first?.prefix(160) ?? "")")
            } else {
                print("\(mutation.rawValue): not found in \(count) seeds")
                missed += 1
            }
        }
        print("\(Mutation.allCases.count - missed) found, \(missed) missed")
        return missed == 0 ? 0 : 1
    }

    private static func runMany(_ first: UInt64, _ count: UInt64, _ mutation: Mutation?, mutations: Bool) -> Int32 {
        let began = seconds()
        if mutations { return findMutations(first, count) }
        var failed: [UInt64] = []
        var statistics = Statistics()
        for seed in first..<first + count {
            Trap.note(seed)
            let outcome = Simulation.run(seed, mutation: mutation)
            statistics.add(outcome.statistics)
            if outcome.passed { continue }
            failed.append(seed)
            for problem in outcome.problems { print("seed \(seed): \(problem)") }
            print("seed \(seed): repeat it by 'make simulate SEED=\(seed)'")
        }
        let took = seconds() - began
        print(statistics.text)
        let tenths = Int(Double(count) / max(took, 0.001) * 10)
        print("\(Int(took * 10) / 10) s, \(tenths / 10).\(tenths % 10) seeds a second")
        print("\(count - UInt64(failed.count)) passed, \(failed.count) failed")
        return failed.isEmpty ? 0 : 1
    }

    private static func seconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

/// A broken invariant traps, and ends the process: then this names the seed.
enum Trap {
    // Written before a run and read by the signal handler, on one thread.
    nonisolated(unsafe) private static let text = UnsafeMutablePointer<CChar>.allocate(capacity: 128)
    nonisolated(unsafe) private static var length = 0

    static func watch() {
        for number in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT] {
            signal(number) { number in
                write(STDOUT_FILENO, Trap.text, Trap.length)
                signal(number, SIG_DFL)
                raise(number)
            }
        }
    }

    static func note(_ seed: UInt64) {
        let line = "seed \(seed): trapped; repeat it by 'make simulate SEED=\(seed)'\n"
        length = 0
        for byte in line.utf8.prefix(127) {
            text[length] = CChar(bitPattern: byte)
            length += 1
        }
    }
}
