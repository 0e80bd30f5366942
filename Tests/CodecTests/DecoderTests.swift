// Records of every format, and one fixture for each way in which a record can be unusable.
import Codec
import Model
import Testing

/// A decoded record with texts of its own.
struct Read: Equatable, CustomStringConvertible {
    var text: String
    var description: String { text }

    init(_ text: String) { self.text = text }
}

func read(
    _ json: [UInt8]?, _ mapping: Mapping = .native(topic: "t"), money: MoneyRules = euro,
    headers: [String: String]? = nil
) -> Read {
    var attributes = headers.map { _ in CloudEventAttributes() }
    for (name, value) in headers ?? [:] { attributes?.take(name, Array(value.utf8)) }
    let decoder = RecordDecoder(mapping, money: money)
    func describe(_ decoded: Decoded) -> Read {
        switch decoded {
        case .skipped: return Read("skipped")
        case .rejected(let rejection): return Read(rejection.reason.name + (rejection.field.map { " \($0)" } ?? ""))
        case .event:
            let event = decoder.event.pointee
            func text(_ bytes: UnsafeRawBufferPointer) -> String { String(decoding: bytes, as: UTF8.self) }
            return Read(
                "\(event.kind) \(text(event.customer)) \(text(event.event)) \(text(event.order)) \(event.occurredAt) \(event.amount.map(String.init) ?? "-")\(event.isBackfill ? " backfill" : "")"
            )
        }
    }
    guard let json else { return describe(decoder.decode(nil, headers: attributes)) }
    return json.withUnsafeBytes { describe(decoder.decode($0, headers: attributes)) }
}

func read(
    _ json: String, _ mapping: Mapping = .native(topic: "t"), money: MoneyRules = euro, headers: [String: String]? = nil
) -> Read {
    read(Array(json.utf8), mapping, money: money, headers: headers)
}

let euro = MoneyRules(
    currency: "EUR", exponent: 2,
    rates: [
        "USD": .init(rate: Decimal(coefficient: 925, scale: 3), exponent: 2),
        "JPY": .init(rate: Decimal(coefficient: 65, scale: 4), exponent: 0),
    ])

/// A native purchase with one field replaced, added or (nil) taken away.
func purchase(_ field: String = "", _ value: String? = nil) -> String {
    var fields = [
        ("type", "\"purchase\""), ("event_id", "\"e1\""), ("customer_id", "\"c7\""), ("order_id", "\"o1\""),
        ("occurred_at", "\"2026-11-23T10:00:00.123Z\""), ("amount", "\"123.45\""), ("currency", "\"EUR\""),
    ].filter { $0.0 != field }
    if let value { fields.append((field, value)) }
    return "{" + fields.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
}

@Suite struct DecoderTests {
    /// What a wrong field should have been, in the words that a dead letter and a replay tell people.
    @Test(arguments: [
        ("occurred_at", "\"2026-11-23T10:00:00\"", "an RFC 3339 time with its zone, such as \"2026-11-23T10:00:00Z\""),
        ("amount", "\"12,50\"", "a decimal such as \"12.50\""), ("amount", "[1]", "a decimal such as \"12.50\""),
        ("customer_id", "1.5", "a text, or a whole number by its digits"),
        ("currency", "978", "a currency's code as a text"),
        ("type", "7", "a text"),
    ])
    func aWrongFieldSaysWhatWasExpected(field: String, json: String, expected: String) {
        let decoder = RecordDecoder(.native(topic: "t"), money: euro)
        let decoded = Array(purchase(field, json).utf8).withUnsafeBytes { decoder.decode($0) }
        guard case .rejected(let rejection) = decoded else {
            Issue.record("\(field) was taken")
            return
        }
        #expect(rejection.reason == .wrongField && rejection.message == "\(field): expected \(expected)")
    }

    private static let good = Read("purchase c7 e1 o1 1795428000123 12345")

    @Test func readsNativeRecords() {
        #expect(read(purchase()) == DecoderTests.good)
        #expect(read(purchase("currency")) == DecoderTests.good)
        #expect(read(purchase("order_id")) == Read("purchase c7 e1 e1 1795428000123 12345"))
        #expect(read(purchase("order_id", "null")) == Read("purchase c7 e1 e1 1795428000123 12345"))
        #expect(read(purchase("channel", "{\"deep\":[1,{\"x\":null}]}")) == DecoderTests.good)
        #expect(
            read(
                #"{"type":"refund","event_id":"r1","customer_id":"c7","order_id":"o1","occurred_at":"2026-11-23T10:00:00Z"}"#
            )
                == Read("refund c7 r1 o1 1795428000000 -"))
        #expect(
            read(
                #"{"type":"click","event_id":"k1","customer_id":"c7","amount":"ignored","occurred_at":"2026-11-23T18:00:00+08:00"}"#
            )
                == Read("click c7 k1 k1 1795428000000 -"))
        #expect(
            read(purchase("customer_id", #""客户\u0041\ud83d\ude00""#)) == Read("purchase 客户A😀 e1 o1 1795428000123 12345")
        )
    }

    @Test(arguments: [
        ("12345", "12345"), ("-5", "-5"), ("0", "0"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
    ])
    func readsIntegersAsIdentifiersByTheirDigits(json: String, id: String) {
        #expect(read(purchase("customer_id", json)) == Read("purchase \(id) e1 o1 1795428000123 12345"))
        #expect(read(purchase("order_id", json)) == Read("purchase c7 e1 \(id) 1795428000123 12345"))
        #expect(read(purchase("event_id", json)) == Read("purchase c7 \(id) o1 1795428000123 12345"))
    }

    @Test(arguments: [
        ("123.45", 12345), ("\"123.45\"", 12345), ("1e2", 10000), ("\"1.2345E+2\"", 12345), ("12345e-2", 12345),
        ("0", 0), ("0.00", 0),
        ("\"0\"", 0), ("100", 10000), ("1000000000000", 100_000_000_000_000), ("0.1e1", 100),
        ("-0", 0), ("\"-0.00\"", 0),
        ("0e99999999999", 0), ("1.50e1", 1500), ("100e-2", 100), ("\"1.230e1\"", 1230),
    ])
    func readsAmountsFromTheirDigits(json: String, minorUnits: Int64) {
        #expect(read(purchase("amount", json)) == Read("purchase c7 e1 o1 1795428000123 \(minorUnits)"))
    }

    @Test(arguments: [
        (TimeUnit.seconds, "1795428000", 1_795_428_000_000), (.seconds, "1795428000.1239", 1_795_428_000_123),
        (.seconds, "\"1795428000\"", 1_795_428_000_000), (.milliseconds, "1795428000123", 1_795_428_000_123),
        (.milliseconds, "1.795428000123e12", 1_795_428_000_123), (.microseconds, "1795428000123999", 1_795_428_000_123),
        // date +%s.%N writes 19 digits.
        (.seconds, "1795428000.123456789", 1_795_428_000_123),
        (.milliseconds, "1795428000123.999999", 1_795_428_000_123),
        (.seconds, "\"1795428000.000000000000000000000001\"", 1_795_428_000_000),
        (.seconds, "1.795428000123456789e9", 1_795_428_000_123),
        (.seconds, "17954280001234567890e-10", 1_795_428_000_123),
        (.seconds, "-1000.0000000000000000001", -1_000_001), (.seconds, "-1000.0000000000000000000", -1_000_000),
        (.seconds, "0.0000000017954280001234567899e18", 1_795_428_000_123),
        (.seconds, "-0.0005", -1), (.microseconds, "-1", -1), (.seconds, "0", 0), (.milliseconds, "-1000.5", -1001),
    ])
    func readsTimesInTheirUnit(unit: TimeUnit, json: String, instant: Int64) {
        var mapping = Mapping.native(topic: "t")
        mapping.timeUnit = unit
        #expect(read(purchase("occurred_at", json), mapping) == Read("purchase c7 e1 o1 \(instant) 12345"))
    }

    /// Half to even: 0.5 minor units go to the even side.
    @Test(arguments: [
        ("USD", "10.00", 925), ("USD", "0.02", 2), ("USD", "0.20", 18), ("USD", "0.60", 56), ("JPY", "1000", 650),
        ("JPY", "1", 1), ("JPY", "0", 0),
    ])
    func convertsForeignAmounts(currency: String, amount: String, minorUnits: Int64) {
        let json = purchase("currency", "\"\(currency)\"").replacing("123.45", with: amount)
        #expect(read(json) == Read("purchase c7 e1 o1 1795428000123 \(minorUnits)"))
    }

    /// Digits count after the point of the currency that the record names.
    @Test(arguments: [("JPY", "5.0"), ("USD", "5.000")])
    func refusesMoreDigitsThanAForeignCurrencyHas(currency: String, amount: String) {
        let json = purchase("currency", "\"\(currency)\"").replacing("123.45", with: amount)
        #expect(read(json) == Read("too_many_digits amount"))
    }

    /// The currency of a refund is read as that of a purchase; without an amount there is nothing to convert.
    @Test(arguments: [
        (#""amount":"10.00","currency":"USD""#, "refund c7 r1 o1 1795428000000 925"),
        (#""amount":"10.00","currency":"CHF""#, "unknown_currency currency"),
        (#""currency":"CHF""#, "refund c7 r1 o1 1795428000000 -"),
    ])
    func readsTheCurrencyOfARefund(fields: String, expected: String) {
        let refund =
            #"{"type":"refund","event_id":"r1","customer_id":"c7","order_id":"o1","occurred_at":"2026-11-23T10:00:00Z",\#(fields)}"#
        #expect(read(refund) == Read(expected))
    }

    /// Any behaviour counts as a click: what `action` and other optional fields hold is not looked at.
    @Test(arguments: ["\"view\"", "\"wishlist\"", "7", "{}"])
    func countsAnyAction(action: String) {
        let click =
            #"{"type":"click","event_id":"k1","customer_id":"c7","occurred_at":"2026-11-23T10:00:00Z","action":\#(action)}"#
        #expect(read(click) == Read("click c7 k1 k1 1795428000000 -"))
    }

    // MARK: Rejections

    @Test(arguments: [
        ("", "not_json"), (" ", "not_json"), ("null", "not_json"), ("[]", "not_json"), ("\"text\"", "not_json"),
        ("12", "not_json"),
        ("{", "not_json"), ("{}x", "not_json"), ("{} {}", "not_json"), ("{\"a\":1,}", "not_json"),
        ("{\"a\":01}", "not_json"), ("{\"a\":1\u{0}}", "not_json"), ("{\"a\":1 \u{0},\"b\":2}", "not_json"),
        ("{\"a\":1.}", "not_json"), ("{\"a\":.5}", "not_json"), ("{\"a\":+1}", "not_json"), ("{\"a\":NaN}", "not_json"),
        ("{\"a\":Infinity}", "not_json"), ("{\"a\":1 2}", "not_json"), ("{\"a\":tru}", "not_json"),
        ("{\"a\":truex}", "not_json"),
        ("{\"a\":nullx}", "not_json"), ("{'a':1}", "not_json"), ("{\"a\":\"\u{1}\"}", "not_json"),
        ("{\"a\":\"\\ud800\"}", "not_json"),
        ("{\"a\":\"\\x\"}", "not_json"), ("{\"a\" 1}", "not_json"), ("{\"a\":[1,2}", "not_json"),
        ("{\"a\":1e}", "not_json"),
        ("{a:1}", "not_json"), ("{\"a\":\"", "not_json"), ("\u{FEFF}[]", "not_json"),
    ])
    func refusesWhatIsNoObject(json: String, reason: String) {
        #expect(read(json) == Read(reason))
        // Also where the mistake stands behind everything that is read.
        if json.hasPrefix("{\"a\":") {
            #expect(read(purchase().dropLast() + "," + json.dropFirst()) == Read(reason), "\(json)")
        }
    }

    @Test func refusesInvalidUTF8() {
        for bad: [UInt8] in [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xE4, 0xBD], [0xF5, 0x80, 0x80, 0x80]] {
            #expect(read(Array("{\"type\":\"purchase\",\"x\":\"".utf8) + bad + Array("\"}".utf8)) == Read("not_json"))
        }
    }

    @Test func refusesDeepNesting() {
        func nested(_ depth: Int) -> String {
            purchase("x", String(repeating: "[", count: depth - 1) + String(repeating: "]", count: depth - 1))
        }
        #expect(read(nested(Limits.jsonDepth)) == DecoderTests.good)
        #expect(read(nested(Limits.jsonDepth + 1)) == Read("not_json"))
        #expect(read(nested(100_000)) == Read("not_json"))
    }

    @Test(arguments: [
        ("type", nil, "missing_field type"), ("type", "7", "wrong_field type"), ("type", "\"transfer\"", "skipped"),
        ("type", "\"Purchase\"", "skipped"), ("customer_id", nil, "missing_field customer_id"),
        ("customer_id", "null", "missing_field customer_id"), ("customer_id", "true", "wrong_field customer_id"),
        ("customer_id", "{\"id\":1}", "wrong_field customer_id"), ("customer_id", "1.0", "wrong_field customer_id"),
        ("customer_id", "1e3", "wrong_field customer_id"), ("customer_id", "\"\"", "customer_id_length customer_id"),
        ("event_id", nil, "missing_field event_id"), ("event_id", "[]", "wrong_field event_id"),
        ("event_id", "\"\"", "event_id_length event_id"), ("order_id", "\"\"", "event_id_length order_id"),
        ("order_id", "false", "wrong_field order_id"), ("occurred_at", nil, "missing_field occurred_at"),
        ("occurred_at", "1795428000123", "wrong_field occurred_at"),
        ("occurred_at", "\"yesterday\"", "wrong_field occurred_at"),
        ("occurred_at", "\"2026-11-23T10:00:00\"", "wrong_field occurred_at"),
        ("occurred_at", "\"1899-12-31T23:59:59Z\"", "time_out_of_range occurred_at"),
        ("occurred_at", "\"2200-01-01T00:00:00Z\"", "time_out_of_range occurred_at"),
        ("amount", nil, "missing_field amount"),
        ("amount", "null", "missing_field amount"), ("amount", "\"\"", "wrong_field amount"),
        ("amount", "\"12,50\"", "wrong_field amount"),
        ("amount", "\"NaN\"", "wrong_field amount"), ("amount", "\" 1\"", "wrong_field amount"),
        ("amount", "true", "wrong_field amount"),
        ("amount", "-0.01", "negative_amount amount"), ("amount", "\"1.005\"", "too_many_digits amount"),
        ("amount", "1e-9999999999", "too_many_digits amount"), ("amount", "\"1.230\"", "too_many_digits amount"),
        ("amount", "1.500000", "too_many_digits amount"), ("amount", "0.000", "too_many_digits amount"),
        ("amount", "100e-3", "too_many_digits amount"), ("amount", "0e-3", "too_many_digits amount"),
        ("amount", "1000000000000.01", "amount_out_of_range amount"),
        ("amount", "1e300", "amount_out_of_range amount"),
        ("amount", "1e99999999999999999999", "amount_out_of_range amount"),
        ("amount", "123456789012345678901234567890", "amount_out_of_range amount"),
        ("currency", "\"CHF\"", "unknown_currency currency"),
        ("currency", "\"eur\"", "unknown_currency currency"), ("currency", "978", "wrong_field currency"),
    ])
    func refusesFieldsByReason(field: String, json: String?, expected: String) {
        #expect(read(purchase(field, json)) == Read(expected))
    }

    @Test func refusesLongIdentifiers() {
        func text(_ count: Int) -> String { "\"" + String(repeating: "x", count: count) + "\"" }
        #expect(read(purchase("customer_id", text(255))).text.hasPrefix("purchase"))
        #expect(read(purchase("customer_id", text(256))) == Read("customer_id_length customer_id"))
        #expect(read(purchase("event_id", text(1_024))).text.hasPrefix("purchase"))
        #expect(read(purchase("event_id", text(1_025))) == Read("event_id_length event_id"))
        #expect(read(purchase("order_id", text(1_025))) == Read("event_id_length order_id"))
        // Bytes count, not letters.
        #expect(
            read(purchase("customer_id", "\"" + String(repeating: "客", count: 86) + "\""))
                == Read("customer_id_length customer_id"))
    }

    @Test(arguments: [
        ("1e99", "time_out_of_range occurred_at"), ("-1e99", "time_out_of_range occurred_at"),
        ("1e-99999", "purchase c7 e1 o1 0 12345"), ("99999999999999999999", "time_out_of_range occurred_at"),
        ("7258118400", "time_out_of_range occurred_at"), ("7258118399.999", "purchase c7 e1 o1 7258118399999 12345"),
    ])
    func hugeTimesAreRefused(json: String, expected: String) {
        var mapping = Mapping.native(topic: "t")
        mapping.timeUnit = .seconds
        #expect(read(purchase("occurred_at", json), mapping) == Read(expected))
    }

    /// More digits than are counted, behind the point or before it.
    @Test(arguments: [
        ("1.0000000000000000001", "too_many_digits"), ("123456789012345678901e-30", "too_many_digits"),
        ("123456789012345678901", "amount_out_of_range"), ("1234567890123456789.01", "amount_out_of_range"),
        ("123456789012345678901e30", "amount_out_of_range"),
    ])
    func longAmountsAreRefusedForWhatIsWrong(json: String, reason: String) {
        #expect(read(purchase("amount", json)) == Read("\(reason) amount"))
    }

    @Test func aRefundNeedsItsOrder() {
        let refund = #"{"type":"refund","event_id":"r1","customer_id":"c7","occurred_at":"2026-11-23T10:00:00Z"}"#
        #expect(read(refund) == Read("missing_field order_id"))
    }

    @Test func aTombstoneIsSkipped() { #expect(read(nil as [UInt8]?) == Read("skipped")) }

    @Test func theLastOfTwoKeysCounts() {
        #expect(read(purchase().dropLast() + ",\"amount\":7}") == Read("purchase c7 e1 o1 1795428000123 700"))
        #expect(read(purchase().dropLast() + ",\"amount\":null}") == Read("missing_field amount"))
        let mapping = Mapping.debezium(topic: "t")
        #expect(read("{\"after\":\(purchase()),\"after\":{}}", mapping) == Read("missing_field type"))
        #expect(read("{\"after\":{},\"after\":\(purchase())}", mapping) == DecoderTests.good)
    }

    /// Keys are compared as they are written, and unescaped only where that finds none.
    @Test(arguments: [
        (#""event_\u0069d""#, #""\u0065vent_id""#), (#""ev\u0065nt_id""#, #""event_id""#),
        (#""event_id""#, #""event\u005fid""#),
    ])
    func findsKeysHoweverTheyAreWritten(first: String, last: String) {
        let rest = purchase("event_id").dropFirst().dropLast()
        #expect(read("{\(first):\"e0\",\(rest),\(last):\"e1\"}") == DecoderTests.good)
    }

    @Test func takesNoKeyForAnotherThatBeginsLikeIt() {
        let others = ["event_i", "event_id2", "event_id\\u0000", "event_id\\\"", "type2", "typ", ""]
        let fields = others.map { ",\"\($0)\":\"x\"" }.joined()
        #expect(read(purchase().dropLast() + fields + "}") == DecoderTests.good)
        #expect(read(purchase("event_id").dropLast() + fields + "}") == Read("missing_field event_id"))
        #expect(read(purchase().dropLast() + ",\"event_id\\x\":1}") == Read("not_json"))
    }

    /// A key is told by its ends, and one of more than 16 bytes by all of it: any single byte of it matters, and its length.
    @Test(arguments: 1...20)
    func everyByteOfAKeyMatters(length: Int) {
        let key = String(decoding: (0..<length).map { UInt8(ascii: "f") + UInt8($0) }, as: UTF8.self)
        var mapping = Mapping.native(topic: "t")
        mapping.fields[.eventID] = .pointers(["/" + key])
        #expect(read(purchase(key, "\"e1\""), mapping) == DecoderTests.good)
        for place in 0..<length {
            var other = Array(key.utf8)
            other[place] = UInt8(ascii: "Z")
            #expect(
                read(purchase(String(decoding: other, as: UTF8.self), "\"e1\""), mapping)
                    == Read("missing_field event_id"))
        }
        #expect(read(purchase(key + key.suffix(1), "\"e1\""), mapping) == Read("missing_field event_id"))
    }

    @Test func findsKeysThatCannotStandUnescaped() {
        var mapping = Mapping.native(topic: "t")
        mapping.fields[.eventID] = .pointers(["/a\"b\\c/\u{9}"])
        #expect(read(purchase("a\\\"b\\\\c", #"{"\t":"e1"}"#), mapping) == DecoderTests.good)
        #expect(read(purchase("a", #"{"\t":"e1"}"#), mapping) == Read("missing_field event_id"))
    }

    @Test func everyReasonHasItsOwnName() {
        #expect(Set(RejectionReason.allCases.map(\.name)).count == RejectionReason.allCases.count)
        #expect(Set(RejectionReason.allCases.map(\.message)).count == RejectionReason.allCases.count)
    }
}
