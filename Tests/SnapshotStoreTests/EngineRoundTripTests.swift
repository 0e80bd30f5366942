// An engine's state through a file and back, taken in parts while events go on: the restored engine is the one of the snapshot's
// point, and decides as the other did from there on.
import Engine
import Model
import Rules
import TestSupport
import Testing
import Worker

@testable import SnapshotStore

@Suite struct EngineRoundTripTests {
    let folder: TestFolder
    let vault: FileSnapshotVault

    init() throws {
        folder = try TestFolder()
        vault = try FileSnapshotVault(folder: folder.path, instance: "one")
    }

    private static let rules: Ruleset = compiled(Presets.fourTierWarnings)
    /// Without `slipping`, and with an `overdue` that comes sooner.
    private static let laterRules: Ruleset = compiled([
        WarningSource(
            name: "overdue", severity: .high, rule: "since_order > 2 * typical_gap && orders_total >= 2",
            cooldown: 3 * 86_400_000)
    ])

    private static func compiled(_ warnings: [WarningSource]) -> Ruleset {
        do throws(RulesetProblem) {
            return try Ruleset(
                ladders: Presets.fourTierLadders, warnings: warnings, zone: .utc, currencyExponent: 2,
                halfLives: [7 * 86_400_000, 28 * 86_400_000])
        } catch { preconditionFailure("the preset is refused: \(error)") }
    }

    /// Applies `slice`; returns its effects.
    private func apply(_ slice: Story.Slice, to engine: Engine) -> [UInt8] {
        for event in slice.events { event.apply(to: engine) }
        engine.finishSlice(advancingTo: slice.advancingTo)
        defer {
            engine.effects.removeAll()
            engine.effectCount = 0
        }
        return engine.effects.array
    }

    /// Begins a snapshot of the engine as it is now, and applies `slices` while it goes out in parts of about `limit` bytes.
    /// Returns the effects of each slice.
    private func snapshot(
        _ engine: Engine, as identity: SnapshotIdentity, limit: Int, while slices: [Story.Slice]
    ) throws -> (effects: [[UInt8]], parts: Int) {
        let sink = try vault.beginFile(identity)
        let header = ByteBuffer()
        engine.beginSnapshot(into: header)
        sink.write(header)
        var effects: [[UInt8]] = []
        var parts = 0
        var isComplete = false
        for slice in slices {
            effects.append(apply(slice, to: engine))
            if isComplete { continue }
            let part = ByteBuffer()
            isComplete = !engine.continueSnapshot(into: part, limit: limit)
            sink.write(part)
            parts += 1
        }
        try #require(isComplete, "the story is too short for \(limit) bytes a slice")
        engine.endSnapshot()
        sink.finish()
        sink.settle()
        sink.publish()
        sink.settle()
        if let failure = sink.failure { throw failure }
        return (effects, parts)
    }

    private func restore(_ identity: SnapshotIdentity, into engine: Engine, oldRules: Ruleset? = nil) throws {
        var isFirst = true
        try vault.load(identity) { (bytes) throws(SnapshotFailure) in
            do throws(Engine.DamagedState) {
                if isFirst {
                    try engine.restoreHeader(bytes, oldRules: oldRules)
                } else {
                    try engine.restoreCustomers(bytes)
                }
            } catch { throw .damaged(file: "state", reason: error.reason) }
            isFirst = false
        }
        try engine.finishRestore()
    }

    @Test(arguments: [(1, 5_000), (2, 5_000), (3, 20_000), (4, 40_000)] as [(UInt64, Int)])
    func theRestoredEngineGoesOnAsTheOther(seed: UInt64, limit: Int) throws {
        let story = Story(seed: seed, customers: 2_500, slices: 450, eventsPerSlice: 30)
        let engine = Engine(rules: EngineRoundTripTests.rules, key: seed)
        let point = 200
        for slice in story.slices[..<point] { _ = apply(slice, to: engine) }
        let digest = engine.stateDigest()
        let customers = engine.customerCount
        let identity = identity(batch: UInt64(point))
        let expected = try snapshot(engine, as: identity, limit: limit, while: Array(story.slices[point...]))
        #expect(expected.parts > 5, "the state changes while it is written")
        #expect(expected.effects.contains { !$0.isEmpty })

        let restored = Engine(rules: EngineRoundTripTests.rules, key: seed)
        try restore(identity, into: restored)
        #expect(restored.customerCount == customers)
        #expect(restored.stateDigest() == digest)
        for (index, slice) in story.slices[point...].enumerated() {
            try #require(
                apply(slice, to: restored) == expected.effects[index],
                "seed \(seed), slice \(point + index) decides otherwise")
        }
        #expect(restored.stateDigest() == engine.stateDigest())
    }

    /// More deadlines are due than a slice fires: the round goes on where it was, in both.
    @Test(arguments: [11] as [UInt64])
    func inTheMiddleOfAFlood(seed: UInt64) throws {
        let story = Story(seed: seed, customers: 30_000, slices: 25, eventsPerSlice: 1_000)
        let engine = Engine(rules: EngineRoundTripTests.rules, key: seed)
        for slice in story.slices[..<20] { _ = apply(slice, to: engine) }
        let later = try #require(engine.clock) + 400 * Story.day
        _ = apply(Story.Slice(events: [], advancingTo: later), to: engine)
        #expect(!engine.isSettled, "a flood is meant to be on")
        try compare(engine, story, seed, rules: EngineRoundTripTests.rules, oldRules: nil)
    }

    /// A new version has reached some customers and not yet the others.
    @Test(arguments: [21] as [UInt64])
    func inTheMiddleOfANewVersion(seed: UInt64) throws {
        let story = Story(seed: seed, customers: 200_000, slices: 25, eventsPerSlice: 1_150)
        let engine = Engine(rules: EngineRoundTripTests.rules, key: seed)
        for slice in story.slices[..<20] { _ = apply(slice, to: engine) }
        while !engine.isSettled { engine.finishSlice(advancingTo: nil) }
        engine.install(EngineRoundTripTests.laterRules, limits: engine.limits)
        _ = apply(Story.Slice(events: [], advancingTo: nil), to: engine)
        #expect(!engine.isSettled, "the version is meant to be on its way")
        let lost = Engine(rules: EngineRoundTripTests.laterRules, key: seed)
        let header = ByteBuffer()
        engine.beginSnapshot(into: header)
        engine.endSnapshot()
        #expect(throws: Engine.DamagedState.self) { try lost.restoreHeader(header.bytes, oldRules: nil) }
        try compare(engine, story, seed, rules: EngineRoundTripTests.laterRules, oldRules: EngineRoundTripTests.rules)
    }

    private func compare(_ engine: Engine, _ story: Story, _ seed: UInt64, rules: Ruleset, oldRules: Ruleset?) throws {
        let digest = engine.stateDigest()
        let identity = identity(batch: 20)
        let rest = story.slices[20...] + Array(repeating: Story.Slice(events: [], advancingTo: nil), count: 40)
        let expected = try snapshot(engine, as: identity, limit: 1 << 20, while: Array(rest))
        let restored = Engine(rules: rules, key: seed)
        try restore(identity, into: restored, oldRules: oldRules)
        #expect(restored.stateDigest() == digest)
        for (index, slice) in rest.enumerated() {
            try #require(
                apply(slice, to: restored) == expected.effects[index],
                "seed \(seed), slice \(20 + index) decides otherwise")
        }
        #expect(restored.stateDigest() == engine.stateDigest())
    }

    /// A rule that no shop lives to see come true has no deadline, neither before the snapshot nor after.
    @Test(arguments: [
        "recency >= 10000000", "recency >= 200000000000", "idle >= 1000000000 * 30d", "since_order > 99999999999d",
    ])
    func aDeadlineInThousandsOfYears(rule: String) throws {
        let rules: Ruleset
        do throws(RulesetProblem) {
            rules = try Ruleset(
                ladders: Presets.fourTierLadders,
                warnings: [WarningSource(name: "far", severity: .low, rule: rule)], zone: .utc, currencyExponent: 2,
                halfLives: [7 * Story.day, 28 * Story.day])
        } catch {
            // Refused where it is read: as good.
            return
        }
        let story = Story(seed: 41, customers: 20, slices: 20, eventsPerSlice: 10)
        let engine = Engine(rules: rules, key: 41)
        for slice in story.slices { _ = apply(slice, to: engine) }
        let later = try #require(engine.clock) + 1_000 * Story.day
        let end = Story.Slice(events: [], advancingTo: later)
        let nothing = Story.Slice(events: [], advancingTo: nil)
        let expected = try snapshot(
            engine, as: identity(batch: 1), limit: 1 << 20, while: [end, nothing, nothing, nothing])
        let restored = Engine(rules: rules, key: 41)
        try restore(identity(batch: 1), into: restored)
        #expect(apply(end, to: restored) == expected.effects[0])
        #expect(restored.isSettled && restored.stateDigest() == engine.stateDigest())
    }

    /// Bytes that no engine wrote, behind checksums that are right: refused, or at least never the end of the process.
    @Test(arguments: [31] as [UInt64])
    func stateThatLies(seed: UInt64) throws {
        let story = Story(seed: seed, customers: 40, slices: 60, eventsPerSlice: 12)
        let engine = Engine(rules: EngineRoundTripTests.rules, key: seed)
        for slice in story.slices[..<40] { _ = apply(slice, to: engine) }
        let (header, customers) = (ByteBuffer(), ByteBuffer())
        engine.beginSnapshot(into: header)
        #expect(!engine.continueSnapshot(into: customers, limit: .max))
        engine.endSnapshot()
        var random = RandomSource(seed: seed)
        var refused = 0
        for _ in 0..<300 {
            var changed = (header: header.array, customers: customers.array)
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let byte =
                    [0, 0x7F, 0x80, 0xFF, UInt8.random(in: 0...255, using: &random)].randomElement(using: &random) ?? 0
                if Int.random(in: 0..<10, using: &random) == 0 {
                    changed.header[Int.random(in: 0..<changed.header.count, using: &random)] = byte
                } else {
                    let at = Int.random(in: 0..<changed.customers.count, using: &random)
                    for place in at..<min(at + Int.random(in: 1...8, using: &random), changed.customers.count) {
                        changed.customers[place] = byte
                    }
                }
            }
            let restored = Engine(rules: EngineRoundTripTests.rules, key: seed)
            do throws(Engine.DamagedState) {
                let (header, customers) = (chunk(changed.header), chunk(changed.customers))
                try restored.restoreHeader(header.bytes, oldRules: EngineRoundTripTests.rules)
                try restored.restoreCustomers(customers.bytes)
                try restored.finishRestore()
            } catch {
                refused += 1
                continue
            }
            for slice in story.slices[40...] { _ = apply(slice, to: restored) }
        }
        #expect(refused > 0)
    }

    @Test func anEngineThatHasSeenNothing() throws {
        let engine = Engine(rules: EngineRoundTripTests.rules, key: 1)
        _ = try snapshot(engine, as: identity(batch: 0), limit: 100, while: [Story.Slice(events: [], advancingTo: nil)])
        let restored = Engine(rules: EngineRoundTripTests.rules, key: 1)
        try restore(identity(batch: 0), into: restored)
        #expect(restored.customerCount == 0 && restored.clock == nil)
    }
}

/// Events of believable customers from a seed: orders, further lines, refunds early and late, duplicates, clicks and silence.
struct Story {
    static let day: Int64 = 86_400_000

    struct Slice {
        var events: [Event]
        var advancingTo: Int64?
    }

    struct Event {
        var kind: EngineInput.Kind
        var customer: [UInt8]
        var id: [UInt8]
        var order: [UInt8]
        var occurredAt: Int64
        var amount: Int64?
        var addsToOrder: Bool
        var clickDeduplication: Int64
        var at: Int64

        func apply(to engine: Engine) {
            customer.withUnsafeBytes { customer in
                id.withUnsafeBytes { id in
                    order.withUnsafeBytes { order in
                        _ = engine.apply(
                            EngineInput(
                                kind: kind, customer: customer, event: id, order: order, occurredAt: occurredAt,
                                amount: amount,
                                addsToOrder: addsToOrder, clickDeduplication: clickDeduplication), at: at)
                    }
                }
            }
        }
    }

    private(set) var slices: [Slice] = []
    private var random: RandomSource
    private var now: Int64 = 1_790_000_000_000

    init(seed: UInt64, customers: Int, slices count: Int, eventsPerSlice: Int) {
        random = RandomSource(seed: seed)
        for _ in 0..<count {
            var events: [Event] = []
            for _ in 0..<eventsPerSlice {
                now += Int64.random(in: 0...60_000, using: &random)
                events.append(event(customers))
            }
            // Now and then nothing comes for days, and deadlines fire by themselves.
            if Int.random(in: 0..<8, using: &random) == 0 {
                now += Int64.random(in: 0...20, using: &random) * Story.day
            }
            slices.append(Slice(events: events, advancingTo: Bool.random(using: &random) ? now : nil))
        }
    }

    private mutating func event(_ customers: Int) -> Event {
        let customer = Int.random(in: 0..<customers, using: &random)
        // Short ids lie in the row, long ones elsewhere.
        let name = customer % 3 == 0 ? "customer with a name of its own \(customer)" : "c\(customer)"
        let late =
            Int.random(in: 0..<10, using: &random) == 0 ? Int64.random(in: 0...120, using: &random) * Story.day : 0
        let kind: EngineInput.Kind =
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<9: .purchase
            case 9..<12: .refund
            default: .click
            }
        let order = "o\(Int.random(in: 0..<12, using: &random))"
        let wipes = kind == .refund && Int.random(in: 0..<3, using: &random) == 0
        return Event(
            kind: kind, customer: Array(name.utf8), id: Array("e\(Int.random(in: 0..<1_000_000, using: &random))".utf8),
            order: Array(order.utf8), occurredAt: now - late,
            amount: kind == .click || wipes ? nil : Int64.random(in: 0...40_000, using: &random),
            addsToOrder: kind == .purchase && Bool.random(using: &random),
            clickDeduplication: kind == .click && customer % 2 == 0 ? 600_000 : 0, at: now)
    }
}
