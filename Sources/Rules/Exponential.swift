// 2^x and log2 from IEEE basic operations alone, so that every machine and every C library gives the same bits.

package enum Exponential {
    private static let ln2 = 0.693_147_180_559_945_309_4
    /// 2^(j/32) for j = 0...31, each the nearest Double.
    private static let roots: [Double] = [
        0x1.0000000000000p+0, 0x1.059b0d3158574p+0, 0x1.0b5586cf9890fp+0, 0x1.11301d0125b51p+0,
        0x1.172b83c7d517bp+0, 0x1.1d4873168b9aap+0, 0x1.2387a6e756238p+0, 0x1.29e9df51fdee1p+0,
        0x1.306fe0a31b715p+0, 0x1.371a7373aa9cbp+0, 0x1.3dea64c123422p+0, 0x1.44e086061892dp+0,
        0x1.4bfdad5362a27p+0, 0x1.5342b569d4f82p+0, 0x1.5ab07dd485429p+0, 0x1.6247eb03a5585p+0,
        0x1.6a09e667f3bcdp+0, 0x1.71f75e8ec5f74p+0, 0x1.7a11473eb0187p+0, 0x1.82589994cce13p+0,
        0x1.8ace5422aa0dbp+0, 0x1.93737b0cdc5e5p+0, 0x1.9c49182a3f090p+0, 0x1.a5503b23e255dp+0,
        0x1.ae89f995ad3adp+0, 0x1.b7f76f2fb5e47p+0, 0x1.c199bdd85529cp+0, 0x1.cb720dcef9069p+0,
        0x1.d5818dcfba487p+0, 0x1.dfc97337b9b5fp+0, 0x1.ea4afa2a490dap+0, 0x1.f50765b6e4540p+0,
    ]

    /// 2^x for x <= 0; error below 2 units in the last place; 0 below x = -1000.
    ///
    /// x = whole + j/32 + r with |r| <= 1/64. Of e^(r ln 2) - 1 the Taylor series has seven terms; the rest is below 1e-20. Table and
    /// series as in Tang, "Table-driven implementation of the exponential function in IEEE floating-point arithmetic" (1989).
    @inline(__always)
    package static func exp2(_ x: Double) -> Double {
        if !(x > -1_000) { return 0 }
        // To the nearest whole number, half to even: there the sum's last place is 1, and its last bits are the number.
        let sum = x * 32 + 0x1.8p52
        let steps = sum - 0x1.8p52
        let y = (x - steps / 32) * ln2
        let number = Int(Int32(truncatingIfNeeded: sum.bitPattern))
        let root = roots[number & 31]
        let series = 1 / 6.0 + y * (1 / 24.0 + y * (1 / 120.0 + y * (1 / 720.0 + y * (1 / 5_040.0))))
        let fraction = y + y * y * (0.5 + y * series)
        let power = Double(bitPattern: UInt64(1_023 + (number >> 5)) << 52)
        return (root + root * fraction) * power
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
