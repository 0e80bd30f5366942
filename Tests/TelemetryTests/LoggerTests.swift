// Lines of every form, values that try to forge one, and messages that repeat.
import Foundation
import Synchronization
import Telemetry
import Testing

@Suite struct LoggerTests {
    /// What a logger wrote.
    private final class Pipe {
        let reading: Int32
        let writing: Int32

        init() {
            var ends: [Int32] = [0, 0]
            precondition(pipe(&ends) == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
            (reading, writing) = (ends[0], ends[1])
        }

        deinit {
            close(reading)
            close(writing)
        }

        func text() -> String {
            var bytes = [UInt8](repeating: 0, count: 65_536)
            let count = read(reading, &bytes, bytes.count)
            return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        }
    }

    private final class Clock: Sendable {
        let now = Mutex<Int64>(1_795_428_000_123)
        var clock: LogClock { LogClock(wall: { self.now.withLock { $0 } }, monotonic: { self.now.withLock { $0 } }) }
        func advance(_ milliseconds: Int64) { now.withLock { $0 += milliseconds } }
    }

    private static let forged = "c1\n<3>forged level=error\r\u{1B}[2J\u{2028}\u{85}\"=\\ end"

    @Test func writesOneLineForPeople() {
        let pipe = Pipe()
        let logger = Logger(format: .text, descriptor: pipe.writing, clock: Clock().clock)
        logger.warning("a record was rejected", [("topic", "shop.events"), ("customer", "Ann Lee"), ("reason", "")])
        #expect(
            pipe.text()
                == "2026-11-23T10:00:00.123Z WARN a record was rejected topic=shop.events customer=\"Ann Lee\" reason=\"\"\n"
        )
    }

    @Test(arguments: [LogFormat.text, .priority, .json])
    func aValueDoesNotForgeALine(format: LogFormat) throws {
        let pipe = Pipe()
        Logger(format: format, descriptor: pipe.writing, clock: Clock().clock).error(
            "two\nlines", [("customer", LoggerTests.forged), ("bad name\n", "x")])
        let text = pipe.text()
        #expect(text.utf8.filter { $0 == 0x0A }.count == 1 && text.hasSuffix("\n"))
        #expect(
            !text.unicodeScalars.contains {
                $0 != "\n" && ($0.value < 0x20 || (0x7F...0x9F).contains($0.value) || $0.value == 0x2028)
            })
        #expect(text.contains("bad_name_"))
        if format == .json {
            let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: String])
            #expect(object["customer"] == LoggerTests.forged)
            #expect(object["message"] == "two\nlines")
            #expect(object["level"] == "error")
        } else {
            #expect(text.contains("customer=\"c1\\n<3>forged level=error\\r\\u001b[2J\\u2028\\u0085\\\"=\\\\ end\""))
        }
    }

    @Test func prioritiesAreThoseOfSyslog() {
        let pipe = Pipe()
        let logger = Logger(format: .priority, minimum: .debug, descriptor: pipe.writing, clock: Clock().clock)
        for level in LogLevel.allCases { logger.log(level, "m\(level.rawValue)") }
        #expect(pipe.text() == "<3>m3\n<4>m4\n<5>m5\n<6>m6\n<7>m7\n")
    }

    @Test func lessUrgentThanTheMinimumIsNotWritten() {
        let pipe = Pipe()
        let logger = Logger(format: .priority, minimum: .notice, descriptor: pipe.writing, clock: Clock().clock)
        for level in LogLevel.allCases { logger.log(level, "m\(level.rawValue)") }
        #expect(pipe.text() == "<3>m3\n<4>m4\n<5>m5\n")
    }

    @Test func aRepeatedWarningIsToldOnceInTenSeconds() {
        let pipe = Pipe()
        let clock = Clock()
        let logger = Logger(format: .priority, descriptor: pipe.writing, clock: clock.clock)
        for attempt in 0..<1_000 { logger.warning("no broker answers", [("attempt", String(attempt))]) }
        logger.log(.warning, "no broker answers", id: "another")
        logger.info("told each time")
        logger.info("told each time")
        #expect(
            pipe.text()
                == "<4>no broker answers attempt=0\n<4>no broker answers\n<6>told each time\n<6>told each time\n")
        clock.advance(9_999)
        logger.warning("no broker answers")
        #expect(pipe.text() == "")
        clock.advance(1)
        logger.warning("no broker answers")
        #expect(pipe.text() == "<4>no broker answers suppressed=1000\n")
        clock.advance(10_000)
        logger.warning("no broker answers")
        #expect(pipe.text() == "<4>no broker answers\n")
    }

    @Test func theEndHidesNothing() {
        let pipe = Pipe()
        let clock = Clock()
        let logger = Logger(format: .priority, descriptor: pipe.writing, clock: clock.clock)
        for number in 0..<5 {
            logger.error("snapshot could not be written", [("shard", String(number))])
            clock.advance(1)
            logger.warning("told once")
            clock.advance(1)
            if number == 0 { logger.flush() }
        }
        #expect(pipe.text() == "<3>snapshot could not be written shard=0\n<4>told once\n")
        logger.flush()
        let told = "<3>snapshot could not be written shard=4 suppressed=3\n<4>told once suppressed=3\n"
        #expect(pipe.text() == told)
        logger.flush()
        #expect(pipe.text() == "")
    }

    @Test func manyDifferentWarningsAreAllTold() {
        let pipe = Pipe()
        let logger = Logger(format: .priority, descriptor: pipe.writing, clock: Clock().clock)
        for number in 0..<1_000 { logger.warning("w\(number)") }
        #expect(pipe.text().split(separator: "\n").count == 1_000)
    }

    @Test func journalFieldsAreFramedAndNotEscaped() {
        let entry = LogEntry(
            level: .warning, message: "rejected", fields: [("customer.id", LoggerTests.forged)], at: 0,
            file: "A/B.swift", line: 7)
        let fields = entry.journalFields.map { String(decoding: $0, as: UTF8.self) }
        #expect(fields.contains("PRIORITY=4"))
        #expect(fields.contains("SYSLOG_IDENTIFIER=rfmd"))
        #expect(fields.contains("CODE_FILE=A/B.swift") && fields.contains("CODE_LINE=7"))
        #expect(fields.contains("RFMD_CUSTOMER_ID=\(LoggerTests.forged)"))
        let message = fields.first { $0.hasPrefix("MESSAGE=") }
        #expect(message?.hasPrefix("MESSAGE=rejected customer.id=\"c1\\n<3>forged") == true)
        #expect(message?.contains("\n") == false)
        let id = fields.first { $0.hasPrefix("MESSAGE_ID=") }
        #expect(id?.count == "MESSAGE_ID=".count + 32)
        for field in fields {
            #expect(field.prefix { $0 != "=" }.allSatisfy { $0.isUppercase || $0 == "_" }, "\(field)")
        }
    }

    @Test func linesOfManyThreadsStayWhole() {
        let pipe = Pipe()
        let logger = Logger(format: .priority, descriptor: pipe.writing, clock: Clock().clock)
        DispatchQueue.concurrentPerform(iterations: 8) { thread in
            for number in 0..<50 { logger.info("line", [("thread", String(thread)), ("number", String(number))]) }
        }
        let lines = Set(pipe.text().split(separator: "\n").map(String.init))
        let expected = Set((0..<8).flatMap { thread in (0..<50).map { "<6>line thread=\(thread) number=\($0)" } })
        #expect(lines == expected)
    }
}
