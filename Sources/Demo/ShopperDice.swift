// The chance by which shoppers are invented: the same for the same seed.
import Model

struct ShopperDice {
    private var source: SplitMix64

    init(seed: UInt64) { source = SplitMix64(seed: seed) }

    /// In `range`. The bias of the remainder is below one in 10^15 for what the demo asks.
    mutating func number(_ range: ClosedRange<Int64>) -> Int64 {
        range.lowerBound + Int64(source.next() % UInt64(range.upperBound - range.lowerBound + 1))
    }

    /// True once in `times`, on average.
    mutating func once(in times: Int64) -> Bool { number(1...times) == 1 }

    /// True `percent` times of 100, on average.
    mutating func holds(percent: Int64) -> Bool { number(1...100) <= percent }

    mutating func one<Element>(of elements: [Element]) -> Element {
        elements[Int(number(0...Int64(elements.count - 1)))]
    }
}
