// The state in a snapshot: it is refused, or an engine takes it, gives the same bytes back and goes on with it.
import Engine
import Model
import Rules

extension FuzzTarget {
    /// The first byte: bit 0 says whether a version before is known. Then the header, and all customers.
    static let state = FuzzTarget(
        "state",
        check: { bytes throws(Finding) in
            var choices = Choices(bytes)
            try StateCheck(knowsOldRules: choices.byte() & 1 == 1).run(choices.remaining)
        })
}

struct StateCheck {
    var knowsOldRules: Bool

    static let headerBytes = 42
    private static let rules = compiled(Presets.fourTierWarnings)
    private static let oldRules = compiled([
        WarningSource(name: "far", severity: .low, rule: "recency >= 1000", cooldown: 86_400_000)
    ])

    static func compiled(_ warnings: [WarningSource]) -> Ruleset {
        do throws(RulesetProblem) {
            return try Ruleset(
                ladders: Presets.fourTierLadders, warnings: warnings, zone: .utc, currencyExponent: 2,
                halfLives: [7 * 86_400_000, 28 * 86_400_000])
        } catch { preconditionFailure("the preset is refused: \(error)") }
    }

    static func engine() -> Engine { Engine(rules: rules, key: 7) }

    func run(_ bytes: UnsafeRawBufferPointer) throws(Finding) {
        let header = UnsafeRawBufferPointer(rebasing: bytes.prefix(StateCheck.headerBytes))
        let customers = UnsafeRawBufferPointer(rebasing: bytes.dropFirst(StateCheck.headerBytes))
        let engine = StateCheck.engine()
        do throws(Engine.DamagedState) {
            try restore(engine, header, customers)
        } catch {
            try Finding.require(!error.reason.isEmpty, "a refusal without a reason")
            try StateCheck.isModest(engine, bytes.count)
            return
        }
        try StateCheck.isModest(engine, bytes.count)
        let written = StateCheck.snapshot(engine)
        try Finding.require(
            written.header.bytes.elementsEqual(header), "another header is written: \(written.header.array)")
        try Finding.require(
            written.customers.array == StateCheck.inOrder(customers), "other customers are written than were read")
        let again = StateCheck.engine()
        do throws(Engine.DamagedState) {
            try restore(again, written.header.bytes, written.customers.bytes)
        } catch { throw Finding("what was written is refused: \(error.reason)") }
        try Finding.require(again.stateDigest() == engine.stateDigest(), "the digest differs")
        // The two decide alike from here on.
        var rules = (now: StateCheck.rules, before: StateCheck.oldRules)
        for engine in [engine, again] where StateCheck.goOn(engine) {
            rules = (StateCheck.oldRules, StateCheck.rules)
        }
        try Finding.require(engine.effects.array == again.effects.array, "the two decide differently")
        try Finding.require(again.stateDigest() == engine.stateDigest(), "the digest differs at the end")
        // And what has become of it comes back too.
        let later = StateCheck.snapshot(engine)
        let last = Engine(rules: rules.now, key: 7)
        do throws(Engine.DamagedState) {
            try last.restoreHeader(later.header.bytes, oldRules: rules.before)
            try last.restoreCustomers(later.customers.bytes)
            try last.finishRestore()
        } catch { throw Finding("what it wrote at the end is refused: \(error.reason)") }
        try Finding.require(last.stateDigest() == engine.stateDigest(), "the last digest differs")
    }

    private func restore(
        _ engine: Engine, _ header: UnsafeRawBufferPointer, _ customers: UnsafeRawBufferPointer
    ) throws(Engine.DamagedState) {
        try engine.restoreHeader(header, oldRules: knowsOldRules ? StateCheck.oldRules : nil)
        try engine.restoreCustomers(customers)
        try engine.finishRestore()
    }

    /// What a file of so many bytes may take: the ordinals of the first customers may lie far apart.
    private static func isModest(_ engine: Engine, _ bytes: Int) throws(Finding) {
        let most = 64 << 20 + bytes * 4_096
        try Finding.require(engine.stateBytes <= most, "\(engine.stateBytes) bytes of memory for \(bytes)")
    }

    static func snapshot(_ engine: Engine) -> (header: ByteBuffer, customers: ByteBuffer) {
        let (header, customers) = (ByteBuffer(), ByteBuffer())
        engine.beginSnapshot(into: header)
        while engine.continueSnapshot(into: customers, limit: .max) {}
        engine.endSnapshot()
        return (header, customers)
    }

    /// Customers of a state that was taken, by their ordinals.
    private static func inOrder(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        var found: [(ordinal: UInt32, bytes: UnsafeRawBufferPointer)] = []
        var rest = bytes
        while !rest.isEmpty {
            // docs/formats/snapshot.md: 38 bytes, of which these say how many follow.
            let (entries, idLength, parts) = (Int(rest[32]) | Int(rest[33]) << 8, Int(rest[34]), rest[36])
            let length =
                38 + idLength + (parts & 2 == 0 ? 0 : 28) + (parts & 4 == 0 ? 0 : 24) + entries
                * (parts & 8 == 0 ? 24 : 16)
            found.append(
                (
                    rest.loadUnaligned(as: UInt32.self).littleEndian,
                    UnsafeRawBufferPointer(rebasing: rest[..<length])
                ))
            rest = UnsafeRawBufferPointer(rebasing: rest[length...])
        }
        return found.sorted { $0.ordinal < $1.ordinal }.flatMap { [UInt8]($0.bytes) }
    }

    /// Events of customers that are there or not, silence, and another version; true if that is in force.
    private static func goOn(_ engine: Engine) -> Bool {
        let begin = min(max(engine.clock ?? 0, 0), Limits.latestTime - 5_000 * 86_400_000)
        let ids: [[UInt8]] = [Array("c0".utf8), Array("c1".utf8), Array("somebody new".utf8)]
        for (number, id) in ids.enumerated() {
            for kind in [EngineInput.Kind.purchase, .click, .refund] {
                id.withUnsafeBytes { id in
                    let input = EngineInput(
                        kind: kind, customer: id, event: id, order: id, occurredAt: begin, amount: 100,
                        addsToOrder: number == 0, clickDeduplication: 60_000)
                    _ = engine.apply(input, at: max(begin, engine.clock ?? begin))
                }
            }
        }
        for days in [Int64(0), 1, 40, 100, 1_200] {
            let instant = begin + days * 86_400_000
            for _ in 0..<3 where engine.clock.map({ $0 < Limits.latestTime - 5_000 }) ?? false {
                engine.finishSlice(advancingTo: instant)
            }
        }
        if !engine.isSettled { return false }
        engine.install(oldRules, limits: StateLimits())
        engine.finishSlice(advancingTo: nil)
        return true
    }
}
