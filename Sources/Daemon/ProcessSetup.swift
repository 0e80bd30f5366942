// What the process asks of the system before it begins: files, memory, standard streams, and how a crash looks.
import Glibc
import Model

enum ProcessSetup {
    /// Standard streams that are closed would be the next files that are opened: what is printed must not end in a socket. Writing to
    /// one fails then, as it should.
    static func keepStandardStreams() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }

    /// A crash (a defect, or no memory left) ends in one line and, where the system keeps them, a core file; not in a stack trace, which
    /// only $SWIFT_BACKTRACE asks for.
    static func endCrashesPlainly() {
        if let wish = getenv("SWIFT_BACKTRACE"), !String(cString: wish).contains("enable=no") { return }
        var all = sigset_t()
        sigemptyset(&all)
        for number in [SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV] {
            var action = sigaction()
            action.__sigaction_handler.sa_handler = ProcessSetup.crashed
            action.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND)) | SA_ONSTACK
            sigaction(number, &action, nil)
            sigaddset(&all, number)
        }
        // Whoever started it may have blocked some.
        sigprocmask(SIG_UNBLOCK, &all, nil)
    }

    /// Only what may be called in a signal handler. The signal comes once more when this returns, without a handler, and ends the process:
    /// one from outside, as of systemd's watchdog, has no instruction that would fail again.
    private static let crashed: @convention(c) (Int32) -> Void = { number in
        let text: StaticString =
            "rfmd: ended by a defect, or because there is no memory left. SWIFT_BACKTRACE=enable=yes shows where.\n"
        _ = write(STDERR_FILENO, text.utf8Start, text.utf8CodeUnitCount)
        _ = raise(number)
    }

    /// Raises the limit of open files as far as it may be raised, and says what is still too low for brokers and workers.
    static func limitProblem() -> String? {
        var files = rlimit()
        let kind = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        if getrlimit(kind, &files) == 0 {
            files.rlim_cur = files.rlim_max
            _ = setrlimit(kind, &files)
            if files.rlim_max < UInt(Limits.leastOpenFiles) {
                return "only \(files.rlim_max) files may be open, and at least \(Limits.leastOpenFiles) are needed: "
                    + "raise LimitNOFILE= of the service, or ulimit -n"
            }
        }
        var memory = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &memory) == 0,
            memory.rlim_cur < UInt(Limits.leastAddressBytes)
        {
            return
                "only \(memory.rlim_cur >> 20) MiB of addresses are allowed, and at least \(Limits.leastAddressBytes >> 20) MiB are needed "
                + "for threads and buffers: raise LimitAS= of the service, or ulimit -v. To bound memory, use MemoryMax="
        }
        return nil
    }
}
