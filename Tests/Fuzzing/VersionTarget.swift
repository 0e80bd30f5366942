// Versions: bytes that are read mean something that works, and are written again as they were.
import Codec
import Model
import Rules

extension FuzzTarget {
    static let version = FuzzTarget(
        "version",
        words: ["purchase", "refund", "click", "rfc3339", "ms", "low", "high", "/type", "recency >= 90", "tier"],
        check: { bytes throws(Finding) in
            guard let version = Version(encoded: bytes) else { return }
            try VersionCheck.works(version)
            try Finding.require(version.encoded.elementsEqual(bytes), "another form is taken for the same")
        })
}

enum VersionCheck {
    /// A version that was read, or made of a configuration, can be used: it may be refused, and must not trap.
    static func works(_ version: Version) throws(Finding) {
        let bytes = version.encoded
        let again = bytes.withUnsafeBytes { Version(encoded: $0) }
        try Finding.require(again == version, "a version is read otherwise than it was written")
        for instant in [Limits.earliestTime, 0, 1_761_000_000_000, Limits.latestTime] {
            _ = version.zone.day(of: instant)
        }
        for mapping in version.mappings {
            let decoder = RecordDecoder(mapping, money: version.money)
            for record in records { _ = record.withUnsafeBytes { decoder.decode($0) } }
        }
        do throws(RulesetProblem) { _ = try version.ruleset() } catch { return }
    }

    private static let records: [[UInt8]] = ["EUR", "USD", "JPY"].map { currency in
        Array(
            """
            {"type":"purchase","event_id":"e","customer_id":"c","occurred_at":"2026-11-23T10:00:00Z","amount":"12.5",
            "currency":"\(currency)"}
            """.utf8)
    }
}
