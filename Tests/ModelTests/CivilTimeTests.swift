// RFC 3339 and the calendar.
import Model
import TestSupport
import Testing

@Suite struct CivilTimeTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("2026-11-23T10:00:00.123Z", 1_795_428_000_123),
        ("2026-11-23T18:00:00.123456+08:00", 1_795_428_000_123), ("2000-02-29T23:59:60Z", 951_868_800_000),
        ("1969-12-31T23:59:59.999z", -1),
    ])
    func parses(text: String, expected: Int64) {
        #expect(CivilTime.parse(text) == expected)
    }

    @Test(arguments: [
        "", "2026-11-23", "2026-11-23T10:00:00", "2026-13-01T00:00:00Z", "2026-02-29T00:00:00Z", "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+8:00", "2026-01-01T00:00:00Zx", "1795428000123",
    ])
    func refuses(text: String) {
        #expect(CivilTime.parse(text) == nil)
    }

    /// The form of 24 bytes is read another way than all others: with one digit more it is the same time, or none either.
    @Test func readsTheUsualFormAsAnyOther() {
        var random = RandomSource(seed: 7)
        let form = Array("2026-11-23T10:00:00.123Z".utf8)
        for _ in 0..<200_000 {
            var text = form
            for place in [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, 20, 21, 22] {
                // Mostly such as may stand there.
                text[place] = UInt8(ascii: "0") + UInt8(random.int(0...(place % 3 == 2 ? 1 : 9)))
            }
            if random.one(in: 4) { text[random.int(0...23)] = UInt8(random.int(0...255)) }
            let longer = text[..<23] + [UInt8(ascii: "0")] + text[23...]
            let (usual, other) = (text.withUnsafeBytes(CivilTime.parse), Array(longer).withUnsafeBytes(CivilTime.parse))
            #expect(usual == other, "\(String(decoding: text, as: UTF8.self))")
        }
    }

    @Test func writesWhatItReads() {
        for instant: Int64 in [0, -1, 1_795_428_000_123, Limits.earliestTime, Limits.latestTime, 951_782_400_000] {
            #expect(CivilTime.parse(CivilTime.text(instant)) == instant)
        }
    }

    /// Any number may be meant for an instant: a header of a dead letter says what somebody wrote there.
    @Test func writesEveryInstant() {
        #expect(CivilTime.text(.min) == "-292275055-05-16T16:47:04.192Z")
        #expect(CivilTime.text(.max) == "292278994-08-17T07:12:55.807Z")
    }
}
