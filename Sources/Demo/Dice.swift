// Random numbers that are the same for the same seed, on every machine.

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Dice {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// In `range`. The bias of the remainder is below one in 10^15 for what the demo asks.
    mutating func number(_ range: ClosedRange<Int64>) -> Int64 {
        range.lowerBound + Int64(next() % UInt64(range.upperBound - range.lowerBound + 1))
    }

    /// True once in `times`, on average.
    mutating func once(in times: Int64) -> Bool { number(1...times) == 1 }

    /// True `percent` times of 100, on average.
    mutating func holds(percent: Int64) -> Bool { number(1...100) <= percent }

    mutating func one<Element>(of elements: [Element]) -> Element {
        elements[Int(number(0...Int64(elements.count - 1)))]
    }
}
