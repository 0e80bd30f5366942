// What an effect says about the rungs above and below: the sides of each comparison as numbers, without a text.

/// One comparison of a rule at the instant of a decision.
public struct EffectCondition: Equatable, Sendable {
    public var holds: Bool
    /// The two sides, in the condition's unit: millionths of a number, minor units, ms, or the number of a text. nil: absent, or out of
    /// range.
    public var value: Int64?
    public var threshold: Int64?

    public init(holds: Bool, value: Int64?, threshold: Int64?) {
        self.holds = holds
        self.value = value
        self.threshold = threshold
    }
}

/// The comparisons of one rule, where they lie in the effect.
public struct EffectConditions: RandomAccessCollection {
    fileprivate static let stride = 17
    fileprivate let bytes: UnsafeRawBufferPointer

    public var startIndex: Int { 0 }
    public var endIndex: Int { bytes.count / EffectConditions.stride }

    public subscript(condition: Int) -> EffectCondition {
        let at = condition * EffectConditions.stride
        let flags = Flags(rawValue: bytes[at])
        func side(_ flag: Flags, _ place: Int) -> Int64? {
            guard flags.contains(flag) else { return nil }
            return Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: at + place, as: Int64.self))
        }
        return EffectCondition(holds: flags.contains(.holds), value: side(.value, 1), threshold: side(.threshold, 9))
    }

    fileprivate struct Flags: OptionSet {
        let rawValue: UInt8

        static let holds = Flags(rawValue: 1)
        static let value = Flags(rawValue: 2)
        static let threshold = Flags(rawValue: 4)
    }
}

/// Of a change of rung: the comparisons of the rule of the rung above, and of the rung's own rule. Empty where there is no such rule.
public struct EffectDistance {
    public var next: EffectConditions
    public var previous: EffectConditions

    public static var none: EffectDistance {
        let empty = EffectConditions(bytes: UnsafeRawBufferPointer(start: nil, count: 0))
        return EffectDistance(next: empty, previous: empty)
    }
}

// Layout, little-endian: for the rung above, then for the own rung, the number of conditions (2), and for each flags (1), value (8) and
// threshold (8; both 0 if absent).

extension ByteBuffer {
    public func appendConditionCount(_ count: Int) { append(UInt16(count)) }

    public func append(_ condition: EffectCondition) {
        var flags: EffectConditions.Flags = condition.holds ? .holds : []
        if condition.value != nil { flags.insert(.value) }
        if condition.threshold != nil { flags.insert(.threshold) }
        let to = extend(EffectConditions.stride)
        to.storeBytes(of: flags.rawValue, as: UInt8.self)
        to.storeBytes(of: (condition.value ?? 0).littleEndian, toByteOffset: 1, as: Int64.self)
        to.storeBytes(of: (condition.threshold ?? 0).littleEndian, toByteOffset: 9, as: Int64.self)
    }
}

extension ByteReader {
    mutating func readDistance() throws(Damaged) -> EffectDistance {
        EffectDistance(next: try readConditions(), previous: try readConditions())
    }

    private mutating func readConditions() throws(Damaged) -> EffectConditions {
        EffectConditions(bytes: try readBytes(Int(try read(UInt16.self)) * EffectConditions.stride))
    }
}
