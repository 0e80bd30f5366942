// Where the project's files lie, for tests that read them.
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

    /// True if expected output is to be written anew (UPDATE=1), to be read and committed.
    package static var updates: Bool { ProcessInfo.processInfo.environment["UPDATE"] == "1" }
}
