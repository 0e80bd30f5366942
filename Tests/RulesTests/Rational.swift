// Exact numbers of the second implementation: reduced after every step, and refused when they leave Int128.

struct Rational: Equatable {
    struct TooLarge: Error {}

    let numerator: Int128
    let denominator: Int128

    init(_ numerator: Int128, _ denominator: Int128 = 1) {
        var (a, b) = (numerator.magnitude, denominator.magnitude)
        while b != 0 { (a, b) = (b, a % b) }
        let divisor = Int128(a) * (denominator < 0 ? -1 : 1)
        self.numerator = numerator / divisor
        self.denominator = denominator / divisor
    }

    private static func product(_ a: Int128, _ b: Int128) throws(TooLarge) -> Int128 {
        let (value, overflow) = a.multipliedReportingOverflow(by: b)
        if overflow { throw TooLarge() }
        return value
    }

    static func add(_ a: Rational, _ b: Rational, sign: Int128 = 1) throws(TooLarge) -> Rational {
        let left = try product(a.numerator, b.denominator)
        let (sum, overflow) = left.addingReportingOverflow(sign * (try product(b.numerator, a.denominator)))
        if overflow { throw TooLarge() }
        return Rational(sum, try product(a.denominator, b.denominator))
    }

    static func multiply(_ a: Rational, _ b: Rational) throws(TooLarge) -> Rational {
        Rational(try product(a.numerator, b.numerator), try product(a.denominator, b.denominator))
    }

    /// nil for a division by zero.
    static func divide(_ a: Rational, _ b: Rational) throws(TooLarge) -> Rational? {
        if b.numerator == 0 { return nil }
        return Rational(try product(a.numerator, b.denominator), try product(a.denominator, b.numerator))
    }

    /// The sign of a - b.
    static func compare(_ a: Rational, _ b: Rational) throws(TooLarge) -> Int {
        (try add(a, b, sign: -1)).numerator.signum() == 0 ? 0 : (try add(a, b, sign: -1)).numerator > 0 ? 1 : -1
    }

    var double: Double { Double(numerator) / Double(denominator) }
}
