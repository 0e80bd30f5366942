// Where the project's files lie, and the binary that was built of them.
import Foundation

package enum Repository {
    package static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    package static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    /// Paths below `folder` with one of these endings, relative to the root, sorted.
    package static func files(_ folder: String, endings: [String]) throws -> [String] {
        let base = root.appending(path: folder)
        let found = try FileManager.default.subpathsOfDirectory(atPath: base.path())
        return found.filter { path in endings.contains { path.hasSuffix($0) } }.map { "\(folder)/\($0)" }.sorted()
    }

    /// The binary under test: `$RFMD_BINARY`, which `make test` sets.
    package static func binary() throws -> String {
        let path =
            ProcessInfo.processInfo.environment["RFMD_BINARY"] ?? root.appending(path: ".build/release/rfmd").path()
        guard FileManager.default.isExecutableFile(atPath: path) else {
            throw Command.Failure(
                description: "there is no rfmd at '\(path)': run the tests by `make test`, or set RFMD_BINARY")
        }
        return path
    }

    /// True if expected output is to be written anew (UPDATE=1), to be read and committed.
    package static var updates: Bool { ProcessInfo.processInfo.environment["UPDATE"] == "1" }
}
