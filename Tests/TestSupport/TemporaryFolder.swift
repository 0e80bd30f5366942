// A folder for what a test writes.
import Foundation

/// A folder that is gone when its owner is.
package final class TemporaryFolder {
    package let url: URL

    private static let removesOld: Void = removeOld()

    /// Removes folders of test processes that were killed.
    package static func removeOld() {
        let base = FileManager.default.temporaryDirectory
        let names = (try? FileManager.default.contentsOfDirectory(atPath: base.path)) ?? []
        for name in names {
            guard let match = name.wholeMatch(of: /rfmd-test-(\d+)-[0-9A-F-]{36}/), let owner = pid_t(match.1),
                kill(owner, 0) != 0, errno == ESRCH
            else { continue }
            try? FileManager.default.removeItem(at: base.appendingPathComponent(name))
        }
    }

    /// Its name says which process it belongs to.
    package init() throws {
        _ = TemporaryFolder.removesOld
        url = FileManager.default.temporaryDirectory.appendingPathComponent(
            "rfmd-test-\(getpid())-\(UUID().uuidString)")
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
