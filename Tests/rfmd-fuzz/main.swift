// `make fuzz`: one target under libFuzzer, which gets the other arguments.
import CFuzzer
import Fuzzing
import Glibc

private func fail(_ message: String) -> Never {
    let text = "rfmd-fuzz: \(message)\n"
    write(STDERR_FILENO, text, text.utf8.count)
    exit(64)
}

// libFuzzer starts itself again to merge and to minimize, and knows of its own arguments only: the name is in the environment then.
private let variable = "RFMD_FUZZ_TARGET"
private var count = CommandLine.argc
private var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
if let name = CommandLine.arguments.dropFirst().first, !name.hasPrefix("-") {
    setenv(variable, name, 1)
    CommandLine.unsafeArgv[1] = CommandLine.unsafeArgv[0]
    count -= 1
    arguments = CommandLine.unsafeArgv + 1
}
private let name = getenv(variable).map { String(cString: $0) } ?? ""
guard let target = FuzzTarget.all.first(where: { $0.name == name }) else {
    fail("'\(name)' is none of \(FuzzTarget.all.map(\.name).joined(separator: ", "))")
}
switch CommandLine.arguments.dropFirst(2).first {
case "--words":
    print(target.dictionary, terminator: "")
    exit(0)
case "--longest":
    print(target.longest)
    exit(0)
default: break
}
FuzzEntry.target = target
private let code = cfuzzer_run(&count, &arguments, FuzzEntry.check)
if code < 0 { fail("built without libFuzzer: use 'make fuzz TARGET=\(name)'") }
exit(code)
