// Exact numbers of most rules: rationals whose size was bounded when the rule was read, so that no operation can overflow.

/// `numerator / denominator`, the denominator positive; absent when the denominator is 0.
///
/// The checker (Checker.swift) knows how many bits each part of an expression can reach; what could pass 126 is computed in
/// WideExact.swift.
package struct Exact: Sendable {
    package var numerator: Int128
    package var denominator: Int128

    package static let absent = Exact(numerator: 0, denominator: 0)

    @inline(__always)
    package init(numerator: Int128, denominator: Int128) {
        self.numerator = numerator
        self.denominator = denominator
    }

    @inline(__always)
    package init(_ value: Int64) { self.init(numerator: Int128(value), denominator: 1) }

    @inline(__always)
    package var isAbsent: Bool { denominator == 0 }

    package var double: Double { isAbsent ? .nan : Exact.double(numerator) / Exact.double(denominator) }

    /// Rounded to nearest. The standard library's conversion of Int128 is generic and takes half a microsecond; most values are short.
    @inline(__always)
    private static func double(_ value: Int128) -> Double {
        if let short = Int64(exactly: value) { return Double(short) }
        return Double(value)
    }

    /// Two short factors, as most are, take one multiplication, and cannot overflow.
    @inline(__always)
    private static func product(_ a: Int128, _ b: Int128) -> Int128 {
        if let short = Int64(exactly: a), let other = Int64(exactly: b) { return Int128(short) &* Int128(other) }
        return a * b
    }

    static func + (a: Exact, b: Exact) -> Exact {
        if a.isAbsent || b.isAbsent { return .absent }
        if a.denominator == 1 && b.denominator == 1 {
            return Exact(numerator: a.numerator + b.numerator, denominator: 1)
        }
        return Exact(
            numerator: product(a.numerator, b.denominator) + product(b.numerator, a.denominator),
            denominator: product(a.denominator, b.denominator))
    }

    static prefix func - (a: Exact) -> Exact { Exact(numerator: -a.numerator, denominator: a.denominator) }

    static func - (a: Exact, b: Exact) -> Exact { a + (-b) }

    static func * (a: Exact, b: Exact) -> Exact {
        Exact(numerator: product(a.numerator, b.numerator), denominator: product(a.denominator, b.denominator))
    }

    static func / (a: Exact, b: Exact) -> Exact {
        if a.isAbsent || b.isAbsent || b.numerator == 0 { return .absent }
        let numerator = product(a.numerator, b.denominator)
        let denominator = product(a.denominator, b.numerator)
        return b.numerator < 0
            ? Exact(numerator: -numerator, denominator: -denominator)
            : Exact(numerator: numerator, denominator: denominator)
    }

    /// The sign of a - b; both are present.
    @inline(__always)
    static func compare(_ a: Exact, _ b: Exact) -> Int {
        if a.denominator == b.denominator { return a.numerator < b.numerator ? -1 : a.numerator == b.numerator ? 0 : 1 }
        let left = product(a.numerator, b.denominator)
        let right = product(b.numerator, a.denominator)
        return left < right ? -1 : left == right ? 0 : 1
    }

    /// The largest integer that is not above the value, and the smallest that is not below it.
    var floorAndCeiling: (floor: Int128, ceiling: Int128) {
        if let short = Int64(exactly: numerator), let divisor = Int64(exactly: denominator) {
            let (quotient, remainder) = short.quotientAndRemainder(dividingBy: divisor)
            let floor = Int128(remainder < 0 ? quotient - 1 : quotient)
            return (floor, remainder == 0 ? floor : floor + 1)
        }
        let (quotient, remainder) = numerator.quotientAndRemainder(dividingBy: denominator)
        if remainder == 0 { return (quotient, quotient) }
        return remainder < 0 ? (quotient - 1, quotient) : (quotient, quotient + 1)
    }
}
