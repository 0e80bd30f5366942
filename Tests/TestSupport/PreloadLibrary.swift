// A library in C that a test preloads into rfmd (LD_PRELOAD).
import Foundation
import Synchronization

/// Built once, by the C compiler that comes with Swift, and gone with its owner.
package final class PreloadLibrary: Sendable {
    private let source: String
    private let libraries: [String]
    private let built = Mutex<(folder: TemporaryFolder, path: String)?>(nil)

    /// `source` lies below the project's root; `libraries` as the linker takes them.
    package init(_ source: String, libraries: [String] = []) {
        self.source = source
        self.libraries = libraries
    }

    package func path() throws -> String {
        try built.withLock { built in
            if let built { return built.path }
            let folder = try TemporaryFolder()
            let path = folder.url("preload.so").path
            let compiled = try Command.run(
                "clang",
                ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o", path]
                    + [Repository.root.appending(path: source).path] + libraries)
            guard compiled.status == 0 else { throw Missing("a library of \(source): \(compiled.errorText)") }
            built = (folder, path)
            return path
        }
    }
}
