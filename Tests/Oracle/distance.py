"""How far a customer is from the rungs above and below his own: docs/events.md."""
from fractions import Fraction

LARGEST = 2 ** 63 - 1


def distance(facts, rungs, place):
    """`rungs` are (name, rule) from the top, `place` is his."""
    above = neighbour(facts, rungs[place - 1][0], rungs[place - 1][1]) if place > 0 else None
    below = neighbour(facts, rungs[place + 1][0], rungs[place][1]) if place + 1 < len(rungs) else None
    return {"next": above, "previous": below}


def neighbour(facts, name, rule):
    return {"rung": name, "expression": rule.text, "conditions": [told(facts, condition) for condition in rule.conditions]}


def told(facts, condition):
    exponent = facts.config.exponent
    return {"condition": condition.text, "value": shown(condition.value(facts), condition.unit, exponent),
            "threshold": shown(condition.threshold(facts), condition.unit, exponent), "unit": condition.unit,
            "holds": condition.holds(facts)}


def shown(value, unit, exponent):
    """None: absent, or more than 64 bits hold in the unit's smallest part. Python's round is half to even."""
    if value is None or unit == "text":
        return value
    places = {"number": 6, "money": exponent, "duration": 0}[unit]
    # A double may be larger than any number of the others, or have lost its way.
    if isinstance(value, float) and not abs(value) < 1e300:
        return None
    scaled = round(Fraction(value) * 10 ** places)
    if abs(scaled) > LARGEST:
        return None
    if unit == "money":
        return money(scaled, exponent)
    return scaled // 10 ** places if scaled % 10 ** places == 0 else scaled / 10 ** places


def money(minor, exponent):
    """Minor units as text with the currency's digits."""
    whole, rest = divmod(abs(minor), 10 ** exponent)
    return ("-" if minor < 0 else "") + (f"{whole}.{rest:0{exponent}}" if exponent else str(whole))
