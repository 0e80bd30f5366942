// Exact values as whole numbers of a small unit, rounded half to even: for people to read, never for a decision.

extension Exact {
    /// The value times `scale`; nil if it is absent or its size passes Int64.max.
    func rounded(scale: Int64) -> Int64? {
        if isAbsent { return nil }
        let divisor = denominator.magnitude
        let (whole, rest) = numerator.magnitude.quotientAndRemainder(dividingBy: divisor)
        // So large that no scale brings it back; below it no product overflows.
        if whole > UInt128(Int64.max) { return nil }
        var magnitude = whole * UInt128(scale)
        if rest != 0 {
            let (part, left) = divisor.dividingFullWidth(rest.multipliedFullWidth(by: UInt128(scale)))
            magnitude += part
            let toNext = divisor - left
            if left > toNext || (left == toNext && magnitude % 2 != 0) { magnitude += 1 }
        }
        guard let short = Int64(exactly: magnitude) else { return nil }
        return numerator < 0 ? -short : short
    }

    /// A Double as the rational that it is; absent for one that is none. What is nearer to 0 than any unit shows counts as 0; what no
    /// unit can show is absent.
    init(of value: Double) {
        guard value.magnitude < 0x1p63 else {
            self = .absent
            return
        }
        guard value.magnitude >= 0x1p-60 else {
            self.init(0)
            return
        }
        let shift = Int(value.exponent) - Double.significandBitCount
        let significand = Int128(Int64(value.significand * 0x1p52))
        self.init(
            numerator: (value < 0 ? -significand : significand) << Int128(max(shift, 0)),
            denominator: 1 << Int128(max(-shift, 0)))
    }
}

extension WideExact {
    /// As of `Exact`. Of the arena it takes no more than an operation does.
    func rounded(scale: Int64, _ arena: inout WideArena) -> Int64? {
        if isAbsent { return nil }
        let magnitude = WideInteger.product(
            numerator.isNegative ? -numerator : numerator, WideInteger(Int128(scale), &arena), &arena)
        var result = quotient(of: magnitude, bits: 63, arena)
        if result > Int128(Int64.max) { return nil }
        // Against the middle between it and the next: twice the magnitude, and an odd number of denominators.
        let middle = compare(2 * result + 1, .sum(magnitude, magnitude, &arena), arena)
        if middle < 0 || (middle == 0 && result % 2 != 0) { result += 1 }
        guard let short = Int64(exactly: result) else { return nil }
        return numerator.isNegative ? -short : short
    }
}
