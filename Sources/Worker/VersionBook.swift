// The versions that a worker knows: the configured one and those that the journal names.
import Codec
import Model
import Rules

/// A version that can be put in force.
struct KnownVersion {
    let digest: Digest
    let version: Version
    let rules: Ruleset
    let bytes: [UInt8]
    let encoder: EventEncoder
}

struct VersionBook {
    private let source: String
    private var known: [Digest: KnownVersion] = [:]

    /// `source` is CloudEvents'.
    init(source: String) { self.source = source }

    subscript(digest: Digest) -> KnownVersion? { known[digest] }

    /// Adds a version and returns it. Throws if its rules are not accepted (they were, by the program that wrote them).
    mutating func add(_ version: Version, bytes: [UInt8]) throws(RulesetProblem) -> KnownVersion {
        let digest = Digest(of: bytes)
        if let same = known[digest] { return same }
        let rules = try version.ruleset()
        let entry = KnownVersion(
            digest: digest, version: version, rules: rules, bytes: bytes,
            encoder: EventEncoder(source: source, rules: rules, version: digest))
        known[digest] = entry
        return entry
    }
}
