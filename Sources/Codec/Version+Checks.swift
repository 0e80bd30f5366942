// What a version that was read must be like: one that the configuration would not have let through ends no process.
import Model
import Rules

extension Version {
    /// Digits after the point: no currency of ISO 4217 has more.
    private static let mostCurrencyDigits = 4
    private static let mostRateDigits = 18

    /// True if everything that is computed with it stays inside its bounds.
    var isPossible: Bool {
        let day = CivilTime.millisecondsPerDay
        let longest = 36_500 * day
        guard halfLives[0] > 0, halfLives[0] < halfLives[1], halfLives[1] <= longest, (0...longest).contains(maxFuture),
            zone.offsets.allSatisfy({ $0.magnitude < UInt64(day) }),
            zone.transitions.allSatisfy({ $0 >= Limits.earliestTime && $0 <= Limits.latestTime + longest }),
            warnings.allSatisfy({ (0...longest).contains($0.cooldown) }),
            (0...Version.mostCurrencyDigits).contains(money.exponent)
        else { return false }
        for rate in money.rates.values {
            guard rate.rate.coefficient > 0,
                (-Version.mostRateDigits...Version.mostRateDigits).contains(rate.rate.scale),
                (0...Version.mostCurrencyDigits).contains(rate.exponent)
            else { return false }
        }
        return mappings.allSatisfy { $0.isPossible }
    }
}

extension Mapping {
    /// Values of one record that are looked up.
    static let mostPointers = 64

    fileprivate var isPossible: Bool {
        let sources = [kindAt] + fields.values
        var pointers = skippedAt + backfillPointers
        for source in sources { if case .pointers(let more) = source { pointers += more } }
        return pointers.count <= Mapping.mostPointers && pointers.allSatisfy(Mapping.isPointer)
            && (0...36_500 * CivilTime.millisecondsPerDay).contains(clickDeduplication)
    }

    /// RFC 6901.
    private static func isPointer(_ text: String) -> Bool {
        var rest = text.utf8[...]
        guard rest.first == 0x2F else { return rest.isEmpty }
        while let tilde = rest.firstIndex(of: 0x7E) {
            rest = rest[rest.index(after: tilde)...]
            guard rest.first == 0x30 || rest.first == 0x31 else { return false }
        }
        return true
    }
}
