// The arguments of rfmd-simulate, and what it prints.
import Glibc
import Simulator

/// What was asked for.
struct SimulateOptions {
    var first: UInt64 = 1
    var count: UInt64 = 100
    var single: UInt64?
    var mutation: Mutation?
    var findsMutations = false
    var showsOnlyDigest = false
    /// Processes at work; each seed is run by one of them.
    var jobs = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    /// It is one of these processes.
    var isPart = false
}

enum SimulateCommand {
    private static let usage = """
        usage: rfmd-simulate [--seeds COUNT] [--first SEED] [--jobs COUNT] [--mutation NAME]
               rfmd-simulate --seed SEED [--mutation NAME] [--digest]
               rfmd-simulate --mutations [--seeds COUNT] [--first SEED]

        """

    static func run(_ arguments: [String]) -> Int32 {
        var options = SimulateOptions()
        var rest = arguments[...]
        while let option = rest.popFirst() {
            switch option {
            case "--digest": options.showsOnlyDigest = true
            case "--mutations": options.findsMutations = true
            case "--part": options.isPart = true
            default:
                guard let value = rest.popFirst(), set(option, value, &options) else { return wrong(option) }
            }
        }
        Trap.watch()
        if let single = options.single { return runOne(single, options) }
        if options.findsMutations { return findMutations(options) }
        return options.isPart ? SeedRun.runPart(options) : SeedRun.runAll(options)
    }

    private static func set(_ option: String, _ value: String, _ options: inout SimulateOptions) -> Bool {
        switch (option, UInt64(value)) {
        case ("--first", let number?): options.first = number
        case ("--seeds", let number?): options.count = number
        case ("--seed", let number?): options.single = number
        case ("--jobs", let number?) where number > 0 && number < 1_000: options.jobs = Int(number)
        case ("--mutation", _):
            guard let known = Mutation(rawValue: value) else { return false }
            options.mutation = known
        default: return false
        }
        return true
    }

    private static func wrong(_ what: String) -> Int32 {
        let text = Array("rfmd-simulate: '\(what)' is not understood\n\(usage)".utf8)
        write(STDERR_FILENO, text, text.count)
        return 64
    }

    private static func runOne(_ seed: UInt64, _ options: SimulateOptions) -> Int32 {
        Trap.note(seed, options.mutation)
        let show: ((String) -> Void)? = options.showsOnlyDigest ? nil : { print($0) }
        let outcome = Simulation.run(seed, mutation: options.mutation, show: show)
        print("seed \(seed): digest \(outcome.digest), \(outcome.statistics.text)")
        for problem in outcome.problems { print("seed \(seed): \(problem)") }
        print(outcome.passed ? "1 passed, 0 failed" : "0 passed, 1 failed")
        return outcome.passed ? 0 : 1
    }

    /// How many seeds it takes to find each deliberate defect.
    private static func findMutations(_ options: SimulateOptions) -> Int32 {
        var missed = 0
        for mutation in Mutation.allCases {
            var found: Outcome?
            for seed in options.first..<options.first + options.count where found == nil {
                Trap.note(seed, mutation)
                let outcome = Simulation.run(seed, mutation: mutation)
                if !outcome.passed { found = outcome }
            }
            if let found {
                print("\(mutation.rawValue): seed \(found.seed): \(found.problems.first?.prefix(160) ?? "")")
            } else {
                print("\(mutation.rawValue): not found in \(options.count) seeds")
                missed += 1
            }
        }
        print("\(Mutation.allCases.count - missed) found, \(missed) missed")
        return missed == 0 ? 0 : 1
    }
}

/// A broken invariant traps, and ends the process: then this names the seed.
enum Trap {
    // Written before a run and read by the signal handler, on one thread.
    nonisolated(unsafe) private static let text = UnsafeMutablePointer<CChar>.allocate(capacity: 128)
    nonisolated(unsafe) private static var length = 0

    static func watch() {
        // A trap whose signal is blocked, as whoever started this may have left it, ends the process without a word.
        var none = sigset_t()
        sigemptyset(&none)
        sigprocmask(SIG_SETMASK, &none, nil)
        for number in [SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGABRT] {
            signal(number) { number in
                write(STDOUT_FILENO, Trap.text, Trap.length)
                signal(number, SIG_DFL)
                raise(number)
            }
        }
    }

    static func note(_ seed: UInt64, _ mutation: Mutation?) {
        let line = "seed \(seed): trapped; \(SeedRun.howToRepeat(seed, mutation))\n"
        length = 0
        for byte in line.utf8.prefix(127) {
            text[length] = CChar(bitPattern: byte)
            length += 1
        }
    }
}
