// The unit as systemd reads it: clean, and as closed as it is meant to be.
import Foundation
import TestSupport
import Testing

@Suite struct ServiceUnitTests {
    private static let systemd = Repository.root.appendingPathComponent("systemd")

    private func unit() throws -> String {
        String(
            decoding: try Data(contentsOf: ServiceUnitTests.systemd.appendingPathComponent("rfmd.service")),
            as: UTF8.self)
    }

    /// The folder with the unit and its drop-ins as they are installed, but for the path of the binary, which no test installs.
    private func installed(_ unit: String, binary: String) throws -> TemporaryFolder {
        let folder = try TemporaryFolder()
        _ = try folder.write(unit.replacingOccurrences(of: "/usr/bin/rfmd", with: binary), to: "rfmd.service")
        try FileManager.default.copyItem(
            at: ServiceUnitTests.systemd.appendingPathComponent("rfmd.service.d"), to: folder.url("rfmd.service.d"))
        return folder
    }

    private func verify(_ unit: String, binary: String) throws -> Command {
        let folder = try installed(unit, binary: binary)
        return try Command.run("systemd-analyze", ["verify", "--man=no", folder.url("rfmd.service").path])
    }

    private func exposure(_ unit: String) throws -> Command {
        let folder = try installed(unit, binary: "/usr/bin/true")
        return try Command.run(
            "systemd-analyze",
            ["security", "--offline=true", "--threshold=15", "--no-pager", folder.url("rfmd.service").path])
    }

    @Test func verifiesClean() throws {
        let result = try verify(try unit(), binary: try Repository.binary())
        #expect(result.status == 0)
        #expect(result.outputText + result.errorText == "")
    }

    @Test func verifyFindsWhatIsWrong() throws {
        #expect(try verify(try unit(), binary: "/nowhere/rfmd").status != 0)
        let misspelt = try verify(
            try unit().replacingOccurrences(of: "WatchdogSec=", with: "WatchDogSecs="), binary: "/usr/bin/true")
        #expect(misspelt.errorText.contains("WatchDogSecs"))
    }

    @Test func isClosedEnough() throws {
        let result = try exposure(try unit())
        #expect(result.status == 0, "\(result.outputText)\(result.errorText)")
    }

    /// A stack trace in the journal helps nobody who runs it, and takes seconds before the restart.
    @Test func aCrashPrintsNoStackTrace() throws {
        #expect(try unit().contains("\nEnvironment=SWIFT_BACKTRACE=enable=no\n"))
    }

    @Test func theGateNoticesAnOpening() throws {
        let opened = try unit().replacingOccurrences(of: "CapabilityBoundingSet=\n", with: "")
        #expect(try exposure(opened).status != 0)
    }

    @Test func theVerbsAndOptionsExist() throws {
        let lines = try unit().split(separator: "\n").filter { $0.hasPrefix("Exec") }
        #expect(lines.count == 1)
        for line in lines {
            let words = line.drop { $0 != "=" }.dropFirst().split(separator: " ").map(String.init)
            let help = try Command.run(try Repository.binary(), [words[1], "--help"])
            #expect(help.status == 0, "\(line)")
            for option in words where option.hasPrefix("--") { #expect(help.outputText.contains(option), "\(line)") }
        }
    }

    /// systemd looks at RestartPreventExitStatus= for the main process alone: a check in ExecStartPre= that ends with 78 is tried
    /// again until the start limit is reached.
    @Test func aWrongConfigurationIsFoundByTheMainProcess() throws {
        let lines = try unit().split(separator: "\n")
        #expect(lines.contains("RestartPreventExitStatus=78"))
        #expect(lines.filter { $0.hasPrefix("Exec") }.map { $0.prefix { $0 != "=" } } == ["ExecStart"])
        let folder = try TemporaryFolder()
        let path = try folder.write("no: configuration\n", to: "rfmd.yaml")
        #expect(try Command.run(try Repository.binary(), ["run", "--config", path]).status == 78)
    }

    @Test func theUserIsMade() throws {
        let result = try Command.run(
            "systemd-sysusers", ["--dry-run", ServiceUnitTests.systemd.appendingPathComponent("rfmd.sysusers").path])
        #expect(result.status == 0, "\(result.errorText)")
        #expect(
            (result.outputText + result.errorText).contains("rfmd")
                || FileManager.default.homeDirectory(forUser: "rfmd") != nil)
        let text = try unit()
        #expect(text.contains("\nUser=rfmd\n") && text.contains("\nGroup=rfmd\n"))
    }

    /// A credential that is not there would keep the service from starting.
    @Test func theExampleDropInHasNoEffect() throws {
        let path = ServiceUnitTests.systemd.appendingPathComponent("rfmd.service.d/credentials.conf")
        let text = String(decoding: try Data(contentsOf: path), as: UTF8.self)
        #expect(text.split(separator: "\n").allSatisfy { $0.hasPrefix("#") })
        let folder = try installed(try unit(), binary: "/usr/bin/true")
        let uncommented = text.split(separator: "\n").filter { $0.hasPrefix("#[") || $0.hasPrefix("#Load") }.map {
            $0.dropFirst()
        }
        #expect(uncommented.count == 2)
        _ = try folder.write(uncommented.joined(separator: "\n") + "\n", to: "rfmd.service.d/credentials.conf")
        let result = try Command.run("systemd-analyze", ["verify", "--man=no", folder.url("rfmd.service").path])
        #expect(result.status == 0 && result.errorText == "", "\(result.errorText)")
    }
}
