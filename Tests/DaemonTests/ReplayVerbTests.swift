// `rfmd replay` as a user runs it: what cannot be read or written is told, and never taken for the end of the input.
import Foundation
import Model
import TestSupport
import Testing

@Suite struct ReplayVerbTests {
    private let folder: TemporaryFolder
    private let configuration: String
    private static let line =
        "{\"type\":\"purchase\",\"event_id\":\"e1\",\"customer_id\":\"c1\",\"amount\":\"9.00\",\"occurred_at\":\"2026-01-01T00:00:00Z\"}\n"

    init() throws {
        folder = try TemporaryFolder()
        configuration = try folder.write("kafka: { bootstrap: b }\ninputs: [{ topic: t }]\n", to: "rfmd.yaml")
    }

    private func replay(_ arguments: String..., input: String = "") throws -> Command {
        try Command.run(
            try Repository.binary(), ["replay", "--config", configuration] + arguments, input: Data(input.utf8))
    }

    @Test func linesEndInAnyWayAndMayBeEmpty() throws {
        let text = ReplayVerbTests.line
        let variants = [text, String(text.dropLast()), text.replacing("\n", with: "\r\n"), "\n\n" + text + "\n"]
        let first = try replay("-", input: text)
        #expect(first.status == 0 && first.errorText.contains("\"consumed\":1,\"accepted\":1,"), "\(first.errorText)")
        for variant in variants { #expect(try replay("-", input: variant).output == first.output) }
        // Longer than what is read at once.
        let padded = text.replacing("}\n", with: ",\"more\":\"\(String(repeating: "x", count: 3_000_000))\"}\n")
        let long = try replay("-", input: text + padded + text)
        #expect(
            long.status == 0 && long.errorText.contains("\"consumed\":3,\"accepted\":1,\"duplicates\":2,"),
            "\(long.errorText)")
    }

    /// Some editors put a mark before UTF-8.
    @Test func aByteOrderMarkIsNoPartOfTheFirstEvent() throws {
        let plain = try replay("-", input: ReplayVerbTests.line)
        let marked = try replay("-", input: "\u{FEFF}" + ReplayVerbTests.line)
        #expect(marked.status == 0 && marked.output == plain.output && !plain.output.isEmpty)
        #expect(marked.errorText == plain.errorText, "\(marked.errorText)")
    }

    @Test(arguments: [
        ("gzip", "compressed by gzip", "zcat"), ("zstd", "compressed by zstd", "zstdcat"),
        ("UTF-32LE", "in UTF-32", "iconv"), ("UTF-16LE", "in UTF-16", "iconv"), ("UTF-16BE", "in UTF-16", "iconv"),
    ])
    func aFileThatIsNoTextIsNamed(form: String, what: String, remedy: String) throws {
        let line = ReplayVerbTests.line
        let bytes: [UInt8] =
            switch form {
            case "gzip": [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 0x0A, 1, 2]
            case "zstd": [0x28, 0xB5, 0x2F, 0xFD, 4, 0x0A, 1, 2]
            case "UTF-32LE": [0xFF, 0xFE, 0, 0] + line.utf8.flatMap { [$0, 0, 0, 0] }
            case "UTF-16LE": [0xFF, 0xFE] + line.utf8.flatMap { [$0, 0] }
            default: [0xFE, 0xFF] + line.utf8.flatMap { [0, $0] }
            }
        let path = folder.url("events").path
        try Data(bytes).write(to: folder.url("events"))
        let result = try replay(path)
        #expect(result.status == 1 && result.output.isEmpty)
        #expect(
            result.errorText.contains("'\(path)' is \(what), and a file for replay is NDJSON in UTF-8: \(remedy) "),
            "\(result.errorText)")
    }

    /// /dev/zero never ends its line.
    @Test func aLineWithoutEndFails() throws {
        let zeros = try replay("/dev/zero")
        #expect(zeros.status == 1)
        #expect(
            zeros.errorText
                == "rfmd replay: '/dev/zero', line 1, is longer than \(Limits.replayLineBytes) bytes: a file for replay is NDJSON, one event a line\n"
        )
    }

    @Test func theLineThatIsTooLongIsNamedAndWhatCameBeforeIsShown() throws {
        let path = try folder.write(
            ReplayVerbTests.line + String(repeating: "x", count: Limits.replayLineBytes + (1 << 18) + 1), to: "long")
        let result = try replay(path, "--state", folder.url("state").path)
        #expect(result.status == 1)
        #expect(result.errorText.contains("'\(path)', line 2, is longer than"), "\(result.errorText.prefix(400))")
        #expect(!FileManager.default.fileExists(atPath: folder.url("state").path))
    }

    @Test func whatCannotBeReadIsNamedBeforeAnythingIsApplied() throws {
        let events = try folder.write(ReplayVerbTests.line, to: "events")
        let missing = try replay(events, folder.url("missing").path)
        #expect(missing.status == 1 && missing.output.isEmpty)
        #expect(missing.errorText.contains("cannot read '\(folder.url("missing").path)': No such file"))
        let directory = try replay(folder.url.path)
        #expect(directory.status == 1)
        #expect(
            directory.errorText.contains("cannot read '\(folder.url.path)', line 1: Is a directory"),
            "\(directory.errorText)")
    }

    @Test func aStateFileThatCannotBeWrittenIsFoundBeforeTheRun() throws {
        let events = try folder.write(ReplayVerbTests.line, to: "events")
        let result = try replay(events, "--state", "/nonexistent/state")
        #expect(result.status == 1 && result.output.isEmpty)
        #expect(result.errorText == "rfmd replay: cannot write '/nonexistent/state': No such file or directory\n")
    }

    /// It is there whole or as it was, and nothing is left beside it.
    /// As a shell makes of `--state *.ndjson`.
    @Test func theStateIsNotWrittenOverTheEvents() throws {
        let events = try folder.write(ReplayVerbTests.line, to: "events")
        let link = folder.url("link").path
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: events)
        for state in [events, link, folder.url("./events").path] {
            let result = try replay(events, "--state", state)
            #expect(result.status == 1 && result.output.isEmpty)
            #expect(result.errorText.contains("is a file of events to read"), "\(result.errorText)")
        }
        #expect(try String(contentsOfFile: events, encoding: .utf8) == ReplayVerbTests.line)
    }

    @Test func theStateFileIsReplacedWhenItIsWhole() throws {
        let events = try folder.write(ReplayVerbTests.line, to: "events")
        let state = try folder.write("as it was\n", to: "state")
        #expect(try replay("/dev/zero", "--state", state).status == 1)
        #expect(try String(contentsOfFile: state, encoding: .utf8) == "as it was\n")
        #expect(try replay(events, "--state", state).status == 0)
        #expect(try String(contentsOfFile: state, encoding: .utf8).hasPrefix("{\"customer_id\":\"c1\""))
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.url.path)
        #expect(Set(left) == ["rfmd.yaml", "events", "state"])
        // What is no regular file is written to.
        #expect(try replay(events, "--state", "/dev/stderr").errorText.contains("{\"customer_id\":\"c1\""))
        #expect(try replay(events, "--state", "/dev/full").errorText.contains("cannot write to '/dev/full'"))
    }
}
