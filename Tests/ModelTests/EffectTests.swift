// Effects are read back as they were written, and what is cut short is told.
import Model
import Testing

@Suite struct EffectTests {
    private static func texts(_ texts: [String]) -> [UnsafeRawBufferPointer] {
        texts.map { text in
            let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: text.utf8.count, alignment: 1)
            copy.copyBytes(from: text.utf8)
            return UnsafeRawBufferPointer(copy)
        }
    }

    private static let conditions = [
        EffectCondition(holds: true, value: .max, threshold: -1),
        EffectCondition(holds: false, value: nil, threshold: 0),
        EffectCondition(holds: true, value: 0, threshold: nil),
        EffectCondition(holds: false, value: nil, threshold: nil),
    ]

    private static func write(_ kind: EffectKind, to buffer: ByteBuffer) {
        let texts = texts(["tier", "low", "high", "客", "e1"])
        defer { for text in texts { text.deallocate() } }
        [(orders: Int64(3), spend: Int64(-7))].withUnsafeBufferPointer {
            buffer.appendEffect(
                kind, cause: .event, rung: 1, decidedAt: 5, raisedAt: 4, recency: -1, windows: $0, name: texts[0],
                from: texts[1], to: texts[2], customer: texts[3], event: texts[4])
        }
        guard kind == .rungChanged else { return }
        buffer.appendConditionCount(1)
        buffer.append(conditions[0])
        buffer.appendConditionCount(3)
        for condition in conditions.dropFirst() { buffer.append(condition) }
    }

    @Test func aDistanceIsReadBack() throws {
        let buffer = ByteBuffer()
        EffectTests.write(.warningRaised, to: buffer)
        EffectTests.write(.rungChanged, to: buffer)
        EffectTests.write(.rungChanged, to: buffer)
        var reader = ByteReader(buffer.bytes)
        let warning = try reader.readEffect()
        #expect(warning.distance.next.isEmpty && warning.distance.previous.isEmpty)
        for _ in 0..<2 {
            let change = try reader.readEffect()
            #expect(String(decoding: change.customer, as: UTF8.self) == "客")
            #expect(change.recency == nil && change.windows[0] == (3, -7))
            #expect(Array(change.distance.next) == [EffectTests.conditions[0]])
            #expect(Array(change.distance.previous) == Array(EffectTests.conditions.dropFirst()))
        }
        #expect(reader.remaining == 0)
    }

    @Test(arguments: [EffectKind.rungChanged, .warningResolved])
    func whatIsCutShortIsDamaged(kind: EffectKind) {
        let buffer = ByteBuffer()
        EffectTests.write(kind, to: buffer)
        for length in 0..<buffer.count {
            var reader = ByteReader(UnsafeRawBufferPointer(rebasing: buffer.bytes[..<length]))
            #expect(throws: ByteReader.Damaged.self, "cut at \(length)") { _ = try reader.readEffect() }
        }
    }
}
