// What fits together, and why the rest is refused where the rule is read.
import Model
import Rules
import Testing

@Suite struct CheckerTests {
    @Test func refusesWhatDoesNotFit() {
        expectProblem("§recency", "the rule is a number, not a condition: compare it with something")
        expectProblem("§idle", "the rule is a duration, not a condition: compare it with something")
        expectProblem("§tier", "the rule is a text, not a condition: compare it with something")
        expectProblem("§spend_total && true", "'&&' wants a condition, and this is an amount of money")
        expectProblem("true || §recency", "'||' wants a condition, and this is a number")
        expectProblem("!§recency < 3", "'!' wants a condition, and this is a number")
        expectProblem("-§true", "'-' wants a number, and this is a condition")
        expectProblem("-§tier == 'lost'", "'-' wants a number, and this is a text")
        expectProblem("recency §< 3d", "'<' compares like with like, and these are a number and a duration")
        expectProblem("idle §>= 3", "'>=' compares like with like, and these are a duration and a number")
        expectProblem(
            "spend_total §> orders_total", "'>' compares like with like, and these are an amount of money and a number")
        expectProblem("tier §== 3", "'==' compares like with like, and these are a text and a number")
        expectProblem("(1 < 2) §== (2 < 3)", "conditions are joined with '&&' and '||', not compared with '=='")
        expectProblem("tier §< \"lost\"", "texts are compared with '==' and '!=' only")
        expectProblem(
            "tier == §\"gold\"", "the ladder 'tier' has no rung \"gold\"; it has high_value, potential, lost, ordinary")
        expectProblem(
            "§\"gold\" != tier", "the ladder 'tier' has no rung \"gold\"; it has high_value, potential, lost, ordinary")
        expectProblem("typical_gap §+ 3 > 3d", "'+' joins like with like, and these are a duration and a number")
        expectProblem("tier §- tier == tier", "'-' joins like with like, and these are a text and a text")
        expectProblem(
            "spend_total §* spend_total > 3",
            "'*' wants a number and a number, money or duration, and these are an amount of money and an amount of money"
        )
        expectProblem(
            "typical_gap §* spend_total > 3",
            "'*' wants a number and a number, money or duration, and these are a duration and an amount of money")
        expectProblem(
            "orders_total §/ spend_total > 3",
            "'/' divides by a number, or like by like, and these are a number and an amount of money")
        expectProblem(
            "spend_total §/ typical_gap > 3",
            "'/' divides by a number, or like by like, and these are an amount of money and a duration")
        expectProblem(
            "true §/ 3 > 3", "'/' divides by a number, or like by like, and these are a condition and a number")
    }

    @Test func refusesWindowsThatAreNone() {
        let window = "a window is whole days, 1d to \(Limits.windowDays)d"
        expectProblem("§orders(36h) > 1", window)
        expectProblem("§orders(0d) > 1", window)
        expectProblem("1 < 2 && §spend(1101d) > 1", window)
        expectProblem(
            "§activity(8d) > 1",
            "activity is kept for the half-lives of activity.half_lives only: activity(7d) and activity(28d)")
        let windows = (1...Limits.windows).map { "orders(\($0)d) > 0" }.joined(separator: " && ")
        expectProblem(windows + " && §orders(99d) > 0", "there are more than \(Limits.windows) different windows")
        #expect(problem(windows + " && spend(1d) > 0 && orders(1100d) >= 0") != nil)
        #expect(problem(windows + " && spend(48h) > 0") == nil, "48h is the window of 2d")
    }

    @Test func refusesWhatCannotBePredicted() {
        let start = "the instant at which this changes cannot be computed: "
        expectProblem(
            "recency < §recency + 1",
            start + "'recency' and 'recency' both change with time; compare each with something that does not")
        expectProblem(
            "idle < 3 * §since_order",
            start + "'idle' and 'since_order' both change with time; compare each with something that does not")
        expectProblem(
            "activity(7d) + §activity(28d) < 1",
            start + "'activity' and 'activity' both change with time; compare each with something that does not")
        expectProblem("10 §/ recency < 1", start + "'recency' changes with time and it stands below a division")
        expectProblem(
            "30d §/ since_order < 1", start + "'since_order' changes with time and it stands below a division")
        expectProblem(
            "activity_trend §== 1",
            start + "'activity_trend' changes with time and never stays equal to anything: use '<' or '>='")
        expectProblem(
            "1 §!= activity(7d)",
            start + "'activity' changes with time and never stays equal to anything: use '<' or '>='")
    }

    @Test(arguments: [
        "orders(90d) >= 5 && average_order(90d) >= 100", "recency < 30 || (orders_total == 0 && idle < 30d)",
        "since_order > 3 * typical_gap && orders_total >= 3", "since_order / typical_gap > 3", "100 <= spend_total",
        "spend(90d) / 2 > 50.5", "1000 - spend_total > 0", "spend(30d) / spend(90d) < 0.5",
        "idle * 2 > typical_gap + 3d",
        "-recency > -30", "activity_trend / 2 < 0.25", "recency * orders_total < 1000", "(idle + 1d) * 2 > 60d",
        "tier == \"lost\" && 'ordinary' != tier", "typical_gap / 1d > 30", "idle / 1d == 30",
        "30 > recency - orders(90d)",
        "average_order(90d) > average_order(30d) * 1.5",
    ])
    func accepts(rule: String) {
        #expect(problem(rule) == nil)
    }
}
