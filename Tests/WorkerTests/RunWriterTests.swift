// The way of a transaction's messages through bounded memory: nothing is lost or changes places, numbers go on, memory is used again.
import Model
import Testing
import Worker

@Suite struct RunWriterTests {
    private static let header = RecordHeader(name: "own", value: [1])
    private static let shared = RecordHeader(name: "shared", value: nil)

    /// Of message `number`, of any length up to 40,000.
    private static func value(_ number: Int) -> [UInt8]? {
        if number % 7 == 0 { return nil }
        return [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: number * 7_919 % 40_000)
    }

    private static func message(_ number: Int) -> KeepingSink.Kept {
        .init(
            topic: number % 3 == 0 ? "a" : "b", key: number % 5 == 0 ? nil : [UInt8(truncatingIfNeeded: number)],
            value: value(number).map { Digest(of: $0) }, headers: [[], [shared], [header]][number % 3],
            isTracked: number % 11 == 0)
    }

    private static func write(_ numbers: Range<Int>, to run: RunWriter) throws {
        for number in numbers {
            let message = message(number)
            #expect(run.number == number - numbers.lowerBound)
            try run.add(
                topic: run.topicNumber(message.topic), partition: 0, key: message.key, value: value(number),
                headers: number % 3 == 2 ? run.headersNumber(message.headers) : number % 3,
                isTracked: message.isTracked)
        }
    }

    @Test func everythingArrivesInOrderThroughLittleMemory() throws {
        let sink = KeepingSink()
        sink.outcomes = [.committed(offsets: [1]), .committed(offsets: [2])]
        let run = RunWriter(sink, shared: [[RunWriterTests.shared]])
        try RunWriterTests.write(0..<2_000, to: run)
        #expect(sink.kept.count > 1_900, "what is full goes before the commit")
        #expect(try run.commit(.none) == .committed(offsets: [1]))
        #expect(sink.kept == (0..<2_000).map(RunWriterTests.message))
        #expect(sink.runBytes.allSatisfy { $0 < 128 << 10 + 40_001 } && sink.runBytes.count > 200)
        // The next transaction counts from 0 again.
        run.removeAll()
        sink.kept = []
        try RunWriterTests.write(30..<32, to: run)
        #expect(sink.kept.isEmpty, "a little waits for the commit")
        #expect(try run.commit(.none) == .committed(offsets: [2]))
        #expect(sink.kept == (30..<32).map(RunWriterTests.message))
    }

    @Test func whatWasNotHandedOnIsForgotten() throws {
        let sink = KeepingSink()
        sink.outcomes = [.committed(offsets: [])]
        let run = RunWriter(sink, shared: [[RunWriterTests.shared]])
        try RunWriterTests.write(1..<4, to: run)
        run.removeAll()
        #expect(try run.commit(.none) == .committed(offsets: []))
        #expect(sink.kept.isEmpty)
    }

    @Test func manySmallMessagesAreHandedOnByTheirNumber() throws {
        let sink = KeepingSink()
        let run = RunWriter(sink)
        for _ in 0..<10_000 { try run.add(topic: run.topicNumber("a"), partition: 0, key: nil, value: nil) }
        #expect(sink.kept.count >= 9_000 && sink.runBytes.count < 100)
    }

    @Test func theMemoryOfAHugeMessageIsGivenBack() throws {
        let sink = KeepingSink()
        let run = RunWriter(sink)
        let before = ObjectIdentifier(run.bytes)
        try run.add(topic: run.topicNumber("a"), partition: 0, key: nil, value: [UInt8](repeating: 7, count: 200 << 10))
        #expect(ObjectIdentifier(run.bytes) == before, "memory of a usual size is used again")
        try run.add(topic: run.topicNumber("a"), partition: 0, key: nil, value: [UInt8](repeating: 7, count: 8 << 20))
        let now = run.bytes
        try run.add(topic: run.topicNumber("a"), partition: 0, key: nil, value: [1])
        #expect(run.bytes === now && now.count == 1)
        #expect(sink.runBytes.last == 8 << 20)
    }
}
