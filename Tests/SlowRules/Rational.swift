// Exact numbers of the second implementation, of any size: digits as on paper. Short ones go the short way, which is quick
// enough to try very many.

/// A rational in Int128, reduced after every step; it says so when it can go no further.
package struct Rational: Equatable, Sendable, Number {
    package struct TooLarge: Error {}

    package let numerator: Int128
    package let denominator: Int128

    package init(_ numerator: Int128, _ denominator: Int128) {
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

    package static func add(_ a: Rational, _ b: Rational, sign: Int128) throws(TooLarge) -> Rational {
        let left = try product(a.numerator, b.denominator)
        let (sum, overflow) = left.addingReportingOverflow(sign * (try product(b.numerator, a.denominator)))
        if overflow { throw TooLarge() }
        return Rational(sum, try product(a.denominator, b.denominator))
    }

    package static func multiply(_ a: Rational, _ b: Rational) throws(TooLarge) -> Rational {
        Rational(try product(a.numerator, b.numerator), try product(a.denominator, b.denominator))
    }

    package static func divide(_ a: Rational, _ b: Rational) throws(TooLarge) -> Rational? {
        if b.numerator == 0 { return nil }
        return Rational(try product(a.numerator, b.denominator), try product(a.denominator, b.numerator))
    }

    package static func compare(_ a: Rational, _ b: Rational) throws(TooLarge) -> Int {
        Int((try add(a, b, sign: -1)).numerator.signum())
    }

    package var negated: Rational { Rational(-numerator, denominator) }

    package var double: Double { Double(numerator) / Double(denominator) }
}

/// What rules are walked with.
package protocol Number {
    init(_ numerator: Int128, _ denominator: Int128)
    static func add(_ a: Self, _ b: Self, sign: Int128) throws(Rational.TooLarge) -> Self
    static func multiply(_ a: Self, _ b: Self) throws(Rational.TooLarge) -> Self
    /// nil for a division by zero.
    static func divide(_ a: Self, _ b: Self) throws(Rational.TooLarge) -> Self?
    /// The sign of a - b.
    static func compare(_ a: Self, _ b: Self) throws(Rational.TooLarge) -> Int
    var negated: Self { get }
    var double: Double { get }
}

extension Number {
    package init(_ whole: Int128) { self.init(whole, 1) }
}

/// Decimal digits, four to a place, the lowest first; and a sign.
package struct Digits: Equatable {
    package var places: [Int]
    package var isNegative: Bool

    package init(_ places: [Int], isNegative: Bool) {
        self.places = places
        while self.places.last == 0 { self.places.removeLast() }
        self.isNegative = isNegative && !self.places.isEmpty
    }

    package init(_ value: Int128) {
        var (places, rest) = ([Int](), value.magnitude)
        while rest > 0 {
            places.append(Int(rest % 10_000))
            rest /= 10_000
        }
        self.init(places, isNegative: value < 0)
    }

    package static prefix func - (value: Digits) -> Digits { Digits(value.places, isNegative: !value.isNegative) }

    package static func * (a: Digits, b: Digits) -> Digits {
        var places = [Int](repeating: 0, count: a.places.count + b.places.count + 1)
        for i in a.places.indices { for j in b.places.indices { places[i + j] += a.places[i] * b.places[j] } }
        return Digits(carried(places), isNegative: a.isNegative != b.isNegative)
    }

    package static func + (a: Digits, b: Digits) -> Digits {
        let count = max(a.places.count, b.places.count) + 1
        func signed(_ value: Digits, _ index: Int) -> Int {
            index < value.places.count ? (value.isNegative ? -1 : 1) * value.places[index] : 0
        }
        let sums = (0..<count).map { signed(a, $0) + signed(b, $0) }
        let isNegative = (sums.last { $0 != 0 } ?? 0) < 0
        return Digits(carried(sums.map { isNegative ? -$0 : $0 }), isNegative: isNegative)
    }

    /// Every place from 0 to 9,999; the number is not negative.
    private static func carried(_ sums: [Int]) -> [Int] {
        var (places, carry) = (sums, 0)
        for index in places.indices {
            let value = places[index] + carry
            places[index] = (value % 10_000 + 10_000) % 10_000
            carry = (value - places[index]) / 10_000
        }
        precondition(carry == 0)
        return places
    }

    /// The five highest places and how many stand below them.
    package var highest: (value: Double, below: Int) {
        let top = places.suffix(5)
        return (top.reversed().reduce(0.0) { $0 * 10_000 + Double($1) }, places.count - top.count)
    }
}

/// A rational of any size, never reduced.
package struct LongRational: Number {
    package var numerator: Digits
    /// Positive.
    package var denominator: Digits

    package init(_ numerator: Digits, _ denominator: Digits) {
        self.numerator = denominator.isNegative ? -numerator : numerator
        self.denominator = denominator.isNegative ? -denominator : denominator
    }

    package init(_ numerator: Int128, _ denominator: Int128) { self.init(Digits(numerator), Digits(denominator)) }

    package static func add(_ a: LongRational, _ b: LongRational, sign: Int128) -> LongRational {
        let right = b.numerator * a.denominator
        return LongRational(a.numerator * b.denominator + (sign < 0 ? -right : right), a.denominator * b.denominator)
    }

    package static func multiply(_ a: LongRational, _ b: LongRational) -> LongRational {
        LongRational(a.numerator * b.numerator, a.denominator * b.denominator)
    }

    package static func divide(_ a: LongRational, _ b: LongRational) -> LongRational? {
        b.numerator.places.isEmpty ? nil : LongRational(a.numerator * b.denominator, a.denominator * b.numerator)
    }

    package static func compare(_ a: LongRational, _ b: LongRational) -> Int {
        let difference = add(a, b, sign: -1).numerator
        return difference.places.isEmpty ? 0 : difference.isNegative ? -1 : 1
    }

    package var negated: LongRational { LongRational(-numerator, denominator) }

    package var double: Double {
        let (above, below) = (numerator.highest, denominator.highest)
        var value = above.value / below.value
        for _ in 0..<abs(above.below - below.below) { value *= above.below > below.below ? 1e4 : 1e-4 }
        return numerator.isNegative ? -value : value
    }
}
