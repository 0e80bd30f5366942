// `make fuzz`: one target under libFuzzer, which gets the other arguments.
import CFuzzer
import Fuzzing
import Glibc

private func fail(_ message: String) -> Never {
    let text = "rfmd-fuzz: \(message)\n"
    write(STDERR_FILENO, text, text.utf8.count)
    exit(64)
}

private let name = CommandLine.arguments.dropFirst().first ?? ""
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
// libFuzzer takes the name for its program's.
private var count = CommandLine.argc - 1
private var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv + 1
private let code = cfuzzer_run(&count, &arguments, FuzzEntry.check)
if code < 0 { fail("built without libFuzzer: use 'make fuzz TARGET=\(name)'") }
exit(code)
