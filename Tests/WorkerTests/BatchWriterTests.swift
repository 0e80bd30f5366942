// What becomes of a batch of which the broker refuses a part for its size.
import Codec
import Model
import Testing

@testable import Worker

private final class NoMembership: Membership {}

@Suite struct BatchWriterTests {
    private static let topics = OutputTopics(
        ladders: [:], warnings: "warnings", deadLetters: "letters", journal: "journal", versions: "versions")
    private static let source = TopicPartition(topic: "in", partition: 2)

    private static func letter(_ offset: Int64, bytes: Int, key: [UInt8]) -> DeadLetter {
        DeadLetter(
            source: source, offset: offset, timestamp: 5, key: key,
            value: [UInt8](repeating: UInt8(truncatingIfNeeded: offset), count: bytes),
            headers: [RecordHeader(name: "own", value: [1])], rejection: Rejection(.notJSON))
    }

    /// Messages 0 and 5 are journal records, the others letters of 1,000, 900, 400 and no bytes.
    private static func batch() -> SealedBatch {
        func part(_ shard: Int32, _ letters: [DeadLetter]) -> SealedBatch.Part {
            SealedBatch.Part(
                shard: shard, genesis: .zero, batch: 1, effects: ByteBuffer(), sections: [], letters: letters,
                journal: [UInt8](repeating: 9, count: 5_000), positions: [(source, 7)])
        }
        let letters = [
            letter(10, bytes: 1_000, key: [1]), letter(11, bytes: 900, key: [UInt8](repeating: 2, count: 70_000)),
            letter(12, bytes: 400, key: [3]), letter(13, bytes: 0, key: [4]),
        ]
        return SealedBatch(
            parts: [part(0, []), part(1, letters)], membership: NoMembership(), versions: [], encoders: [:])
    }

    private static func writer(_ outcomes: [CommitOutcome]) -> (KeepingSink, BatchWriter) {
        let sink = KeepingSink()
        sink.outcomes = outcomes
        return (sink, BatchWriter(sink, topics: topics, format: .structured))
    }

    @Test func nothingIsShortenedThatNobodyRefused() throws {
        let (sink, writer) = BatchWriterTests.writer([.committed(offsets: [1, 2])])
        #expect(try writer.commit(BatchWriterTests.batch()) == [1, 2])
        #expect(writer.letters == 4 && writer.truncated == 0 && writer.events == 0)
        #expect(sink.kept.map(\.topic) == ["journal", "letters", "letters", "letters", "letters", "journal"])
        #expect(sink.kept.map(\.isTracked) == [true, false, false, false, false, true])
        #expect(sink.kept[1].value == Digest(of: [UInt8](repeating: 10, count: 1_000)))
        #expect(sink.kept[1].headers.first == RecordHeader(name: "own", value: [1]) && sink.kept[1].headers.count == 12)
    }

    /// The broker refuses messages together with the one that is too large, so the large letters go first, and only they.
    @Test func theLargestRefusedLettersAreShortenedUntilNoneIsRefused() throws {
        let (sink, writer) = BatchWriterTests.writer([
            .refused(tooLarge: [0, 1, 2, 3, 4]), .refused(tooLarge: [1, 3]), .committed(offsets: [1, 2]),
        ])
        #expect(try writer.commit(BatchWriterTests.batch()) == [1, 2])
        #expect(writer.letters == 4 && writer.truncated == 3)
        let rounds = [0, 1, 2].map { Array(sink.kept[$0 * 6..<$0 * 6 + 6]) }
        #expect(rounds.allSatisfy { $0.map(\.topic) == rounds[0].map(\.topic) }, "numbers name the same messages")
        for (round, shortened) in [(0, [Int]()), (1, [1, 2]), (2, [1, 2, 3])] {
            for number in 1...4 {
                let isShortened = rounds[round][number].headers.contains { $0.name == "__rfmd.errors.truncated" }
                #expect(isShortened == shortened.contains(number), "round \(round), message \(number)")
                #expect((rounds[round][number].value != rounds[0][number].value) == isShortened)
            }
        }
        #expect(rounds[2][1].key == [1] && rounds[2][2].key == nil, "a huge key goes too")
        let note =
            "{\"truncated\":true,\"topic\":\"in\",\"partition\":2,\"offset\":10,\"length\":1000,\"xxh3_128\":\"\(Digest(of: [UInt8](repeating: 10, count: 1_000)))\"}"
        #expect(rounds[2][1].value == Digest(of: Array(note.utf8)))
    }

    @Test func whatIsNoLetterIsNeverShortened() {
        let (_, writer) = BatchWriterTests.writer([.refused(tooLarge: [0, 4])])
        #expect(throws: TransportFailure.self) { try writer.commit(BatchWriterTests.batch()) }
    }

    @Test func theNextBatchIsWholeAgain() throws {
        let (sink, writer) = BatchWriterTests.writer([
            .refused(tooLarge: [1]), .committed(offsets: [1, 2]), .committed(offsets: [3, 4]),
        ])
        _ = try writer.commit(BatchWriterTests.batch())
        #expect(writer.truncated == 1)
        #expect(try writer.commit(BatchWriterTests.batch()) == [3, 4])
        #expect(writer.truncated == 0 && sink.kept[13].value == sink.kept[1].value)
    }
}
