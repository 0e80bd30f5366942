// Another program, started by a measurement and ended with it.
import Glibc

final class ChildProcess {
    let pid: pid_t
    private var isOver = false

    /// What it used, when it has ended.
    struct Usage {
        var cpuSeconds: Double
        var mostBytes: Int
        var status: Int32
    }

    /// Starts `path`; what it prints goes to the file `log`. `environment` is added to this process's own.
    init(_ path: String, _ arguments: [String], log: String, environment: [String: String] = [:]) throws(BenchFailure) {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var ignored = sigset_t()
        sigemptyset(&ignored)
        // What this process has blocked or ignored is not handed down.
        posix_spawnattr_setsigmask(&attributes, &ignored)
        sigaddset(&ignored, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &ignored)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        var variables = ChildProcess.environment().filter { variable in
            !environment.keys.contains { variable.hasPrefix($0 + "=") }
        }
        variables += environment.map { "\($0.key)=\($0.value)" }
        let (argumentList, variableList) = (ChildProcess.list([path] + arguments), ChildProcess.list(variables))
        defer { for text in argumentList + variableList { free(text) } }
        var pid: pid_t = 0
        let error = posix_spawn(&pid, path, &actions, &attributes, argumentList, variableList)
        if error != 0 { throw BenchFailure(message: "\(path): \(String(cString: strerror(error)))") }
        self.pid = pid
    }

    deinit {
        if isOver { return }
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }

    /// Waits for its end; `signal` asks for it.
    func wait(after signal: Int32? = nil) -> Usage {
        if let signal { kill(pid, signal) }
        var status: Int32 = 0
        var usage = rusage()
        while wait4(pid, &status, 0, &usage) < 0 && errno == EINTR {}
        isOver = true
        return Usage(
            cpuSeconds: ChildProcess.cpuSeconds(usage), mostBytes: usage.ru_maxrss << 10, status: status)
    }

    /// nil as long as it runs.
    func ended() -> Usage? {
        var status: Int32 = 0
        var usage = rusage()
        guard wait4(pid, &status, WNOHANG, &usage) == pid else { return nil }
        isOver = true
        return Usage(
            cpuSeconds: ChildProcess.cpuSeconds(usage), mostBytes: usage.ru_maxrss << 10, status: status)
    }

    static func cpuSeconds(_ usage: rusage) -> Double {
        Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            + Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
    }

    private static func list(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] { texts.map { strdup($0) } + [nil] }

    private static func environment() -> [String] {
        var variables: [String] = []
        var at = environ
        while let variable = at.pointee {
            variables.append(String(cString: variable))
            at += 1
        }
        return variables
    }
}
