// Which form of log line is chosen where.
import Telemetry
import Testing

@Suite struct LogFormatTests {
    private let file = LogFormat.Sink(device: 25, inode: 4711, isTerminal: false)
    private let terminal = LogFormat.Sink(device: 25, inode: 4711, isTerminal: true)

    @Test func journalOnlyIfTheStreamIsThisOne() {
        #expect(LogFormat.choose(journalStream: "25:4711", invocation: "a", sink: file) == .journal)
        #expect(LogFormat.choose(journalStream: "25:4711", invocation: nil, sink: file) == .journal)
        for other in ["25:4712", "26:4711", "25", "", "25:4711:1", "x:y", ":"] {
            #expect(LogFormat.choose(journalStream: other, invocation: "a", sink: file) == .priority, "\(other)")
            #expect(LogFormat.choose(journalStream: other, invocation: nil, sink: file) == .text, "\(other)")
        }
    }

    @Test func prioritiesOnlyUnderAServiceManagerAndNotOnATerminal() {
        #expect(LogFormat.choose(journalStream: nil, invocation: "a", sink: file) == .priority)
        #expect(LogFormat.choose(journalStream: nil, invocation: "a", sink: terminal) == .text)
        #expect(LogFormat.choose(journalStream: nil, invocation: nil, sink: file) == .text)
    }

    @Test func urgencyIsTheOrder() {
        #expect(LogLevel.debug < .info)
        #expect(LogLevel.info < .notice)
        #expect(LogLevel.warning < .error)
        #expect(LogLevel.allCases.map(\.rawValue) == [3, 4, 5, 6, 7])
    }
}
