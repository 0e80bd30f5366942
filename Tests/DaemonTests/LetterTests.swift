// Dead letters as they are read back: which headers are rfmd's, and which came with the record.
import Model
import Testing
import Worker

@testable import Daemon

@Suite struct LetterTests {
    private func letter(_ headers: [(String, String)]) -> Letter? {
        let raw = RawRecord(offset: 7, timestamp: 1, key: nil, value: nil, message: nil)
        let record = KeptRecord(
            raw,
            headers: headers.map { RecordHeader(name: DeadLetter.headerPrefix + $0.0, value: Array($0.1.utf8)) })
        return Letter(record, at: LetterPlace(partition: 0, offset: 7), isReplayed: false)
    }

    private static let own = [
        ("topic", "shop.events"), ("partition", "3"), ("offset", "17"), ("timestamp", "5"), ("reason", "not_json"),
    ]

    /// As of a letter that somebody copied, headers and all, to the input again.
    @Test func headersThatCameWithTheRecordSayNothing() throws {
        let copied = [("topic", "old"), ("offset", "1"), ("reason", "limit_bytes"), ("truncated", "true")]
        let letter = try #require(self.letter(copied + LetterTests.own))
        #expect(!letter.isTruncated)
        #expect(letter.reason == "not_json" && letter.source.topic == "shop.events" && letter.offset == 17)
        #expect(try #require(self.letter(copied + LetterTests.own + [("truncated", "true")])).isTruncated)
    }

    /// Anybody may write to the topic: a record at such an offset is not looked for.
    @Test(arguments: ["-1", "9223372036854775807", "9223372036854775808", "x"])
    func offsetsThatAreNoneMakeNoLetter(offset: String) {
        #expect(letter([("topic", "t"), ("partition", "0"), ("offset", offset), ("reason", "not_json")]) == nil)
    }
}
