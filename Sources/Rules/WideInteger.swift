// Whole numbers of any size, in memory that is given up at once: for the few rules whose numbers do not fit Int128.

/// The memory of the numbers of one comparison: taken in order, never given back singly.
///
/// The checker knows how much a comparison can need (`Node.wideLimbs`), so it never runs out.
struct WideArena {
    private let limbs: UnsafeMutableBufferPointer<UInt64>
    private var used = 0

    init(_ limbs: UnsafeMutableBufferPointer<UInt64>) { self.limbs = limbs }

    mutating func take(_ count: Int) -> UnsafeMutableBufferPointer<UInt64> {
        precondition(used + count <= limbs.count, "a rule needs more room than the checker found")
        defer { used += count }
        return UnsafeMutableBufferPointer(rebasing: limbs[used..<used + count])
    }
}

/// A sign and a magnitude, which lies in an arena and is never changed once it is made. No leading zero limbs; zero has none.
struct WideInteger {
    /// The lowest limb first.
    private(set) var limbs: UnsafeBufferPointer<UInt64>
    private(set) var isNegative: Bool

    var isZero: Bool { limbs.isEmpty }

    private init(_ limbs: UnsafeMutableBufferPointer<UInt64>, isNegative: Bool) {
        var count = limbs.count
        while count > 0 && limbs[count - 1] == 0 { count -= 1 }
        self.limbs = UnsafeBufferPointer(rebasing: limbs[..<count])
        self.isNegative = isNegative && count > 0
    }

    init(_ value: Int128, _ arena: inout WideArena) {
        let limbs = arena.take(2)
        limbs[0] = UInt64(truncatingIfNeeded: value.magnitude)
        limbs[1] = UInt64(truncatingIfNeeded: value.magnitude >> 64)
        self.init(limbs, isNegative: value < 0)
    }

    static prefix func - (value: WideInteger) -> WideInteger {
        var result = value
        result.isNegative = !value.isNegative && !value.isZero
        return result
    }

    static func product(_ a: WideInteger, _ b: WideInteger, _ arena: inout WideArena) -> WideInteger {
        let result = arena.take(a.limbs.count + b.limbs.count)
        result.initialize(repeating: 0)
        for i in 0..<a.limbs.count {
            var carry: UInt64 = 0
            for j in 0..<b.limbs.count {
                // At most (2^64 - 1)^2 + 2 (2^64 - 1), which is 2^128 - 1.
                let (high, low) = a.limbs[i].multipliedFullWidth(by: b.limbs[j])
                let (first, carry1) = low.addingReportingOverflow(result[i + j])
                let (second, carry2) = first.addingReportingOverflow(carry)
                result[i + j] = second
                carry = high &+ (carry1 ? 1 : 0) &+ (carry2 ? 1 : 0)
            }
            result[i + b.limbs.count] = carry
        }
        return WideInteger(result, isNegative: a.isNegative != b.isNegative)
    }

    static func sum(_ a: WideInteger, _ b: WideInteger, _ arena: inout WideArena) -> WideInteger {
        if a.isNegative == b.isNegative { return addMagnitudes(a, b, &arena) }
        return compareMagnitudes(a, b) >= 0 ? subtractMagnitudes(a, b, &arena) : subtractMagnitudes(b, a, &arena)
    }

    /// With the sign of `a`.
    private static func addMagnitudes(_ a: WideInteger, _ b: WideInteger, _ arena: inout WideArena) -> WideInteger {
        let count = max(a.limbs.count, b.limbs.count)
        let result = arena.take(count + 1)
        var carry: UInt64 = 0
        for i in 0..<count {
            let (first, carry1) = a.limb(i).addingReportingOverflow(b.limb(i))
            let (second, carry2) = first.addingReportingOverflow(carry)
            result[i] = second
            carry = (carry1 ? 1 : 0) + (carry2 ? 1 : 0)
        }
        result[count] = carry
        return WideInteger(result, isNegative: a.isNegative)
    }

    /// |a| - |b| with the sign of `a`; |a| is not the smaller one.
    private static func subtractMagnitudes(_ a: WideInteger, _ b: WideInteger, _ arena: inout WideArena) -> WideInteger
    {
        let result = arena.take(a.limbs.count)
        var borrow: UInt64 = 0
        for i in 0..<a.limbs.count {
            let (first, borrow1) = a.limbs[i].subtractingReportingOverflow(b.limb(i))
            let (second, borrow2) = first.subtractingReportingOverflow(borrow)
            result[i] = second
            borrow = (borrow1 ? 1 : 0) + (borrow2 ? 1 : 0)
        }
        return WideInteger(result, isNegative: a.isNegative)
    }

    private func limb(_ index: Int) -> UInt64 { index < limbs.count ? limbs[index] : 0 }

    private static func compareMagnitudes(_ a: WideInteger, _ b: WideInteger) -> Int {
        if a.limbs.count != b.limbs.count { return a.limbs.count < b.limbs.count ? -1 : 1 }
        for i in (0..<a.limbs.count).reversed() where a.limbs[i] != b.limbs[i] {
            return a.limbs[i] < b.limbs[i] ? -1 : 1
        }
        return 0
    }

    /// The sign of a - b.
    static func compare(_ a: WideInteger, _ b: WideInteger) -> Int {
        if a.isNegative != b.isNegative { return a.isNegative ? -1 : 1 }
        return a.isNegative ? -compareMagnitudes(a, b) : compareMagnitudes(a, b)
    }

    /// |self| is `significand` × 2^`exponent`, cut off below its 64 highest bits.
    var highest: (significand: UInt64, exponent: Int) {
        guard let top = limbs.last else { return (0, 0) }
        let shift = top.leadingZeroBitCount
        let below = limbs.count > 1 && shift > 0 ? limbs[limbs.count - 2] >> UInt64(64 - shift) : 0
        return (top << UInt64(shift) | below, (limbs.count - 1) * 64 - shift)
    }
}
