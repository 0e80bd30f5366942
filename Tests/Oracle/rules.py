"""The rule language: text to a checked, callable rule that can say when time alone may change its value."""
import re
from dataclasses import dataclass
from fractions import Fraction

UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
TOKEN = re.compile(
    r'\s*(?:(?P<duration>\d+(?:ms|[smhdw])\b)|(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_]\w*)'
    r'|(?P<text>"[^"]*"|\'[^\']*\')|(?P<op>&&|\|\||==|!=|<=|>=|[<>!()+\-*/,]))')
PLAIN = {"orders_total": "number", "recency": "number", "activity_trend": "number", "spend_total": "money",
         "idle": "duration", "since_order": "duration", "typical_gap": "duration"}
CALLS = {"orders": "number", "spend": "money", "average_order": "money", "activity": "number"}
TIMED = {"recency": "day", "idle": "ms", "since_order": "ms", "activity_trend": "decay", "activity": "decay"}


class RuleError(Exception):
    """The rule is not one of the language."""


class Node:
    """A typed expression: `value(facts)` is its value, None when absent; `timed` says what time does to it; `fixed`:
    it is the same for every customer, at any time."""

    def __init__(self, type, value, timed=frozenset(), literal=False, fixed=False):
        self.type, self.value, self.timed, self.literal, self.fixed = type, value, timed, literal, fixed


@dataclass
class Condition:
    """One comparison as it is written, and its sides: what the customer has, and what that is compared with."""
    text: str
    unit: str
    value: object
    threshold: object
    holds: object


def parse_duration(text):
    match = re.fullmatch(r"(\d+)(ms|[smhdw])", text)
    if not match:
        raise RuleError(f"not a duration: {text}")
    return int(match[1]) * UNITS[match[2]]


class Rule:
    """One parsed rule. `comparisons` are all comparisons in it whose outcome time alone can change, `conditions` all
    of them as they are written."""

    def __init__(self, text, ladders=()):
        self.text = text
        self.windows, self.comparisons, self.ladders, self.conditions = set(), [], ladders, []
        self.tokens, self.places, self.at = [], [], 0
        position = 0
        while position < len(text.rstrip()):
            match = TOKEN.match(text, position)
            if not match:
                raise RuleError(f"unexpected at {position}: {text[position:]}")
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            self.places.append(match.span(match.lastgroup))
            position = match.end()
        node = self._or()
        if self.at != len(self.tokens):
            raise RuleError(f"unexpected: {self.tokens[self.at][1]}")
        self._want(node, "bool")
        self.holds = node.value

    # Precedence as in CEL, from the loosest: ||, &&, comparisons, + -, * /, ! and the sign.
    def _or(self):
        node = self._and()
        while self._take("||"):
            node = self._logic(node, self._and(), lambda a, b: lambda f: a(f) or b(f))
        return node

    def _and(self):
        node = self._comparison()
        while self._take("&&"):
            node = self._logic(node, self._comparison(), lambda a, b: lambda f: a(f) and b(f))
        return node

    def _logic(self, left, right, make):
        self._want(left, "bool")
        self._want(right, "bool")
        return Node("bool", make(left.value, right.value))

    def _comparison(self):
        start, node = self.at, self._sum()
        while (operator := self._take("==", "!=", "<", "<=", ">", ">=")):
            left, right = node, self._sum()
            node = self._compare(operator, left, right)
            text = self.text[self.places[start][0]:self.places[self.at - 1][1]]
            turned = left.fixed and not right.fixed
            value, threshold = (right, left) if turned else (left, right)
            unit = "money" if "money" in (left.type, right.type) else left.type
            self.conditions.append(Condition(text, unit, value.value, threshold.value, node.value))
        return node

    def _compare(self, operator, left, right):
        if not self._alike(left, right) or left.type == "bool":
            raise RuleError(f"{left.type} {operator} {right.type}")
        if left.type == "text" and operator not in ("==", "!="):
            raise RuleError("a text only knows == and !=")
        test = COMPARE[operator]
        a, b = left.value, right.value

        def value(facts):
            x, y = a(facts), b(facts)
            return x is not None and y is not None and test(x, y)

        timed = left.timed | right.timed
        if timed:
            def difference(facts):
                x, y = a(facts), b(facts)
                return None if x is None or y is None else x - y
            self.comparisons.append((timed, value, difference))
        return Node("bool", value)

    def _sum(self):
        node = self._product()
        while (operator := self._take("+", "-")):
            right = self._product()
            if not self._alike(node, right) or node.type in ("text", "bool"):
                raise RuleError(f"{node.type} {operator} {right.type}")
            type = right.type if node.literal else node.type
            calculate = (lambda x, y: x + y) if operator == "+" else (lambda x, y: x - y)
            node = self._arithmetic(type, calculate, node, right)
        return node

    def _product(self):
        node = self._unary()
        while (operator := self._take("*", "/")):
            right = self._unary()
            measures = ("number", "money", "duration")
            if node.type not in measures or right.type not in measures:
                raise RuleError(f"{node.type} {operator} {right.type}")
            if operator == "*":
                if "number" not in (node.type, right.type):
                    raise RuleError(f"{node.type} * {right.type}")
                type = right.type if node.type == "number" else node.type
                node = self._arithmetic(type, lambda x, y: x * y, node, right)
            else:
                if right.type not in ("number", node.type):
                    raise RuleError(f"{node.type} / {right.type}")
                type = node.type if right.type == "number" else "number"
                node = self._arithmetic(type, quotient, node, right)
        return node

    def _arithmetic(self, type, calculate, left, right):
        a, b = left.value, right.value

        def value(facts):
            x, y = a(facts), b(facts)
            return None if x is None or y is None else calculate(x, y)
        return Node(type, value, left.timed | right.timed, left.literal and right.literal, left.fixed and right.fixed)

    def _unary(self):
        if self._take("!"):
            inner = self._unary()
            self._want(inner, "bool")
            return Node("bool", lambda facts: not inner.value(facts))
        if self._take("-"):
            inner = self._unary()
            if inner.type in ("text", "bool"):
                raise RuleError(f"- {inner.type}")
            return self._arithmetic(inner.type, lambda x, y: x - y, constant(inner.type, 0, inner.literal), inner)
        return self._primary()

    def _primary(self):
        if self._take("("):
            node = self._or()
            self._expect(")")
            return node
        if self.at == len(self.tokens):
            raise RuleError("the rule ends too early")
        kind, text = self.tokens[self.at]
        self.at += 1
        if kind == "duration":
            return constant("duration", parse_duration(text))
        if kind == "number":
            return constant("number", Fraction(text) if "." in text else int(text), literal=True)
        if kind == "text":
            return constant("text", text[1:-1])
        if kind == "name":
            return self._name(text)
        raise RuleError(f"unexpected: {text}")

    def _name(self, name):
        if name in ("true", "false"):
            return constant("bool", name == "true")
        if name in self.ladders:
            return Node("text", lambda facts: facts.rungs[name])
        timed = frozenset([TIMED[name]]) if name in TIMED else frozenset()
        if name in PLAIN:
            return Node(PLAIN[name], lambda facts: getattr(facts, name)(), timed)
        if name in CALLS:
            self._expect("(")
            kind, text = self.tokens[self.at]
            self.at += 1
            self._expect(")")
            if kind != "duration":
                raise RuleError(f"{name} wants a duration")
            span = parse_duration(text)
            if name == "activity":
                return Node("number", lambda facts: facts.activity(span), timed)
            if span % UNITS["d"]:
                raise RuleError("a window is whole days")
            days = span // UNITS["d"]
            self.windows.add(days)
            # The instants at which an order leaves a window are looked at in any case.
            return Node(CALLS[name], lambda facts: getattr(facts, name)(days))
        raise RuleError(f"unknown name: {name}")

    def _alike(self, left, right):
        if left.type == right.type:
            return True
        return {left.type, right.type} == {"number", "money"} and (left if left.type == "number" else right).literal

    def _want(self, node, type):
        if node.type != type:
            raise RuleError(f"{type} wanted, {node.type} found")

    def _take(self, *texts):
        if self.at < len(self.tokens) and self.tokens[self.at][0] == "op" and self.tokens[self.at][1] in texts:
            self.at += 1
            return self.tokens[self.at - 1][1]
        return None

    def _expect(self, text):
        if not self._take(text):
            raise RuleError(f"{text} expected")


COMPARE = {
    "==": lambda x, y: x == y, "!=": lambda x, y: x != y, "<": lambda x, y: x < y,
    "<=": lambda x, y: x <= y, ">": lambda x, y: x > y, ">=": lambda x, y: x >= y,
}


def quotient(x, y):
    if y == 0:
        return None
    return x / y if isinstance(x, float) or isinstance(y, float) else Fraction(x) / y


def constant(type, value, literal=False):
    return Node(type, lambda facts: value, literal=literal, fixed=True)
