// Inputs made of those of the corpus by chance: what libFuzzer does, without looking at what is reached.
import TestSupport

/// One seed gives always the same inputs.
package struct Mutator {
    private let target: FuzzTarget
    private let corpus: [[UInt8]]
    private let words: [[UInt8]]
    private var random: RandomSource

    package init(_ target: FuzzTarget, corpus: [[UInt8]], seed: UInt64) {
        self.target = target
        self.corpus = corpus.isEmpty ? [[]] : corpus
        words = target.words.map { Array($0.utf8) }
        random = RandomSource(seed: seed)
    }

    package mutating func next() -> [UInt8] {
        var bytes = random.pick(corpus)
        for _ in 0..<random.int(1...4) { change(&bytes) }
        return Array(bytes.prefix(target.longest))
    }

    private mutating func change(_ bytes: inout [UInt8]) {
        switch random.int(0...8) {
        case 0: insert([UInt8(truncatingIfNeeded: random.next())], into: &bytes)
        case 1: if !words.isEmpty { insert(random.pick(words), into: &bytes) }
        case 2: if !bytes.isEmpty { bytes.removeSubrange(part(of: bytes)) }
        case 3: if !bytes.isEmpty { insert(Array(bytes[part(of: bytes)]), into: &bytes) }
        case 4:
            // The beginning of one and the end of another.
            let other = random.pick(corpus)
            bytes = Array(bytes[..<random.int(0...bytes.count)] + other[random.int(0...other.count)...])
        case 5: setNumber(in: &bytes)
        case 6: bytes.removeLast(random.int(0...min(8, bytes.count)))
        default:
            guard !bytes.isEmpty else { return }
            let place = random.int(0...bytes.count - 1)
            if random.one(in: 2) {
                bytes[place] ^= 1 << UInt8(random.int(0...7))
            } else {
                bytes[place] = random.pick([0, 1, 0x7F, 0x80, 0xFF, UInt8(truncatingIfNeeded: random.next())])
            }
        }
    }

    private mutating func insert(_ more: [UInt8], into bytes: inout [UInt8]) {
        bytes.insert(contentsOf: more, at: random.int(0...bytes.count))
    }

    private mutating func part(of bytes: [UInt8]) -> Range<Int> {
        let from = random.int(0...bytes.count - 1)
        return from..<min(bytes.count, from + random.int(1...32))
    }

    /// One, two, four or eight bytes become a number at an edge.
    private mutating func setNumber(in bytes: inout [UInt8]) {
        let size = random.pick([1, 2, 4, 8])
        guard bytes.count >= size else { return }
        let place = random.int(0...bytes.count - size)
        let edge = random.pick([0, 1, .max, .max - 1, .min, UInt64(Int64.max), 1 << 32, UInt64(bytes.count), 1 << 15])
        for index in 0..<size { bytes[place + index] = UInt8(truncatingIfNeeded: edge >> UInt64(8 * index)) }
    }
}
