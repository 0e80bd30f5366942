// RFC 3339 and the calendar.
import Model
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
