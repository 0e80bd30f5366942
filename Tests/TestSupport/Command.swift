// Runs another program to its end and keeps what it wrote.
import Foundation

package struct Command {
    package var status: Int32
    package var output: Data
    package var errors: Data

    package var outputText: String { String(decoding: output, as: UTF8.self) }
    package var errorText: String { String(decoding: errors, as: UTF8.self) }

    package struct Failure: Error, CustomStringConvertible {
        package var description: String
    }

    /// `name` is a path, or looked up in PATH. `input` is written to its standard input.
    package static func run(_ name: String, _ arguments: [String], input: Data = Data()) throws -> Command {
        let folder = try TemporaryFolder()
        let process = Process()
        // Files, not pipes: a full pipe would stop the program.
        try input.write(to: folder.url("in"))
        for file in ["out", "err"] { try Data().write(to: folder.url(file)) }
        process.standardInput = try FileHandle(forReadingFrom: folder.url("in"))
        process.standardOutput = try FileHandle(forWritingTo: folder.url("out"))
        process.standardError = try FileHandle(forWritingTo: folder.url("err"))
        try Spawner.run(process, try find(name), arguments)
        process.waitUntilExit()
        return Command(
            status: process.terminationStatus, output: try Data(contentsOf: folder.url("out")),
            errors: try Data(contentsOf: folder.url("err")))
    }

    private static func find(_ name: String) throws -> String {
        if name.contains("/") { return name }
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin").split(separator: ":")
        for folder in folders where FileManager.default.isExecutableFile(atPath: "\(folder)/\(name)") {
            return "\(folder)/\(name)"
        }
        throw Failure(
            description: "there is no program '\(name)': run the tests by `make test`, which installs what they need")
    }
}
