"""When may silence change something? Every instant at which a comparison may turn over, found by trying."""
from fractions import Fraction
from math import floor

from business_days import NEVER
from rules import RuleError


def instants(facts, config, days):
    """After `facts.t`, in order. Behind the last one they are to be looked for again."""
    edges = [days.begins(order.day + window) for order in facts.counted for window in config.windows]
    if any(len(timed) > 1 for timed, _, _ in config.comparisons):
        edges.append(days.next_change(facts.t))
    edge = min((e for e in edges if e > facts.t), default=NEVER)
    found = {edge}
    for timed, value, difference in config.comparisons:
        if "day" in timed:
            root = zero(lambda day: difference(facts.moved(facts.t, day)), facts.day)
            found.update(days.begins(day) for day in neighbours(root))
        if "ms" in timed:
            root = zero(lambda t: difference(facts.moved(t, facts.day)), facts.t)
            found.update(neighbours(root))
        if "decay" in timed:
            found.add(flip(lambda t: value(facts.moved(t, facts.day)), facts.t, min(edge, horizon(facts, config))))
    return sorted(i for i in found if facts.t < i <= edge)


def zero(difference, here):
    """Where a linear function is 0; None if it nowhere is, or is absent."""
    values = [difference(here + step) for step in range(3)]
    if None in values:
        return None
    slope = values[1] - values[0]
    if values[2] - values[1] != slope:
        raise RuleError("the oracle only solves what is linear in time")
    return None if slope == 0 else here - Fraction(values[0]) / slope


def neighbours(root):
    """The whole numbers at which a comparison may turn over: from the root on, or just behind it."""
    return [] if root is None else [floor(root), floor(root) + 1]


def horizon(facts, config):
    """Nine hundred half-lives on nothing is left of any click."""
    return facts.t + 900 * min(config.half_lives)


def flip(value, start, end):
    """The first instant after `start` with another value than there, for a value that turns over at most once."""
    before = value(start)
    if value(end) == before:
        return NEVER
    while end - start > 1:
        middle = (start + end) // 2
        if value(middle) == before:
            start = middle
        else:
            end = middle
    return end
