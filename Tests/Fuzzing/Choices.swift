// Choices that an input makes: numbers and pieces from its beginning on, zeros behind its end.
import Model

struct Choices {
    private var rest: UnsafeRawBufferPointer

    init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

    var isEmpty: Bool { rest.isEmpty }

    /// What nobody has taken yet.
    var remaining: UnsafeRawBufferPointer { rest }

    mutating func byte() -> UInt8 {
        guard let first = rest.first else { return 0 }
        rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst())
        return first
    }

    mutating func number<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) -> Number {
        var value: Number = 0
        for shift in 0..<MemoryLayout<Number>.size { value |= Number(truncatingIfNeeded: byte()) << (8 * shift) }
        return value
    }

    mutating func digest() -> Digest { Digest(high: number(), low: number()) }

    /// Its length, then itself.
    mutating func piece() -> UnsafeRawBufferPointer {
        let length = min(Int(byte()), rest.count)
        let piece = UnsafeRawBufferPointer(rebasing: rest[..<length])
        rest = UnsafeRawBufferPointer(rebasing: rest[length...])
        return piece
    }

    mutating func text() -> String { String(decoding: piece(), as: UTF8.self) }

    /// nil for one of two.
    mutating func optional<Value>(_ value: (inout Choices) -> Value) -> Value? { byte() & 1 == 0 ? nil : value(&self) }
}
