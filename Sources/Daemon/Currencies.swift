// Digits after the point of each currency. Source: ISO 4217, list one (2024).

enum Currencies {
    /// nil if there is no such currency.
    static func exponent(_ code: String) -> Int? {
        if none.contains(code) { return 0 }
        if three.contains(code) { return 3 }
        if four.contains(code) { return 4 }
        return two.contains(code) ? 2 : nil
    }

    private static func set(_ codes: String) -> Set<String> { Set(codes.split(separator: " ").map(String.init)) }

    private static let none = set("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF")
    private static let three = set("BHD IQD JOD KWD LYD OMR TND")
    private static let four = set("CLF UYW")
    private static let two = set(
        """
        AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CNY COP \
        COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES \
        KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD \
        PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD \
        TWD TZS UAH USD USN UYU UZS VED VES WST XCD YER ZAR ZMW ZWG
        """)
}
