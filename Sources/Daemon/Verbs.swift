// Reads the command line and runs one verb.
import Glibc
import Options
import Settings

/// The version of the program, and its day.
package let programVersion = "0.1.0"
private let programDate = "2026-11-26"

public func rfmdMain() -> Never {
    ProcessSetup.keepStandardStreams()
    ProcessSetup.endCrashesPlainly()
    signal(SIGPIPE, SIG_IGN)
    let code = runVerb(Array(CommandLine.arguments.dropFirst()))
    #if COUNTED
        // `make profile`: what was counted is written at an exit.
        exit(code)
    #else
        // Nothing waits in a buffer, and threads may still be at work: nothing is torn down under them.
        _exit(code)
    #endif
}

package func runVerb(_ arguments: [String]) -> Int32 {
    let code = dispatch(arguments)
    guard let failure = takeOutputFailure() else { return code }
    printError("rfmd: \(failure)\n")
    return code == ExitCode.done ? ExitCode.failed : code
}

private func dispatch(_ arguments: [String]) -> Int32 {
    switch CommandLineParser.parse(arguments) {
    case .help(let text):
        printOut(text)
        return ExitCode.done
    case .usage(let text):
        printError(text)
        return ExitCode.usage
    case .run(let invocation):
        return run(invocation)
    }
}

private func run(_ invocation: Invocation) -> Int32 {
    switch invocation.verb {
    case "validate":
        let path = invocation.value("config") ?? OptionTable.defaultConfig
        guard let configuration = loadConfiguration(path) else { return ExitCode.configuration }
        for (place, key, message) in configuration.doubts {
            printError("\(path):\(place.line):\(place.column): warning: \(key): \(message)\n")
        }
        printOut("\(path): ok\n")
        return ExitCode.done
    case "run": return Run.run(invocation)
    case "demo": return DemoRun.run(invocation)
    case "replay": return Replay.run(invocation)
    case "dlq": return DLQ.run(invocation)
    case "bench": return BenchVerb.run(invocation)
    case "version":
        printOut("rfmd \(programVersion)\n")
        return ExitCode.done
    case "help":
        if let name = invocation.operands.first { return dispatch([name, "--help"]) }
        printOut(Help.overview)
        return ExitCode.done
    case "man":
        printOut(Help.manual(version: programVersion, date: programDate))
        return ExitCode.done
    case "completion":
        guard let text = Completions.text(invocation.operands[0]) else {
            printError("rfmd completion: '\(invocation.operands[0])' is none of bash, zsh, fish\n")
            return ExitCode.usage
        }
        printOut(text)
        return ExitCode.done
    default:
        preconditionFailure("a verb of the table without a program")
    }
}

/// nil after everything that is wrong was printed.
func loadConfiguration(_ path: String, isForKafka: Bool = true) -> Configuration? {
    do throws(SettingsProblems) { return try Configuration.load(path, isForKafka: isForKafka) } catch {
        printError(error.problems.map { $0.description + "\n" }.joined())
        return nil
    }
}
