// How a rule is read: precedence, and that every mistake is told with its place and what was expected.
import Model
import Rules
import SlowRules
import Testing

func problem(_ rule: String) -> RuleProblem? {
    var scope = scope()
    do throws(RuleProblem) { _ = try CompiledRule(rule, scope: &scope) } catch { return error }
    return nil
}

/// `§` in the rule marks where the mistake is.
func expectProblem(_ marked: String, _ message: String, sourceLocation: SourceLocation = #_sourceLocation) {
    let offset = Array(marked.utf8).firstRange(of: Array("§".utf8))?.lowerBound
    let found = problem(marked.replacing("§", with: ""))
    #expect(
        found == offset.map { RuleProblem(offset: $0, message: message) }, "\(marked)", sourceLocation: sourceLocation)
}

@Suite struct ParserTests {
    /// Constant rules: what they are worth shows how they were grouped.
    @Test(arguments: [
        ("true || true && false", true), ("(true || true) && false", false), ("!false && false", false),
        ("!(false && false)", true), ("1 + 2 * 3 == 7", true), ("(1 + 2) * 3 == 9", true), ("10 - 4 - 3 == 3", true),
        ("10 - (4 - 3) == 9", true), ("12 / 3 / 2 == 2", true), ("12 / (3 / 2) == 8", true), ("7 / 2 == 3.5", true),
        ("-2 * -3 == 6", true), ("- 2 + 3 == 1", true), ("2 * 3 < 7 && 7 < 2 * 4", true),
        ("1 < 2 == false || true", true),
        ("!!true", true), ("2-1==1", true), ("90d == 90 * 24h", true), ("1w == 7d && 1d == 24h && 1h == 60m", true),
        ("1m == 60s && 1s == 1000ms", true), ("1d / 1h == 24", true), ("0.1 + 0.2 == 0.3", true),
        ("1 / 3 * 3 == 1", true),
        ("1 / 0 == 0 || 1 / 0 != 0", false), ("\"a\" == 'a'", true), ("\"a\" != \"b\"", true),
        ("1 != 1 || 2 >= 2", true),
        ("\t1\n<\r2 ", true),
    ])
    func groups(rule: String, expected: Bool) throws {
        if rule.contains("== false") {
            #expect(problem(rule)?.message.contains("do not chain") == true)
            return
        }
        var scope = scope()
        let compiled = try CompiledRule(rule, scope: &scope)
        let customer = Customer(zone: .utc)
        customer.withFeatures(at: 0, scope: scope) { features, constants in
            #expect(compiled.holds(features, constants) == expected, "\(rule)")
            #expect(compiled.outlook(features, constants).until == .max)
        }
    }

    @Test func tellsWhereAndWhatWasExpected() {
        expectProblem("§", "the rule is empty: write a condition or 'true'")
        expectProblem("recency <§", "expected a feature, a number, a text or '(', found the end of the rule")
        expectProblem("(recency < 3§", "expected ')', found the end of the rule")
        expectProblem("recency < 3§)", "expected an operator or the end of the rule, found ')'")
        expectProblem("recency < 3 §4", "expected an operator or the end of the rule, found '4'")
        expectProblem("recency < 3 §idle", "expected an operator or the end of the rule, found 'idle'")
        expectProblem("recency §= 3", "'=' is not an operator: write '=='")
        expectProblem("recency < 3 §& idle < 3d", "write '&&'")
        expectProblem("recency < 3 §| idle < 3d", "write '||'")
        expectProblem("recency §% 2 == 0", "'%' does not belong in a rule")
        expectProblem("recency < §€3", "'€' does not belong in a rule")
        expectProblem(
            "tier == §'€' || €", "the ladder 'tier' has no rung \"€\"; it has high_value, potential, lost, ordinary")
        expectProblem("1 < 2 §< 3", "comparisons do not chain: join two of them with '&&'")
        expectProblem("idle < 3§x", "'x' is no unit of time: write one of ms, s, m, h, d, w after the number")
        expectProblem("idle < §1.5d", "a duration is a whole number and a unit, such as 36h")
        expectProblem("idle < §99999999999d", "the duration is too long: at most 365000d")
        expectProblem("idle < §365001d", "the duration is too long: at most 365000d")
        #expect(problem("idle < 365000d") == nil)
        expectProblem("idle < §99999999999999999999d", "a duration is a whole number and a unit, such as 36h")
        expectProblem("orders_total < §1234567890123456789", "the number has too many digits: at most 18 count")
        expectProblem("orders_total < §0.1234567890123456789", "the number has too many digits: at most 18 count")
        expectProblem("tier == §\"lost", "the text that begins here has no end")
        expectProblem("tier == \"lo§\\\"st\"", "a text in a rule has no escapes")
        expectProblem("orders §>= 3", "'orders' needs its window, such as orders(90d)")
        expectProblem("orders(§90) >= 3", "expected a duration such as 90d, found '90'")
        expectProblem("orders(90d §>= 3", "expected ')', found '>='")
        expectProblem("recency§(90d) >= 3", "'recency' takes no window")
        expectProblem(
            "§lifecycle == \"new\"",
            "the ladder 'lifecycle' is not decided yet here: a rule may only use ladders before its own")
        expectProblem(
            "§rcency < 3",
            "'rcency' is no feature; there are orders, spend, average_order, orders_total, spend_total, recency, idle, since_order, typical_gap, activity, activity_trend, tier"
        )
        expectProblem(
            String(repeating: "(", count: 64) + "§(true", "the rule is nested more than 64 deep")
        expectProblem("§" + String(repeating: " ", count: 2_049), "a rule has at most 2048 bytes")
    }

    @Test func placesCountBytes() {
        #expect(problem("tier == '€€€'")?.offset == 8)
        #expect(problem("recency < 3 || 'é' == 3")?.offset == 20)
    }
}
