// How events tell the values of an effect's conditions: each unit, at its edges, as JSON.
import Codec
import Model
import Rules
import Testing

@Suite struct DistanceTests {
    private static func rules(exponent: Int) throws -> Ruleset {
        let first = LadderSource(
            name: "grade",
            rungs: [
                .init(name: "up", rule: "orders_total > 1 && spend_total > 1"), .init(name: "mid", rule: "idle > 1d"),
                .init(name: "free", rule: "true"), .init(name: "down", rule: nil),
            ])
        let second = LadderSource(
            name: "mood", rungs: [.init(name: "good", rule: "grade\n== \"up\""), .init(name: "bad", rule: nil)])
        return try Ruleset(
            ladders: [first, second], warnings: [], zone: .utc, currencyExponent: exponent, halfLives: [1, 2])
    }

    /// `distance` of a change to `rung`, as the encoder writes it for these conditions.
    private static func distance(
        _ rules: Ruleset, ladder: Int, rung: Int, next: [EffectCondition], previous: [EffectCondition]
    ) throws -> String {
        let effects = ByteBuffer()
        var name = rules.ladders[ladder].source.name
        var to = rules.ladders[ladder].source.rungs[rung].name
        name.withUTF8 { name in
            to.withUTF8 { to in
                let empty = UnsafeRawBufferPointer(start: nil, count: 0)
                [(orders: Int64(0), spend: Int64(0))].withUnsafeBufferPointer {
                    effects.appendEffect(
                        .rungChanged, cause: .deadline, rung: UInt8(rung), decidedAt: 0, raisedAt: 0, recency: -1,
                        windows: $0, name: UnsafeRawBufferPointer(name), from: empty, to: UnsafeRawBufferPointer(to),
                        customer: empty, event: empty)
                }
            }
        }
        for conditions in [next, previous] {
            effects.appendConditionCount(conditions.count)
            for condition in conditions { effects.append(condition) }
        }
        var reader = ByteReader(effects.bytes)
        let text = ByteBuffer()
        EventEncoder(source: "/rfmd/c/g", rules: rules, version: .zero).appendData(try reader.readEffect(), to: text)
        let json = String(decoding: text.bytes, as: UTF8.self)
        let start = try #require(json.firstRange(of: ",\"distance\":"))
        let end = try #require(json.firstRange(of: ",\"rules_version\""))
        return String(json[start.upperBound..<end.lowerBound])
    }

    @Test(
        arguments: [
            (0, "0"), (3_000_000, "3"), (-500_000, "-0.5"), (1, "0.000001"), (-1, "-0.000001"), (10, "0.00001"),
            (1_234_567, "1.234567"), (10_000_000, "10"), (.max, "9223372036854.775807"),
            (-.max, "-9223372036854.775807"),
            (nil, "null"),
        ] as [(Int64?, String)])
    func numbers(millionths: Int64?, expected: String) throws {
        let rules = try DistanceTests.rules(exponent: 2)
        let number = EffectCondition(holds: true, value: millionths, threshold: 1_000_000)
        let money = EffectCondition(holds: false, value: -5, threshold: nil)
        #expect(
            try DistanceTests.distance(
                rules, ladder: 0, rung: 0, next: [], previous: [number, money])
                    == """
                    {"next":null,"previous":{"rung":"mid","expression":"orders_total > 1 && spend_total > 1","conditions":[\
                    {"condition":"orders_total > 1","value":\(expected),"threshold":1,"unit":"number","holds":true},\
                    {"condition":"spend_total > 1","value":"-0.05","threshold":null,"unit":"money","holds":false}]}}
                    """)
    }

    @Test(arguments: [(0, "9223372036854775807", "0"), (3, "9223372036854775.807", "0.000")])
    func moneyHasTheCurrencysDigits(exponent: Int, value: String, threshold: String) throws {
        let rules = try DistanceTests.rules(exponent: exponent)
        let number = EffectCondition(holds: false, value: nil, threshold: nil)
        let money = EffectCondition(holds: true, value: .max, threshold: 0)
        let day = EffectCondition(holds: true, value: -.max, threshold: 86_400_000)
        #expect(
            try DistanceTests.distance(rules, ladder: 0, rung: 1, next: [number, money], previous: [day])
                == """
                {"next":{"rung":"up","expression":"orders_total > 1 && spend_total > 1","conditions":[\
                {"condition":"orders_total > 1","value":null,"threshold":null,"unit":"number","holds":false},\
                {"condition":"spend_total > 1","value":"\(value)","threshold":"\(threshold)","unit":"money","holds":true}]},\
                "previous":{"rung":"free","expression":"idle > 1d","conditions":[\
                {"condition":"idle > 1d","value":-9223372036854775807,"threshold":86400000,"unit":"duration","holds":true}]}}
                """)
    }

    /// Of a rule without comparisons there is nothing to say, but a rung there is.
    @Test func textsAndRulesWithoutComparisons() throws {
        let rules = try DistanceTests.rules(exponent: 2)
        let day = EffectCondition(holds: false, value: 1, threshold: 2)
        #expect(
            try DistanceTests.distance(rules, ladder: 0, rung: 2, next: [day], previous: [])
                == """
                {"next":{"rung":"mid","expression":"idle > 1d","conditions":[\
                {"condition":"idle > 1d","value":1,"threshold":2,"unit":"duration","holds":false}]},\
                "previous":{"rung":"down","expression":"true","conditions":[]}}
                """)
        #expect(
            try DistanceTests.distance(rules, ladder: 0, rung: 3, next: [], previous: [])
                == "{\"next\":{\"rung\":\"free\",\"expression\":\"true\",\"conditions\":[]},\"previous\":null}")
        let (up, down) = (
            try #require(rules.texts.firstIndex(of: "up")), try #require(rules.texts.firstIndex(of: "down"))
        )
        let text = EffectCondition(holds: false, value: Int64(down), threshold: Int64(up))
        #expect(
            try DistanceTests.distance(rules, ladder: 1, rung: 1, next: [text], previous: [])
                == """
                {"next":{"rung":"good","expression":"grade\\n== \\"up\\"","conditions":[\
                {"condition":"grade\\n== \\"up\\"","value":"down","threshold":"up","unit":"text","holds":false}]},"previous":null}
                """)
    }
}
