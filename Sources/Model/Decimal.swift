// Exact decimals as they stand in records and configuration, and their conversion to minor units.

/// `coefficient` × 10^-`scale`.
package struct Decimal: Sendable, Equatable {
    package var coefficient: Int64
    package var scale: Int

    package init(coefficient: Int64, scale: Int) {
        self.coefficient = coefficient
        self.scale = scale
    }

    /// Why text is not a usable decimal.
    package enum Failure: Error, Equatable { case notANumber, tooLarge }

    /// Reads JSON's number grammar (`-12.50`, `1e3`); trailing zeros of the fraction do not count as digits.
    /// At most 18 significant digits.
    package init(_ text: UnsafeRawBufferPointer) throws(Failure) {
        if let plain = Decimal(plain: text) { self = plain } else { try self.init(anyForm: text) }
    }

    /// As nearly all numbers are written: digits, at most 18 of them, and a point perhaps. nil for any other form, also a wrong one.
    @inline(__always)
    private init?(plain text: UnsafeRawBufferPointer) {
        var value: Int64 = 0
        var point: Int?
        // Digits that end it and are zeros: they do not count.
        var zeros = 0
        let most = 18
        guard text.count > 0, text.count <= most + 1 else { return nil }
        for at in text.indices {
            let digit = text[at] &- 0x30
            if digit < 10 {
                value = value &* 10 &+ Int64(digit)
                zeros = digit == 0 ? zeros + 1 : 0
            } else if text[at] == 0x2E && point == nil {
                point = at
            } else {
                return nil
            }
        }
        let whole = point ?? text.count
        let places = point.map { text.count - $0 - 1 } ?? 0
        guard whole > 0, whole + places <= most, point == nil || places > 0, whole == 1 || text[0] != 0x30 else {
            return nil
        }
        if value == 0 { zeros = places }
        for _ in 0..<zeros { value /= 10 }
        self.init(coefficient: value, scale: places - zeros)
    }

    /// A whole number of at most 18 digits without a sign; nil for any other form.
    @inline(__always)
    package static func wholeNumber(_ text: UnsafeRawBufferPointer) -> Int64? {
        guard text.count > 0, text.count <= 18, text.count == 1 || text[0] != 0x30 else { return nil }
        var value: Int64 = 0
        for byte in text {
            let digit = byte &- 0x30
            if digit > 9 { return nil }
            value = value &* 10 &+ Int64(digit)
        }
        return value
    }

    private init(anyForm text: UnsafeRawBufferPointer) throws(Failure) {
        var at = 0
        var negative = false
        if at < text.count, text[at] == 0x2D {
            negative = true
            at += 1
        }
        var coefficient: Int64 = 0
        var scale = 0
        var tooLarge = false
        // Zeros are held back until a digit follows, so that 1000000000000000000000e-18 and 1.000 are exact and small.
        var zeros = 0
        func push(_ digit: UInt8) {
            if digit == 0x30 {
                zeros += 1
                return
            }
            flush()
            let (product, overflow) = coefficient.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.addingReportingOverflow(Int64(digit &- 0x30))
            if overflow || carry || sum > 999_999_999_999_999_999 { tooLarge = true } else { coefficient = sum }
        }
        func flush() {
            guard coefficient != 0 else {
                zeros = 0
                return
            }
            while zeros > 0 && !tooLarge {
                let (product, overflow) = coefficient.multipliedReportingOverflow(by: 10)
                if overflow || product > 999_999_999_999_999_999 { tooLarge = true } else { coefficient = product }
                zeros -= 1
            }
        }
        let start = at
        while at < text.count, text[at] >= 0x30, text[at] <= 0x39 {
            push(text[at])
            at += 1
        }
        guard at > start, at - start == 1 || text[start] != 0x30 else { throw .notANumber }
        if at < text.count, text[at] == 0x2E {
            at += 1
            let fraction = at
            while at < text.count, text[at] >= 0x30, text[at] <= 0x39 {
                push(text[at])
                scale += 1
                at += 1
            }
            guard at > fraction else { throw .notANumber }
        }
        // The zeros still held back are the last ones: they scale the number, they are not digits of it.
        scale -= zeros
        if at < text.count, text[at] == 0x65 || text[at] == 0x45 {
            at += 1
            var down = false
            if at < text.count, text[at] == 0x2B || text[at] == 0x2D {
                down = text[at] == 0x2D
                at += 1
            }
            let digits = at
            var exponent = 0
            while at < text.count, text[at] >= 0x30, text[at] <= 0x39 {
                exponent = min(exponent * 10 + Int(text[at] &- 0x30), 100_000)
                at += 1
            }
            guard at > digits else { throw .notANumber }
            scale += down ? exponent : -exponent
        }
        guard at == text.count else { throw .notANumber }
        if coefficient == 0 && !tooLarge {
            self.init(coefficient: 0, scale: 0)
            return
        }
        if tooLarge { throw .tooLarge }
        self.init(coefficient: negative ? -coefficient : coefficient, scale: scale)
    }

    package init(_ text: String) throws(Failure) { try self.init(bytes: Array(text.utf8)) }

    private init(bytes: [UInt8]) throws(Failure) {
        var result: Result<Decimal, Failure> = .failure(.notANumber)
        bytes.withUnsafeBytes { (raw: UnsafeRawBufferPointer) in
            do throws(Failure) { result = .success(try Decimal(raw)) } catch { result = .failure(error) }
        }
        self = try result.get()
    }

    /// Digits after the point that a currency has at most.
    package static let mostPlaces = 4

    /// A number of any length for who cuts it off: of what stands behind its first 17 digits that count, only whether it is nothing is kept.
    package static func shortened(_ text: UnsafeRawBufferPointer) throws(Failure) -> Decimal {
        do throws(Failure) { return try Decimal(text) } catch { if error != .tooLarge { throw error } }
        var bytes = Array(text)
        var digits = 0
        var first: Int?
        for (at, byte) in bytes.enumerated() {
            if byte == 0x65 || byte == 0x45 { break }
            guard byte >= 0x30, byte <= 0x39, digits > 0 || byte != 0x30 else { continue }
            digits += 1
            if digits <= 17 { continue }
            if first == nil { first = at }
            if byte != 0x30, let first { bytes[first] = 0x31 }
            if at != first { bytes[at] = 0x30 }
        }
        return try Decimal(bytes: bytes)
    }

    /// Digits after the point as a number is written, zeros too: 3 of `1.230`, 2 of `12345e-2`, 0 of `1.5e3`. `text` is a number.
    package static func places(_ text: UnsafeRawBufferPointer) -> Int {
        var (fraction, at) = (0, 0)
        var hasPoint = false
        while at < text.count, text[at] != 0x65, text[at] != 0x45 {
            if hasPoint { fraction += 1 }
            if text[at] == 0x2E { hasPoint = true }
            at += 1
        }
        if at == text.count { return fraction }
        at += 1
        let isDown = at < text.count && text[at] == 0x2D
        if at < text.count, text[at] == 0x2B || text[at] == 0x2D { at += 1 }
        // More than any number has after its point that is not refused for it.
        let far = 1_000_000
        var exponent = 0
        while at < text.count {
            exponent = min(exponent * 10 + Int(text[at] &- 0x30), far)
            at += 1
        }
        return max(0, isDown ? fraction + exponent : fraction - exponent)
    }

    /// Why a decimal is no amount of money in a currency.
    package enum MoneyFailure: Error, Equatable { case tooManyDigits, outOfRange }

    /// Minor units of a currency with `exponent` digits after the point; never rounds.
    package func minorUnits(exponent: Int) throws(MoneyFailure) -> Int64 {
        if coefficient == 0 { return 0 }
        var value = coefficient
        var shift = exponent - scale
        while shift > 0 {
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            if overflow { throw .outOfRange }
            value = product
            shift -= 1
        }
        // Trailing zeros of the coefficient were dropped, so what does not fit has digits that matter.
        if shift < 0 { throw .tooManyDigits }
        return value
    }

    /// The amount in minor units of the base currency after conversion: coefficient × rate, rounded half to even.
    package func converted(rate: Decimal, exponent: Int) throws(MoneyFailure) -> Int64 {
        var product = Int128(coefficient) * Int128(rate.coefficient)
        var shift = exponent - scale - rate.scale
        while shift > 0 && product != 0 {
            let (larger, overflow) = product.multipliedReportingOverflow(by: 10)
            if overflow { throw .outOfRange }
            product = larger
            shift -= 1
        }
        if shift < -37 { product = 0 }
        if shift < 0 && product != 0 {
            var divisor: Int128 = 1
            for _ in 0..<(-shift) { divisor *= 10 }
            let (quotient, remainder) = product.quotientAndRemainder(dividingBy: divisor)
            let twice = remainder.magnitude * 2
            let away = twice > divisor.magnitude || (twice == divisor.magnitude && quotient % 2 != 0)
            product = quotient + (away ? (product < 0 ? -1 : 1) : 0)
        }
        guard let value = Int64(exactly: product) else { throw .outOfRange }
        return value
    }

    /// Writes minor units with exactly `exponent` digits after the point: `123.45`, `-0.05`, `7`.
    package static func append(_ minorUnits: Int64, exponent: Int, to buffer: ByteBuffer) {
        buffer.appendDecimal(minorUnits, places: exponent)
    }
}
