// `make install`: everything in its place, below DESTDIR, and a configuration that is there is kept.
import Foundation
import TestSupport
import Testing

@Suite struct InstallTests {
    private func make(_ arguments: String...) throws -> Command {
        try Command.run("make", ["-C", Repository.root.path, "--no-print-directory"] + arguments)
    }

    /// Paths of the files below a folder, with their permissions.
    private func files(_ folder: URL) throws -> [String: Int] {
        var found: [String: Int] = [:]
        for path in try FileManager.default.subpathsOfDirectory(atPath: folder.path) {
            let attributes = try FileManager.default.attributesOfItem(atPath: folder.appendingPathComponent(path).path)
            guard attributes[.type] as? FileAttributeType == .typeRegular else { continue }
            found[path] = attributes[.posixPermissions] as? Int
        }
        return found
    }

    @Test func everythingIsPutInItsPlaceAndTakenAway() throws {
        let folder = try TemporaryFolder()
        let binary = try Repository.binary()
        let result = try make("install", "DESTDIR=\(folder.url.path)", "PREFIX=/opt/rfmd", "BINARY=\(binary)")
        #expect(result.status == 0, "\(result.errorText)")
        let installed = try files(folder.url)
        #expect(
            installed == [
                "opt/rfmd/bin/rfmd": 0o755, "opt/rfmd/lib/systemd/system/rfmd.service": 0o644,
                "opt/rfmd/lib/sysusers.d/rfmd.conf": 0o644, "opt/rfmd/share/man/man8/rfmd.8": 0o644,
                "opt/rfmd/share/bash-completion/completions/rfmd": 0o644,
                "opt/rfmd/share/zsh/site-functions/_rfmd": 0o644,
                "opt/rfmd/share/fish/vendor_completions.d/rfmd.fish": 0o644, "etc/rfmd/rfmd.yaml": 0o644,
            ])
        let unit = try String(
            contentsOf: folder.url("opt/rfmd/lib/systemd/system/rfmd.service"), encoding: .utf8)
        #expect(unit.contains("\nExecStart=/opt/rfmd/bin/rfmd run") && !unit.contains("/usr/bin/rfmd"))
        let manual = try String(contentsOf: folder.url("opt/rfmd/share/man/man8/rfmd.8"), encoding: .utf8)
        #expect(manual == (try Command.run(binary, ["man"]).outputText))
        let version = try Command.run(folder.url("opt/rfmd/bin/rfmd").path, ["version"])
        #expect(version.outputText.hasPrefix("rfmd "))

        #expect(try make("uninstall", "DESTDIR=\(folder.url.path)", "PREFIX=/opt/rfmd").status == 0)
        #expect(Array(try files(folder.url).keys) == ["etc/rfmd/rfmd.yaml"], "the configuration stays")
    }

    @Test func aConfigurationThatIsThereIsKept() throws {
        let folder = try TemporaryFolder()
        let path = folder.url("etc/rfmd")
        try FileManager.default.createDirectory(at: path, withIntermediateDirectories: true)
        try Data("mine\n".utf8).write(to: path.appendingPathComponent("rfmd.yaml"))
        let result = try make("install", "DESTDIR=\(folder.url.path)", "BINARY=\(try Repository.binary())")
        #expect(result.status == 0, "\(result.errorText)")
        #expect(try String(contentsOf: path.appendingPathComponent("rfmd.yaml"), encoding: .utf8) == "mine\n")
    }

    @Test func withoutABinaryItSaysWhatToDo() throws {
        let folder = try TemporaryFolder()
        let result = try make("install", "DESTDIR=\(folder.url.path)", "BINARY=/nowhere/rfmd")
        #expect(result.status != 0 && result.errorText.contains("run 'make build' first"))
        #expect(try files(folder.url).isEmpty)
    }

    /// As a plain user on a machine without sudo.
    @Test func withoutSudoItSaysWhatIsMissing() throws {
        let folder = try TemporaryFolder()
        for (name, script) in [("id", "echo 1000"), ("dpkg-query", "exit 1")] {
            let path = try folder.write("#!/bin/sh\n\(script)\n", to: name)
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        }
        for tool in ["grep", "make", "bash", "sh"] {
            let place = try Command.run("/usr/bin/env", ["which", tool]).outputText.dropLast()
            try FileManager.default.createSymbolicLink(
                atPath: folder.url(tool).path, withDestinationPath: String(place))
        }
        let result = try Command.run(
            "/usr/bin/env", ["PATH=\(folder.url.path)", "make", "-C", Repository.root.path, "deps"])
        #expect(result.status != 0)
        #expect(result.errorText.contains("there is no sudo to install them. As root: apt-get install librdkafka-dev"))
    }
}
