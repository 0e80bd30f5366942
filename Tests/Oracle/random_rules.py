"""Random rules and configurations, from one seed: every feature and operator of the rule language."""
from events import EXPONENTS

WINDOWS = ["1d", "2d", "7d", "30d", "6w", "90d", "180d", "48h", "365d", "1100d"]
ZONES = ["UTC", "Europe/Berlin", "America/Santiago", "Asia/Shanghai", "Pacific/Apia", "Africa/Monrovia",
         "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Beirut",
         "Africa/Casablanca", "Pacific/Kiritimati", "Asia/Tehran", "Europe/Dublin"]
ORDERINGS = ["<", "<=", ">", ">="]
EQUALITIES = ["==", "!="]


class RuleMaker:
    """Makes rules that rfmd must accept (docs/rules.md, what is refused): in a comparison at most one feature that
    time changes, multiplied or divided by what time does not change."""

    def __init__(self, random, half_lives):
        self.random, self.half_lives, self.ladders = random, half_lives, {}

    def rule(self, depth=2):
        choice = self.random.random()
        if depth == 0 or choice < 0.3:
            return self.comparison()
        if choice < 0.55:
            return f"{self.rule(depth - 1)} && {self.rule(depth - 1)}"
        if choice < 0.8:
            return f"{self.rule(depth - 1)} || {self.rule(depth - 1)}"
        if choice < 0.97:
            return f"{self.random.choice(['!', '', '!!'])}({self.rule(depth - 1)})"
        return self.random.choice(["true", "false", "!true"])

    def comparison(self):
        choice = self.random.random()
        if self.ladders and choice < 0.15:
            name = self.random.choice(sorted(self.ladders))
            sides = [name, f'"{self.random.choice(self.ladders[name])}"']
            self.random.shuffle(sides)
            return self.random.choice(EQUALITIES).join(sides)
        if choice < 0.3:
            return self.activity()
        if choice < 0.4:
            return self.further()
        kind = self.random.choice(["number", "number", "money", "duration", "duration"])
        return self.sides(self.moving(kind), getattr(self, kind)(2), ORDERINGS * 3 + EQUALITIES)

    def sides(self, left, right, operators):
        if self.random.random() < 0.3:
            left, right = right, left
        return f"{left} {self.random.choice(operators)} {right}"

    def activity(self):
        feature = self.random.choice(["activity_trend"] + [f"activity({h})" for h in self.half_lives])
        if self.random.random() < 0.3:
            feature = self.random.choice(["2 * {}", "{} / 3", "{} * orders_total", "{} / (orders_total - 1)"])\
                .format(feature)
        # No threshold that clicks reach exactly: which side of it a sum of powers falls on is nobody's promise.
        return self.sides(feature, self.random.choice(["0.37", "0.513", "0.73", "1.37", "2.61", "(orders_total + 1) * 0.83"]),
                          ORDERINGS)

    def further(self):
        """Beyond that, rfmd takes: sums with what time changes, several windows, signs."""
        a, b = self.random.sample(WINDOWS, 2)
        left, right = self.random.choice([
            ("recency", f"orders({a})"), (f"recency + orders({a})", "5"), ("recency - orders_total", "12"),
            ("-recency", "-20"), ("-(recency - 3) * 2", "-40.5"), ("2 * recency - 1", "orders_total * 30"),
            ("idle - 3d", "1h"), ("(since_order - typical_gap) / typical_gap", "1.5"), ("36h - idle", "-typical_gap"),
            (f"spend({a}) - spend({b})", "100"), (f"spend({a}) / spend({b})", "0.5"), (f"spend({a})", f"spend({b})"),
            (f"average_order({a})", f"average_order({b})"), (f"orders({a}) + orders({b}) * 2", "7"),
            (f"spend({a}) / orders({b})", "60"), (f"activity({self.half_lives[0]}) + 1", "2.37"),
            ("1 - activity_trend", "0.513"), ("-activity_trend", "-0.73")])
        exact = EQUALITIES if "activity" not in left else []
        return self.sides(left, right, ORDERINGS + exact)

    def moving(self, kind):
        """A feature of this kind that time changes, as the whole side of a comparison."""
        window = self.random.choice(WINDOWS)
        if kind == "money":
            feature = self.random.choice([f"spend({window})", f"spend({window})", f"average_order({window})",
                                          "spend_total"])
            return self.random.choice(["{}", "{}", "{} * {n}", "{n} * {}", "{} / {n}"])\
                .format(feature, n=self.factor())
        if kind == "duration":
            feature = self.random.choice(["idle", "since_order", "since_order"])
            return self.random.choice(["{}", "{}", "{} * {n}", "{n} * {}", "{} / {n}"])\
                .format(feature, n=self.factor())
        return self.random.choice([
            "recency", "recency", "recency * {n}", "recency / {n}", f"orders({window})", f"orders({window}) * {{n}}",
            "idle / {d}", "since_order / {d}", f"spend({window}) / {{m}}", "orders_total"])\
            .format(n=self.factor(), d=self.duration(0), m="spend_total")

    def factor(self):
        return self.random.choice(["2", "0.5", "3", "1.25", "orders_total", "(orders_total - 2)", "0", "(1 - 3)",
                                   "(orders_total / 3)", "(typical_gap / 7d)"])

    # What time does not change.
    def number(self, depth):
        choice = self.random.random()
        if depth == 0 or choice < 0.5:
            return self.random.choice(["0", "1", "2", "3", "5", "14", "30", "31", "90", "7.5", "0.25", "orders_total"])
        if choice < 0.8:
            return f"{self.number(depth - 1)} {self.random.choice('+-*/')} {self.number(depth - 1)}"
        if choice < 0.9:
            return f"({self.duration(0)} / {self.duration(0)})"
        return f"({self.number(depth - 1)} - {self.number(depth - 1)}) * {self.number(0)}"

    def money(self, depth):
        choice = self.random.random()
        if depth == 0 or choice < 0.5:
            return self.random.choice(["0", "1", "12.5", "100", "99.99", "250", "1000", "spend_total"])
        if choice < 0.7:
            return f"spend_total {self.random.choice('+-')} {self.money(depth - 1)}"
        return f"spend_total {self.random.choice(['*', '/'])} {self.factor()}"

    def duration(self, depth):
        choice = self.random.random()
        if depth == 0 or choice < 0.5:
            return self.random.choice(["1d", "30d", "36h", "90m", "45s", "1500ms", "2w", "90d", "typical_gap",
                                       "typical_gap"])
        if choice < 0.75:
            return f"{self.duration(0)} {self.random.choice('+-')} {self.duration(depth - 1)}"
        return self.random.choice(["{f} * {d}", "{d} * {f}", "{d} / {f}"]).format(d=self.duration(0), f=self.factor())


def configuration(random):
    """The oracle's settings (configuration.py): sometimes the preset as it is, mostly with rules of its own."""
    given = {"zone": random.choice(ZONES), "currency": random.choice(["CNY", "EUR", "JPY", "KWD"])}
    given["rates"] = {code: random.choice(["7.10", "0.5", "0.125", "1", "6.335", "0.0621"])
                      for code in random.sample(sorted(EXPONENTS), 2) if code != given["currency"]}
    given["same_order"] = random.choice(["ignore", "add", "add"])
    if random.random() < 0.4:
        given["click_dedup"] = random.choice(["10m", "1d", "500ms"])
    half_lives = ["7d", "28d"]
    if random.random() < 0.5:
        half_lives = given["half_lives"] = random.choice([["3d", "10d"], ["12h", "90d"], ["1h", "2h"], ["30d", "365d"]])
    if random.random() < 0.1:
        return given
    maker = RuleMaker(random, half_lives)
    given["ladders"] = [ladder(maker, name) for name in ("tier", "lifecycle", "mood", "risk")
                        if random.random() < 0.7 or replaced(maker, name)]
    given["warnings"] = [
        {"name": name, "severity": random.choice(["low", "medium", "high"]), "when": maker.rule(random.choice([0, 1, 2])),
         "cooldown": random.choice(["1h", "1d", "7d", "30d", "90s", "1ms", "400d"])}
        for name in ("slipping", "overdue", "quiet", "gone", "odd") if random.random() < 0.7]
    return given


def replaced(maker, name):
    """The preset's ladder stays: later rules may name its rungs."""
    rungs = {"tier": ["high_value", "potential", "lost", "ordinary"],
             "lifecycle": ["prospect", "new", "active", "dormant", "churned"]}
    if name in rungs:
        maker.ladders[name] = rungs[name]
    return False


def ladder(maker, name):
    names = [f"{name}_{i}" for i in range(maker.random.randint(2, 5))]
    rungs = [{"name": rung, "when": maker.rule(maker.random.choice([0, 1, 2, 3]))} for rung in names[:-1]]
    maker.ladders[name] = names
    return {"name": name, "rungs": rungs + [{"name": names[-1]}]}
