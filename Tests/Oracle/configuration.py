"""The few settings that the oracle knows, read from JSON, and the same settings as rfmd's own file."""
import json
from dataclasses import dataclass, field

from events import EXPONENTS
from rules import Rule, parse_duration

# The preset `four-tier` (docs/rules.md).
FOUR_TIER = {
    "ladders": [
        {"name": "tier", "rungs": [
            {"name": "high_value", "when": "orders(90d) >= 5 && average_order(90d) >= 100"},
            {"name": "potential", "when": "recency < 30 || (orders_total == 0 && idle < 30d)"},
            {"name": "lost", "when": "recency >= 90 || (orders_total == 0 && idle >= 90d)"},
            {"name": "ordinary"}]},
        {"name": "lifecycle", "rungs": [
            {"name": "prospect", "when": "orders_total == 0"},
            {"name": "new", "when": "orders_total == 1 && recency < 30"},
            {"name": "active", "when": "recency < 90"},
            {"name": "dormant", "when": "recency < 180"},
            {"name": "churned"}]},
    ],
    "warnings": [
        {"name": "slipping", "severity": "low",
         "when": "activity_trend < 0.5 && recency >= 14 && orders_total >= 2"},
        {"name": "overdue", "severity": "medium", "when": "since_order > 3 * typical_gap && orders_total >= 3"},
    ],
}


@dataclass
class Ladder:
    name: str
    rungs: list  # (name, Rule or None for the last)


@dataclass
class Warning:
    name: str
    severity: str
    rule: Rule
    cooldown: int


@dataclass
class Configuration:
    """What the oracle computes by. `given` is the JSON it was read from."""
    given: dict
    zone: str = "UTC"
    currency: str = "CNY"
    rates: dict = field(default_factory=dict)
    add_lines: bool = False
    click_dedup: int = 0
    half_lives: tuple = (604_800_000, 2_419_200_000)
    ladders: list = field(default_factory=list)
    warnings: list = field(default_factory=list)
    windows: list = field(default_factory=list)

    @property
    def exponent(self):
        return EXPONENTS[self.currency]

    @property
    def longest_window(self):
        return max([90] + self.windows)


def configure(given):
    """Keys: zone, currency, rates, same_order, click_dedup, half_lives, ladders, warnings. All have defaults."""
    config = Configuration(given, zone=given.get("zone", "UTC"), currency=given.get("currency", "CNY"),
                           rates=given.get("rates", {}), add_lines=given.get("same_order") == "add")
    if "click_dedup" in given:
        config.click_dedup = parse_duration(given["click_dedup"])
    if "half_lives" in given:
        config.half_lives = tuple(sorted(parse_duration(text) for text in given["half_lives"]))
    rules = []

    def rule(text):
        rules.append(Rule(text, [ladder.name for ladder in config.ladders]))
        return rules[-1]

    for ladder in merged("ladders", given):
        rungs = [(rung["name"], rule(rung["when"]) if "when" in rung else None) for rung in ladder["rungs"]]
        config.ladders.append(Ladder(ladder["name"], rungs))
    for warning in merged("warnings", given):
        cooldown = parse_duration(warning.get("cooldown", "7d"))
        config.warnings.append(Warning(warning["name"], warning["severity"], rule(warning["when"]), cooldown))
    config.windows = sorted(set().union(*(r.windows for r in rules))) or [90]
    config.comparisons = [comparison for r in rules for comparison in r.comparisons]
    return config


def merged(key, given):
    """The preset's, those of the same name replaced in their place, the others behind them."""
    found = {item["name"]: item for item in FOUR_TIER[key]}
    found.update((item["name"], item) for item in given.get(key, []))
    return list(found.values())


def rfmd_yaml(given):
    """The same settings as rfmd's configuration file; YAML reads JSON."""
    topic = {"topic": "events", "same_order": given.get("same_order", "ignore")}
    if "click_dedup" in given:
        topic["click_dedup"] = given["click_dedup"]
    document = {
        "kafka": {"bootstrap": "localhost:9092"}, "inputs": [topic],
        "time": {"zone": given.get("zone", "UTC"), "clock": "event"},
        "money": {"currency": given.get("currency", "CNY"), "rates": given.get("rates", {})},
        "ladders": given.get("ladders", []), "warnings": given.get("warnings", []),
    }
    if "half_lives" in given:
        document["activity"] = {"half_lives": given["half_lives"]}
    return json.dumps(document, indent=1, ensure_ascii=False)
