// Chance of a test, from one number that is printed.
import Foundation
import Model

struct TestDice {
    let seed: UInt64
    private var generator: SplitMix64

    init(_ name: String) {
        let chosen =
            ProcessInfo.processInfo.environment["RFMD_TEST_SEED"].flatMap { UInt64($0) }
            ?? UInt64.random(in: 1...UInt64.max)
        seed = chosen
        generator = .init(seed: chosen)
        print("\(name): RFMD_TEST_SEED=\(chosen) repeats its choices")
    }

    mutating func roll(_ limit: Int) -> Int { Int(generator.next() % UInt64(limit)) }
}
