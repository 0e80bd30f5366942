// A folder for what a test writes.
import Foundation

/// A folder that is gone when its owner is.
package final class TemporaryFolder {
    package let url: URL

    package init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("rfmd-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit {
        // What is left in a temporary folder does no harm.
        try? FileManager.default.removeItem(at: url)
    }

    package func url(_ name: String) -> URL { url.appendingPathComponent(name) }

    /// Writes a file and returns its path.
    package func write(_ text: String, to name: String) throws -> String {
        try Data(text.utf8).write(to: url(name))
        return url(name).path
    }
}
