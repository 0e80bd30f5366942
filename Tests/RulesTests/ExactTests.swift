// Limits of exact arithmetic, and rfmd's own exponential and logarithm against the C library's.
import Foundation
import Model
import SlowRules
import TestSupport
import Testing

@testable import Rules

@Suite struct ExactTests {
    /// Rules at the edge of what is accepted are worked out with the largest values that a customer can have.
    @Test(arguments: [
        "orders_total" + String(repeating: " * 0.1", count: 40) + " > 1",
        "orders_total" + String(repeating: " * 0.1", count: 31) + " > 1",
        "spend_total * 0.3 > 1", "average_order(90d) * 0.9 > average_order(30d)", "spend_total / spend(30d) > 1",
        "recency * 0.7 * 0.7 * 0.7 * 0.7 * 0.7 * 0.7 * 0.7 * 0.7 * 0.7 > 0.1",
        "typical_gap * 0.3 < since_order * 0.7", "999999999999999999 * spend_total > 1",
        "idle / 0.000000000000000001 > 1d",
        "orders(90d) / 999999999999999999 / 999999999999999999 > 0.5",
        "typical_gap + typical_gap - typical_gap < 3 * since_order",
    ])
    func nothingOverflows(rule: String) throws { try ExactTests.answersForTheLargestCustomer(rule) }

    /// It traps if a number leaves its bounds.
    static func answersForTheLargestCustomer(_ rule: String) throws {
        var scope = scope()
        let compiled = try CompiledRule(rule, scope: &scope)
        let windows = UnsafeMutablePointer<WindowValues>.allocate(capacity: Limits.windows)
        windows.initialize(repeating: WindowValues(lastDayOutside: .max), count: Limits.windows)
        let texts = UnsafeMutablePointer<Int32>.allocate(capacity: Limits.ladders)
        texts.initialize(repeating: -1, count: Limits.ladders)
        defer {
            windows.deallocate()
            texts.deallocate()
        }
        for window in 0..<Limits.windows {
            windows[window].orders = Int64(Limits.entriesPerCustomer)
            windows[window].spend = Int64(Limits.entriesPerCustomer) * Limits.amountMinorUnits
            windows[window].oldestDay = 20_000
        }
        var features = Features(
            instant: Limits.latestTime, day: 84_005, dayEnds: Limits.latestTime + 86_400_000, dayGoesBack: false,
            windows: windows,
            ladderTexts: texts)
        features.ordersTotal = 1 << 32
        features.spendTotal = Limits.spendMinorUnits + Int64(Limits.entriesPerCustomer) * Limits.amountMinorUnits
        features.firstOrder = Limits.earliestTime
        features.lastOrder = Limits.latestTime - 1
        features.lastOrderDay = 84_004
        features.lastEvent = Limits.earliestTime
        let shared = SharedConstants(zone: .utc, windows: scope.windows, halfLives: scope.halfLives)
        defer { withExtendedLifetime(shared) {} }
        let constants = shared.constants
        let change = compiled.outlook(features, constants)
        #expect(change.holds == compiled.holds(features, constants))
        // Every one of these rules is a single comparison.
        let told = compiled.conditions.map { $0.measure(compiled.code, features, constants).holds }
        #expect(told == [change.holds])
    }

    @Test func literalsKeepTheirDigits() throws {
        var scope = scope()
        for (rule, expected) in [
            ("0.000000000000000001 * 1000000000000000000 == 1", true),
            ("999999999999999999 > 999999999999999998", true),
            ("0.999999999999999999 < 1", true), ("0.30 == 0.3", true), ("1.0 == 1", true),
            ("1 / 3 + 1 / 3 + 1 / 3 == 1", true),
        ] {
            let compiled = try CompiledRule(rule, scope: &scope)
            Customer(zone: .utc).withFeatures(at: 0, scope: scope) {
                #expect(compiled.holds($0, $1) == expected, "\(rule)")
            }
        }
    }

    @Test func floorsAndCeilings() {
        for (numerator, denominator, floor, ceiling) in [
            (7, 2, 3, 4), (-7, 2, -4, -3), (6, 2, 3, 3), (-6, 2, -3, -3), (0, 5, 0, 0),
        ] {
            let exact = Exact(numerator: Int128(numerator), denominator: Int128(denominator))
            #expect(exact.floorAndCeiling == (Int128(floor), Int128(ceiling)))
        }
    }

    @Test func exponentialIsNearTheCLibrarys() {
        var random = RandomSource(seed: 1)
        for _ in 0..<20_000 {
            let x = -Double.random(in: 0...(random.one(in: 2) ? 4 : 900), using: &random)
            let expected = exp2(x)
            #expect(abs(Exponential.exp2(x) - expected) <= 2 * expected.ulp, "2^\(x)")
        }
        // Halves between two entries of the table are where rounding could go the other way.
        for half in 0..<2_000 {
            let x = -(Double(half) + 0.5) / 32
            #expect(abs(Exponential.exp2(x) - exp2(x)) <= 2 * exp2(x).ulp, "2^\(x)")
        }
        #expect(Exponential.exp2(0) == 1)
        #expect(Exponential.exp2(-1) == 0.5)
        #expect(Exponential.exp2(-1_001) == 0)
        #expect(Exponential.exp2(-.infinity) == 0)
        #expect(Exponential.exp2(.nan) == 0)
    }

    @Test func logarithmIsNearTheCLibrarys() {
        var random = RandomSource(seed: 2)
        for _ in 0..<20_000 {
            let x = exp2(Double.random(in: random.one(in: 2) ? -2...2 : -300...300, using: &random))
            let expected = log2(x)
            #expect(abs(Exponential.log2(x) - expected) <= 4 * max(1, abs(expected)).ulp, "log2 \(x)")
        }
        #expect(Exponential.log2(1) == 0)
        #expect(Exponential.log2(8) == 3)
        #expect(Exponential.log2(0.5) == -1)
    }
}
