// Exact numbers of rules beyond Int128: the same arithmetic as Exact.swift, in as many bits as the rule's own length allows.

/// `numerator / denominator`, the denominator positive; absent when the denominator is 0.
struct WideExact {
    var numerator: WideInteger
    var denominator: WideInteger

    init(_ numerator: WideInteger, _ denominator: WideInteger) {
        self.numerator = numerator
        self.denominator = denominator
    }

    init(_ value: Exact, _ arena: inout WideArena) {
        self.init(WideInteger(value.numerator, &arena), WideInteger(value.denominator, &arena))
    }

    static func absent(_ arena: inout WideArena) -> WideExact { WideExact(.absent, &arena) }

    var isAbsent: Bool { denominator.isZero }

    static prefix func - (a: WideExact) -> WideExact { WideExact(-a.numerator, a.denominator) }

    static func sum(_ a: WideExact, _ b: WideExact, _ arena: inout WideArena) -> WideExact {
        if a.isAbsent || b.isAbsent { return .absent(&arena) }
        let left = WideInteger.product(a.numerator, b.denominator, &arena)
        let right = WideInteger.product(b.numerator, a.denominator, &arena)
        return WideExact(
            .sum(left, right, &arena), .product(a.denominator, b.denominator, &arena))
    }

    static func product(_ a: WideExact, _ b: WideExact, _ arena: inout WideArena) -> WideExact {
        WideExact(
            .product(a.numerator, b.numerator, &arena), .product(a.denominator, b.denominator, &arena))
    }

    static func quotient(_ a: WideExact, _ b: WideExact, _ arena: inout WideArena) -> WideExact {
        if a.isAbsent || b.isAbsent || b.numerator.isZero { return .absent(&arena) }
        let numerator = WideInteger.product(a.numerator, b.denominator, &arena)
        let denominator = WideInteger.product(a.denominator, b.numerator, &arena)
        return denominator.isNegative ? WideExact(-numerator, -denominator) : WideExact(numerator, denominator)
    }

    /// The sign of a - b; both are present.
    static func compare(_ a: WideExact, _ b: WideExact, _ arena: inout WideArena) -> Int {
        let left = WideInteger.product(a.numerator, b.denominator, &arena)
        let right = WideInteger.product(b.numerator, a.denominator, &arena)
        return WideInteger.compare(left, right)
    }

    /// Rounded, some units in the last place off; what is too large for a Double is the largest Double.
    var double: Double {
        if isAbsent { return .nan }
        if numerator.isZero { return 0 }
        let (above, below) = (numerator.highest, denominator.highest)
        let ratio = Double(above.significand) / Double(below.significand)
        let exponent = min(max(above.exponent - below.exponent, -1_100), 1_100)
        let value = min(Double(sign: .plus, exponent: exponent, significand: ratio), .greatestFiniteMagnitude)
        return numerator.isNegative ? -value : value
    }

    /// Bits of the largest quotient that `floorAndCeiling` tells; 2^47 ms are four thousand years.
    private static let quotientBits = 47

    /// The largest integer that is not above the value, and the smallest that is not below it; beyond ±2^47 one that is
    /// at least as far out.
    func floorAndCeiling(_ arena: WideArena) -> (floor: Int128, ceiling: Int128) {
        let magnitude = numerator.isNegative ? -numerator : numerator
        let quotient = quotient(of: magnitude, bits: WideExact.quotientBits, arena)
        let beyond: Int128 = compare(quotient, magnitude, arena) == 0 ? 0 : 1
        return numerator.isNegative ? (-quotient - beyond, -quotient) : (quotient, quotient + beyond)
    }

    /// The sign of denominator × `quotient` - `magnitude`.
    func compare(_ quotient: Int128, _ magnitude: WideInteger, _ arena: WideArena) -> Int {
        // Its own copy of the arena: what it takes is free again after it.
        var scratch = arena
        let product = WideInteger.product(denominator, WideInteger(quotient, &scratch), &scratch)
        return WideInteger.compare(product, magnitude)
    }

    /// The largest whole number of at most `bits` + 1 bits that is not above `magnitude` / denominator.
    func quotient(of magnitude: WideInteger, bits: Int, _ arena: WideArena) -> Int128 {
        var quotient: Int128 = 0
        for bit in (0...bits).reversed() where compare(quotient | 1 << Int128(bit), magnitude, arena) <= 0 {
            quotient |= 1 << Int128(bit)
        }
        return quotient
    }
}
