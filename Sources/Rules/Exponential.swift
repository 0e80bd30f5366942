// 2^x and log2 from IEEE basic operations alone, so that every machine and every C library gives the same bits.

package enum Exponential {
    private static let ln2 = 0.693_147_180_559_945_309_4
    /// 1/k! for k = 0...14: the Taylor coefficients of e^y; for |y| <= ln2/2 the rest is below 1e-18.
    private static let inverseFactorials: [Double] = {
        var values = [1.0]
        for k in 1...14 { values.append(values[k - 1] / Double(k)) }
        return values
    }()

    /// 2^x for x <= 0; error below 2 units in the last place; 0 below x = -1000.
    package static func exp2(_ x: Double) -> Double {
        if !(x > -1_000) { return 0 }
        let whole = (x).rounded(.toNearestOrEven)
        let y = (x - whole) * ln2
        return inverseFactorials.withUnsafeBufferPointer { coefficients in
            var sum = coefficients[14]
            var k = 13
            while k >= 0 {
                sum = sum * y + coefficients[k]
                k -= 1
            }
            return sum * Double(sign: .plus, exponent: Int(whole), significand: 1)
        }
    }

    /// log2(x) for finite x > 0; error below 4 units in the last place of max(1, |log2 x|).
    package static func log2(_ x: Double) -> Double {
        var exponent = Double(x.exponent)
        var m = x.significand
        if m > 1.414_213_562_373_095 {
            m /= 2
            exponent += 1
        }
        // ln m = 2 artanh((m-1)/(m+1)), |s| <= 0.1716, so s^27/27 is below 1e-21.
        let s = (m - 1) / (m + 1)
        let square = s * s
        var sum = 0.0
        var k = 25.0
        while k >= 1 {
            sum = sum * square + 1 / k
            k -= 2
        }
        return exponent + 2 * s * sum / ln2
    }
}
