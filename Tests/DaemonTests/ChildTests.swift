// Tests leave nothing behind when they are killed.
import Foundation
import TestSupport
import Testing

@Suite struct ChildTests {
    /// What the kernel is told when a process is started: to kill it when the tests end.
    @Test func whatIsStartedDiesWithTheTests() throws {
        let asked = try Command.run(
            "/usr/bin/python3",
            ["-c", "import ctypes; n = ctypes.c_int(); ctypes.CDLL(None).prctl(2, ctypes.byref(n)); print(n.value)"])
        #expect(asked.outputText == "\(SIGKILL)\n", "\(asked.errorText)")
    }

    @Test func foldersOfKilledTestsAreRemoved() throws {
        // A process that has ended: its number is free.
        let ended = try Command.run("/bin/sh", ["-c", "echo $$"])
        let number = ended.outputText.split(separator: "\n")[0]
        let base = FileManager.default.temporaryDirectory
        let names = [
            "rfmd-test-\(number)-\(UUID().uuidString)", "rfmd-test-\(getpid())-\(UUID().uuidString)", "rfmd-test-notes",
        ]
        for name in names {
            try FileManager.default.createDirectory(
                at: base.appendingPathComponent(name), withIntermediateDirectories: true)
        }
        defer { for name in names { try? FileManager.default.removeItem(at: base.appendingPathComponent(name)) } }
        TemporaryFolder.removeOld()
        #expect(
            names.map { FileManager.default.fileExists(atPath: base.appendingPathComponent($0).path) } == [
                false, true, true,
            ])
    }
}
