// All chance of a run comes from here: one number decides everything.
import Model

/// One object a purpose, so that a new question in one place changes nothing elsewhere.
final class Dice {
    private var source: SplitMix64

    init(_ seed: UInt64, _ purpose: UInt64 = 0) {
        source = SplitMix64(
            seed: seed &* 0x2545_F491_4F6C_DD1D &+ purpose &* 0x9E37_79B9_7F4A_7C15 &+ 0x5851_F42D_4C95_7F2D)
        _ = next()
    }

    func next() -> UInt64 { source.next() }

    /// A number of `range`, each as likely.
    func int(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next() % UInt64(range.upperBound - range.lowerBound + 1))
    }

    func int64(_ range: ClosedRange<Int64>) -> Int64 { Int64(int(Int(range.lowerBound)...Int(range.upperBound))) }

    /// True once in `n`.
    func one(in n: Int) -> Bool { n <= 1 || next() % UInt64(n) == 0 }

    /// True `percent` times of a hundred.
    func chance(_ percent: Int) -> Bool { next() % 100 < UInt64(max(0, percent)) }

    func pick<Element>(_ elements: [Element]) -> Element { elements[int(0...elements.count - 1)] }

    /// Short waits often, long ones now and then: up to `most` ms.
    func delay(_ most: Int64) -> Int64 {
        switch next() % 8 {
        case 0..<5: int64(0...max(1, most / 20))
        case 5, 6: int64(0...max(1, most / 4))
        default: int64(0...max(1, most))
        }
    }

    func shuffle<Element>(_ elements: inout [Element]) {
        if elements.count < 2 { return }
        for last in stride(from: elements.count - 1, to: 0, by: -1) { elements.swapAt(last, int(0...last)) }
    }
}
