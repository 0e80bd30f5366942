// Restoring: memory grows with what arrives, whatever a file says of itself, and is given back.
import Foundation
import Model
import Rules
import TestSupport
import Testing

@testable import Engine

@Suite struct RestoreTests {
    private static let rules: Ruleset = {
        do throws(RulesetProblem) {
            return try Ruleset(
                ladders: Presets.fourTierLadders, warnings: Presets.fourTierWarnings, zone: .utc, currencyExponent: 2,
                halfLives: [7 * 86_400_000, 28 * 86_400_000])
        } catch { preconditionFailure("the preset is refused: \(error)") }
    }()

    private static func engine(customers: Int) -> Engine {
        let engine = Engine(rules: rules, key: 7)
        for number in 0..<customers {
            Event(kind: .click, customer: "c\(number)", id: "e", occurredAt: 1_770_000_000_000).apply(to: engine)
        }
        return engine
    }

    /// Header and chunks of about `limit` bytes.
    private static func snapshot(_ engine: Engine, limit: Int = .max) -> (header: [UInt8], chunks: [[UInt8]]) {
        let header = ByteBuffer()
        engine.beginSnapshot(into: header)
        var chunks: [[UInt8]] = []
        var goesOn = true
        while goesOn {
            let chunk = ByteBuffer()
            goesOn = engine.continueSnapshot(into: chunk, limit: limit)
            chunks.append(chunk.array)
        }
        engine.endSnapshot()
        return (header.array, chunks)
    }

    /// The number of customers lies behind clock, cursor and version number; a customer begins with his ordinal.
    private static func replace<Number: FixedWidthInteger>(_ bytes: inout [UInt8], at offset: Int, with number: Number)
    {
        withUnsafeBytes(of: number.littleEndian) { bytes.replaceSubrange(offset..<offset + $0.count, with: $0) }
    }

    @Test func aFileThatSaysThereAreManyTakesNoMemoryForThem() throws {
        var (header, chunks) = RestoreTests.snapshot(RestoreTests.engine(customers: 1))
        RestoreTests.replace(&header, at: 21, with: UInt64(Limits.customersPerShard))
        RestoreTests.replace(&chunks[0], at: 0, with: UInt32(Limits.customersPerShard - 1))
        let engine = Engine(rules: RestoreTests.rules, key: 7)
        try header.withUnsafeBytes { try engine.restoreHeader($0, oldRules: nil) }
        #expect(engine.stateBytes < 1 << 20, "one more header, and \(engine.stateBytes) bytes")
        try chunks[0].withUnsafeBytes { try engine.restoreCustomers($0) }
        #expect(engine.stateBytes < 1 << 20, "one customer, and \(engine.stateBytes) bytes")
        #expect(throws: Engine.DamagedState.self) { try engine.finishRestore() }
    }

    /// Customers come in any order: those who are far ahead of the others wait for them.
    @Test func customersComeInAnyOrder() throws {
        let engine = RestoreTests.engine(customers: 270_000)
        let (header, chunks) = RestoreTests.snapshot(engine, limit: 1 << 20)
        #expect(chunks.count > 5)
        let restored = Engine(rules: RestoreTests.rules, key: 7)
        try header.withUnsafeBytes { try restored.restoreHeader($0, oldRules: nil) }
        for chunk in chunks.reversed() { try chunk.withUnsafeBytes { try restored.restoreCustomers($0) } }
        try restored.finishRestore()
        #expect(restored.stateDigest() == engine.stateDigest())
        // One who comes twice is told also if he waited.
        let twice = Engine(rules: RestoreTests.rules, key: 7)
        try header.withUnsafeBytes { try twice.restoreHeader($0, oldRules: nil) }
        let last = try #require(chunks.last)
        #expect(throws: Engine.DamagedState.self) {
            for chunk in [last] + chunks { try chunk.withUnsafeBytes { try twice.restoreCustomers($0) } }
            try twice.finishRestore()
        }
    }

    /// The index is made by another thread while customers are placed: it is the same, and tells of two with one id.
    @Test(arguments: [false, true]) func anotherThreadIndexes(hasTwins: Bool) throws {
        let engine = RestoreTests.engine(customers: 150_000)
        for number in 0..<2_000 {
            Event(
                kind: .click, customer: "a customer with a long id, \(number)", id: "e", occurredAt: 1_770_000_000_000
            )
            .apply(to: engine)
        }
        var (header, chunks) = RestoreTests.snapshot(engine, limit: 1 << 18)
        if hasTwins {
            let (one, other) = (Data("c149998".utf8), Data("c149999".utf8))
            let place = try #require(chunks.firstIndex { Data($0).range(of: other) != nil })
            var chunk = Data(chunks[place])
            let range = try #require(chunk.range(of: other))
            chunk.replaceSubrange(range, with: one)
            chunks[place] = [UInt8](chunk)
        }
        let restored = Engine(rules: RestoreTests.rules, key: 7)
        try header.withUnsafeBytes { try restored.restoreHeader($0, oldRules: nil) }
        let (thread, all) = (DispatchQueue(label: "index"), DispatchGroup())
        var given = 0
        for chunk in chunks {
            try chunk.withUnsafeBytes { try restored.restoreCustomers($0) }
            guard let work = restored.takeIndexing() else { continue }
            given += 1
            thread.async(group: all) { work.run() }
        }
        all.wait()
        #expect(given >= 5)
        if hasTwins {
            #expect(throws: Engine.DamagedState.self) { try restored.finishRestore() }
            return
        }
        try restored.finishRestore()
        #expect(restored.stateDigest() == engine.stateDigest())
        for engine in [engine, restored] {
            for number in 0..<150_001 {
                Event(kind: .click, customer: "c\(number)", id: "f", occurredAt: 1_770_000_000_001).apply(to: engine)
            }
            #expect(engine.customerCount == 152_001, "one is new")
        }
        #expect(restored.stateDigest() == engine.stateDigest())
    }

    /// A file may announce any number of customers: an index for all of them waits until many are there.
    @Test func noIndexIsBegunForFewOfMany() throws {
        var (header, chunks) = RestoreTests.snapshot(RestoreTests.engine(customers: 30_000))
        RestoreTests.replace(&header, at: 21, with: UInt64(500_000))
        let restored = Engine(rules: RestoreTests.rules, key: 7)
        try header.withUnsafeBytes { try restored.restoreHeader($0, oldRules: nil) }
        try chunks[0].withUnsafeBytes { try restored.restoreCustomers($0) }
        #expect(restored.takeIndexing() == nil)
        RestoreTests.replace(&header, at: 21, with: UInt64(400_000))
        let other = Engine(rules: RestoreTests.rules, key: 7)
        try header.withUnsafeBytes { try other.restoreHeader($0, oldRules: nil) }
        try chunks[0].withUnsafeBytes { try other.restoreCustomers($0) }
        #expect(other.takeIndexing() != nil)
    }

    /// One state has one form: entries that could be packed do not come whole, packed ones not from an earlier epoch, and what is not there is 0.
    @Test func anotherFormOfTheSameIsRefused() throws {
        let engine = Engine(rules: RestoreTests.rules, key: 7)
        let time: Int64 = 1_770_000_000_000
        Event(kind: .purchase, customer: "c", id: "e", order: "o", occurredAt: time, amount: 500).apply(to: engine)
        let (header, chunks) = RestoreTests.snapshot(engine)
        let bytes = chunks[0]
        let (partsAt, epochAt, restAt) = (36, 37, bytes.count - 8)
        try #require(bytes[partsAt] & 0b1110 == 0b1000, "one packed order, and nothing else")
        func restore(_ bytes: [UInt8]) throws {
            let restored = Engine(rules: RestoreTests.rules, key: 7)
            try header.withUnsafeBytes { try restored.restoreHeader($0, oldRules: nil) }
            try bytes.withUnsafeBytes { try restored.restoreCustomers($0) }
            try restored.finishRestore()
        }
        try restore(bytes)
        func expectRefused(_ what: Comment, _ change: (inout [UInt8]) -> Void) {
            var changed = bytes
            change(&changed)
            #expect(throws: Engine.DamagedState.self, what) { try restore(changed) }
        }
        expectRefused("a part that there is not") { $0[partsAt] |= 16 }
        expectRefused("an earlier epoch") {
            $0[epochAt] -= 1
            // 2^34 ms later from there: the same instant.
            $0[restAt + 4] += 4
        }
        expectRefused("a day that there is not") { $0[restAt + 4] |= 0x30 }
        let entry = Entry(.order, key: 1, time: time, value: 500)
        expectRefused("a whole entry that can be packed") {
            $0.removeLast(16)
            $0[partsAt] &= 7
            $0[epochAt] = 0
            $0 += withUnsafeBytes(of: entry, Array.init)
        }
        func large(_ change: (inout Entry) -> Void) -> [UInt8] {
            var large = entry
            large.value = 1 << 40
            change(&large)
            var changed = Array(bytes.dropLast(16))
            changed[partsAt] &= 7
            changed[epochAt] = 0
            return changed + withUnsafeBytes(of: large, Array.init)
        }
        try restore(large { _ in })
        expectRefused("an epoch of whole entries") {
            $0 = large { _ in }
            $0[epochAt] = 1
        }
        expectRefused("a flag that an order does not have") { $0 = large { $0.flags = .open } }
        expectRefused("more than there can be") { $0 = large { $0.value = .max } }
        expectRefused("less than there can be") { $0 = large { $0.value = -.max } }
        expectRefused("a time that no order has") {
            $0 = large { $0 = Entry(.order, key: 1, time: Limits.latestTime + 1, value: 1 << 40) }
        }
        expectRefused("a first event after the last one") { $0[16] += 1 }
    }

    /// Headers with right checksums that no engine wrote, and that would end the process later.
    @Test func aHeaderThatLiesIsRefused() throws {
        let (header, _) = RestoreTests.snapshot(RestoreTests.engine(customers: 1))
        func restore(_ header: [UInt8]) throws {
            try header.withUnsafeBytes {
                try Engine(rules: RestoreTests.rules, key: 7).restoreHeader($0, oldRules: RestoreTests.rules)
            }
        }
        try restore(header)
        var noClock = header
        for place in 0..<9 { noClock[place] = 0 }
        #expect(throws: Engine.DamagedState.self, "a customer, and no clock") { try restore(noClock) }
        var manyVersions = header
        RestoreTests.replace(&manyVersions, at: 13, with: UInt64.max)
        #expect(throws: Engine.DamagedState.self, "the next version has no number") { try restore(manyVersions) }
    }

    /// An engine that is given up in the middle of a restore or of a snapshot gives everything back.
    @Test func whatIsGivenUpIsFreed() throws {
        let (header, _) = RestoreTests.snapshot(RestoreTests.engine(customers: 1))
        let buffer = ByteBuffer()
        func giveUp() throws {
            let restoring = Engine(rules: RestoreTests.rules, key: 7)
            try header.withUnsafeBytes { try restoring.restoreHeader($0, oldRules: nil) }
            buffer.removeAll()
            Engine(rules: RestoreTests.rules, key: 7).beginSnapshot(into: buffer)
        }
        for _ in 0..<100 { try giveUp() }
        let before = try RestoreTests.residentBytes()
        // Each would leave some 20 KB.
        for _ in 0..<8_000 { try giveUp() }
        let grown = try RestoreTests.residentBytes() - before
        #expect(grown < 50 << 20, "\(grown) bytes are not freed")
    }

    private static func residentBytes() throws -> Int {
        let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")[1]
        return try #require(Int(pages)) * 4_096
    }
}
