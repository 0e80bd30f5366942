"""Random workloads, from one seed: few customers, many collisions, every kind of bad record.

    random_events.py SEED FOLDER    writes oracle.json, rfmd.yaml and events.ndjson to the folder"""
import json
import os
import re
import sys
from random import Random

from business_days import DAY, BusinessDays
from configuration import rfmd_yaml
from events import EXPONENTS
from oracle import stamp
from random_rules import configuration

CUSTOMERS = ["c1", "c2", "42", "客户", "é", "e\u0301", "x" * 255, "é" * 127, "🛒 \"quoted\\\" \u0001", " ", "C1", "null"]
YEAR = 365 * DAY


class Workload:
    """`given` (configuration.py), `lines` of NDJSON, and the instants at which to compare."""

    def __init__(self, seed):
        self.random = Random(seed)
        self.given = configuration(self.random)
        self.days = BusinessDays(self.given["zone"])
        self.customers = self.random.sample(CUSTOMERS, self.random.randint(1, 6))
        self.orders = [f"o{i}" if i % 3 else str(i) for i in range(self.random.randint(2, 12))]
        # From the seventies, when zones were odd, to the years that only the zone's rule covers.
        self.clock = self.random.choice([1, 2, 10, 26, 41, 41, 55, 70]) * YEAR + self.random.randrange(YEAR)
        self.pace = self.random.choice([1, 1, 3, 8])
        self.sent, self.numbers, self.lines, self.clocks = [], 0, [], []
        for _ in range(self.random.choice([50, 100, 200, 200, 700])):
            self.lines.append(self._line().encode("utf-8", "surrogateescape") + b"\n")
            self.clocks.append(self.clock)
        end = self.clock + self.random.choice([0, 1, DAY, 40 * DAY, 400 * DAY])
        middle = [self.random.choice(self.clocks) + self.random.choice([-1, 0, 1, DAY]) for _ in range(2)]
        self.until = [stamp(t) for t in sorted(middle) if t < end] + [stamp(end)]

    def _line(self):
        choice = self.random.random()
        if choice < 0.05:
            return self._bad()
        if choice < 0.15 and self.sent:
            return dump(self._twisted(), self.random.random() < 0.5)
        record = self._event()
        self.sent.append(record)
        return dump(record, self.random.random() < 0.5)

    def _event(self):
        """A sound event, at the clock or before it."""
        self._tick()
        time = self.clock
        if self.random.random() < 0.2:
            time -= self.random.choice([1, 1000, DAY, 20 * DAY, 95 * DAY, 3 * YEAR]) + self.random.randrange(DAY)
        kind = self.random.choice(["purchase"] * 5 + ["refund"] * 3 + ["click"] * 3)
        customer = self.random.choice(self.customers)
        record = {"type": kind, "event_id": self._event_id(), "customer_id": customer, "occurred_at": self._stamp(time)}
        if customer == "42" and self.random.random() < 0.5:
            record["customer_id"] = 42
        if kind == "click":
            # Any millisecond: no sum of powers may meet a threshold at the instant of another event.
            record["occurred_at"] = stamp(time - self.random.randrange(3_600_000))
            if self.random.random() < 0.5:
                record["action"] = self.random.choice(["view", "click", "cart", "favourite", "share", "search", "review"])
        if kind == "purchase":
            self._pay(record)
        if kind == "refund" and self.random.random() < 0.8:
            self._pay(record)
        if kind == "refund" or self.random.random() < 0.7:
            record["order_id"] = self.random.choice(self.orders)
        for key in ("event_id", "order_id"):
            if re.fullmatch(r"\d+", record.get(key, "")) and self.random.random() < 0.5:
                record[key] = number(str(int(record[key])))
        return record

    def _tick(self):
        if self.clock > 85 * YEAR:
            return
        step = self.random.choice([0, 0, 1, 1000, 60_000, 3_600_000, 6 * 3_600_000, DAY, 3 * DAY, 10 * DAY, 45 * DAY])
        self.clock += step * self.random.choice([1, self.pace]) if step else 0
        if self.random.random() < 0.3:
            midnight = self.days.begins(self.days.day(self.clock) + self.random.choice([1, 1, 2, 7, 30]))
            self.clock = max(self.clock, midnight + self.random.choice([-1, 0, 0, 1]))

    def _event_id(self):
        self.numbers += 1
        return self.random.choice(["e{}", "e{}", "{}", "2026-{:06}", "événement {} " + "z" * 40]).format(self.numbers)

    def _stamp(self, time):
        if self.random.random() < 0.9:
            return stamp(time)
        ahead = self.random.choice([-720, -210, 60, 330, 840])
        sign = "-" if ahead < 0 else "+"
        return stamp(time + ahead * 60_000)[:-1] + f"{sign}{abs(ahead) // 60:02}:{abs(ahead) % 60:02}"

    def _pay(self, record):
        currency = self.given["currency"]
        if self.given["rates"] and record["type"] == "purchase" and self.random.random() < 0.3:
            currency = self.random.choice(sorted(self.given["rates"]))
        if currency != self.given["currency"] or self.random.random() < 0.2:
            record["currency"] = currency
        digits = min(EXPONENTS[currency], EXPONENTS[self.given["currency"]])
        whole = self.random.choice([0, 0, 1, 5, 12, 50, 99, 100, 101, 250, 5000, 70_000_000])
        amount = f"{whole}.{self.random.randrange(10 ** digits):0{digits}}" if digits and self.random.random() < 0.7 \
            else str(whole)
        record["amount"] = amount if self.random.random() < 0.6 else number(amount)

    def _twisted(self):
        """Something sent before, once more: as it was, or with one thing changed."""
        record = dict(self.random.choice(self.sent[-15:] if self.random.random() < 0.7 else self.sent))
        twist = self.random.random()
        if twist < 0.35:
            return record
        if twist < 0.55:
            self._tick()
            record["occurred_at"] = stamp(self.clock - (self.random.randrange(3_600_000) if record["type"] == "click"
                                                        else 0))
        elif twist < 0.75:
            record["event_id"] = self._event_id()
        elif twist < 0.85:
            record["customer_id"] = self.random.choice(self.customers)
        elif record["type"] != "click":
            record["order_id"] = self.random.choice(self.orders)
        return record

    def _bad(self):
        record = self._event()
        text = dump(record)
        field = self.random.choice(["type", "event_id", "customer_id", "occurred_at"])
        without = dump({key: value for key, value in record.items() if key != field})
        purchase = {"type": "purchase", "event_id": "bad", "customer_id": self.customers[0], "amount": "1",
                    "occurred_at": record["occurred_at"]}
        changed = [
            {"customer_id": ""}, {"customer_id": "y" * 256}, {"customer_id": "é" * 128}, {"customer_id": number("1.5")},
            {"customer_id": None}, {"customer_id": ["c1"]}, {"amount": "-1"}, {"amount": number("-0.5")},
            {"amount": "1.23456"}, {"amount": "1.230"}, {"amount": number("7.50000")}, {"amount": "0.000"},
            {"event_id": number("1.5")}, {"order_id": number("1e3")}, {"amount": "99999999999999999999"}, {"amount": "one"}, {"amount": True},
            {"amount": None}, {"amount": ""}, {"currency": "XXX"}, {"currency": "usd"}, {"event_id": [7]},
            {"occurred_at": "2026-02-30T00:00:00Z"}, {"occurred_at": "2026-01-01"}, {"occurred_at": 1700000000},
            {"occurred_at": "2026-01-01T25:00:00Z"}, {"occurred_at": "2026-01-01T10:00:00"}, {"occurred_at": None},
            {"type": "sale"}, {"type": "Purchase"},
            {"type": "refund", "amount": "-3", "order_id": self.orders[0]}, {"type": "refund"}]
        return self.random.choice(
            [text[:-1], "[" + text + "]", without, "", "nonsense", "17", text + text, '{"a":"\udcff"}'] * 2
            + [dump({**purchase, **change}) for change in changed])


def number(digits):
    """Stands for a JSON number of exactly these digits: see `dump`."""
    return f"@{digits}@"


def dump(record, ascii_only=True):
    return re.sub(r'"@([^"@]*)@"', r"\1", json.dumps(record, ensure_ascii=ascii_only))


def main():
    seed, folder = int(sys.argv[1]), sys.argv[2]
    workload = Workload(seed)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "oracle.json"), "w", encoding="utf-8") as file:
        json.dump(workload.given, file, indent=1, ensure_ascii=False)
    with open(os.path.join(folder, "rfmd.yaml"), "w", encoding="utf-8") as file:
        file.write(rfmd_yaml(workload.given))
    with open(os.path.join(folder, "events.ndjson"), "wb") as file:
        file.writelines(workload.lines)
    print(*(f"--until {until}" for until in workload.until))


if __name__ == "__main__":
    main()
