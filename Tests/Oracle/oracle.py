"""An independent, slow and obvious rfmd: events in, every customer's state and every decision out.

It knows only the documents (docs/rules.md, docs/inputs.md, docs/guarantees.md), not the program. Each decision
recomputes every feature from the orders and clicks of the customer.
Event clock, one input, as `rfmd replay` runs."""
import argparse
import json
import sys

from business_days import BusinessDays, to_datetime
from configuration import configure
from customer import Customer, Episode, Facts, Order
from distance import distance, money
from events import Event, Rejected, Skipped, decode, instant
from instants import instants


class Oracle:
    """`apply` each line in order, then `advance_all`; `decisions` are what rfmd would have sent, in order."""

    def __init__(self, given):
        self.config = configure(given)
        self.days = BusinessDays(self.config.zone)
        self.customers, self.clock = {}, None
        self.decisions = []
        self.rejected, self.skipped, self.duplicates, self.accepted = [], [], [], 0

    def read(self, line):
        """An Event, or the Rejected or Skipped that came of it; None for an empty line."""
        try:
            return decode(line, self.config) if line.strip() else None
        except (Rejected, Skipped) as outcome:
            return outcome

    def clock_after(self, record):
        """The clock that this record will bring about; None while no record was accepted."""
        time = record.time if isinstance(record, Event) else self.clock
        return time if self.clock is None else max(self.clock, time)

    def apply(self, record, number):
        """What `read` made of line `number`, at its turn."""
        if isinstance(record, Rejected):
            self.rejected.append((number, str(record)))
        elif isinstance(record, Skipped):
            self.skipped.append(number)
        elif record is not None:
            self._apply_event(record, number)

    def _apply_event(self, event, number):
        self.clock = self.clock_after(event)
        customer = self.customers.get(event.customer_id)
        if customer is None:
            customer = Customer(event.customer_id)
        else:
            self.advance(customer, self.clock)
        self._forget(customer)
        if not getattr(self, "_" + event.kind)(customer, event):
            self.duplicates.append(number)
            return
        self.accepted += 1
        self.customers[customer.id] = customer
        times = [event.time] if customer.first_seen is None else [event.time, customer.first_seen, customer.last_event]
        customer.first_seen, customer.last_event = min(times), max(times)
        self._decide(customer, self.clock, {"kind": "event", "event_id": event.event_id})

    def advance_all(self, t):
        self.clock = t
        for customer in self.customers.values():
            self.advance(customer, self.clock)

    def advance(self, customer, t):
        """Decides at every instant up to `t` at which anything of this customer can change."""
        while (due := self._next_instant(customer)) <= t:
            self._decide(customer, due, {"kind": "deadline", "due": stamp(due)})

    # What an event does. Each says whether it was no duplicate.
    def _forget(self, customer):
        """At the clock: orders that left the longest window become history, refunds stop waiting."""
        today, longest = self.days.day(self.clock), self.config.longest_window
        for order_id in [i for i, o in customer.orders.items() if today - o.day >= longest]:
            order = customer.orders.pop(order_id)
            if order.counts:
                customer.left.append(order)
        customer.waiting = [r for r in customer.waiting if today - self.days.day(r.time) < longest]

        customer.ids = {key: day for key, day in customer.ids.items()
                        if today - day < longest or key[1] in customer.orders}

    def _inside(self, time):
        return self.days.day(self.clock) - self.days.day(time) < self.config.longest_window

    def _again(self, customer, event):
        """Was this id given to this order before? Known while the id's own day or an order of that name is inside."""
        key = (event.kind, event.order_id, event.event_id)
        if key in customer.ids:
            return True
        customer.ids[key] = self.days.day(event.time)
        return False

    def _purchase(self, customer, event):
        if not self._inside(event.time):
            order = Order()
            order.add_line(event, self.days)
            customer.left.append(order)
            return True
        order = customer.orders.get(event.order_id)
        if self._again(customer, event) if self.config.add_lines else order is not None:
            return False
        if order is not None:
            order.add_line(event, self.days)
            return True
        order = customer.orders[event.order_id] = Order()
        order.add_line(event, self.days)
        for refund in [r for r in customer.waiting if r.order_id == event.order_id]:
            order.add_refund(refund)
        customer.waiting = [r for r in customer.waiting if r.order_id != event.order_id]
        return True

    def _refund(self, customer, event):
        order = customer.orders.get(event.order_id)
        if self._again(customer, event):
            return False
        if order is not None:
            order.add_refund(event)
        elif self._inside(event.time):
            customer.waiting.append(event)
        return True

    def _click(self, customer, event):
        if self.config.click_dedup:
            before = customer.click_ids.get(event.event_id)
            if before is not None and self.clock - before < self.config.click_dedup:
                return False
            customer.click_ids[event.event_id] = self.clock
        customer.clicks.append(min(event.time, self.clock))
        return True

    # Decisions
    def _facts(self, customer, t):
        return Facts(customer, t, self.days.day(t), self.config, self.days)

    def _decide(self, customer, t, cause):
        facts = self._facts(customer, t)
        for ladder in self.config.ladders:
            place = next(i for i, (_, r) in enumerate(ladder.rungs) if r is None or r.holds(facts))
            rung, rule = ladder.rungs[place]
            if customer.rungs.get(ladder.name) != rung:
                what = {"type": f"rfm.{ladder.name}.changed.v1", "from": customer.rungs.get(ladder.name), "to": rung,
                        "distance": distance(facts, ladder.rungs, place)}
                self._emit(customer, facts, cause, rule, what, {"ladder": ladder.name, "rung": rung})
            customer.rungs[ladder.name] = facts.rungs[ladder.name] = rung
        for warning in self.config.warnings:
            holds, episode = warning.rule.holds(facts), customer.episodes.get(warning.name)
            is_open = episode is not None and episode.open
            if holds and not is_open and (episode is None or t >= episode.raised_at + warning.cooldown):
                customer.episodes[warning.name] = episode = Episode(t, True)
                self._emit_warning(customer, facts, cause, warning, "raised", episode)
            elif is_open and not holds:
                episode.open = False
                self._emit_warning(customer, facts, cause, warning, "resolved", episode)
        customer.now = t
        customer.instants = [] if cause["kind"] == "event" else [i for i in customer.instants if i > t]

    def _emit_warning(self, customer, facts, cause, warning, verb, episode):
        what = {"type": f"rfm.churn.warning.{verb}.v1", "warning": warning.name, "severity": warning.severity,
                "raised_at": stamp(episode.raised_at)}
        self._emit(customer, facts, cause, warning.rule, what, {"warning": warning.name})

    def _emit(self, customer, facts, cause, rule, what, place):
        values = {"recency": facts.recency(), **self._windows(facts)}
        self.decisions.append({
            "customer_id": customer.id, **what, "values": values, "cause": cause,
            "rule": {**place, "expression": rule and rule.text}, "decided_at": stamp(facts.t)})

    def _next_instant(self, customer):
        if not customer.instants:
            facts = self._facts(customer, customer.now)
            customer.instants = instants(facts, self.config, self.days)
        ends = [episode.raised_at + warning.cooldown for warning in self.config.warnings
                if (episode := customer.episodes.get(warning.name)) is not None and not episode.open]
        return min([end for end in ends if end > customer.now] + customer.instants)

    # What is written
    def state_lines(self):
        """The state file: every customer at the clock, sorted by the bytes of his id."""
        ordered = sorted(self.customers.values(), key=lambda customer: customer.id.encode())
        return [json.dumps(self._state(c), ensure_ascii=False, separators=(",", ":")) for c in ordered]

    def _state(self, customer):
        facts = self._facts(customer, self.clock)
        return {
            "customer_id": customer.id, **customer.rungs, "recency": facts.recency(),
            "orders_total": facts.orders_total(), "spend_total": self._money(facts.total_minor()),
            **self._windows(facts), "first_seen": stamp(customer.first_seen),
            "last_event": stamp(customer.last_event), "last_order": stamp(facts.last),
            "warnings": [name for name, episode in self._episodes(customer) if episode.open]}

    def _episodes(self, customer):
        return [(w.name, customer.episodes[w.name]) for w in self.config.warnings if w.name in customer.episodes]

    def _windows(self, facts):
        windows = self.config.windows
        return {"orders": {f"{w}d": facts.orders(w) for w in windows},
                "spend": {f"{w}d": self._money(facts.minor(w)) for w in windows}}

    def _money(self, minor):
        return money(minor, self.config.exponent)


def stamp(ms):
    """RFC 3339 UTC with milliseconds; None stays None."""
    return None if ms is None else to_datetime(ms).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03}Z"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", required=True, help="JSON, see configuration.py")
    parser.add_argument("--until", help="an RFC 3339 time")
    parser.add_argument("--state", help="write the state of every customer here")
    parser.add_argument("events", help="NDJSON in the native format")
    arguments = parser.parse_args()
    with open(arguments.config, encoding="utf-8") as file:
        oracle = Oracle(json.load(file))
    with open(arguments.events, "rb") as file:
        for number, line in enumerate(file, 1):
            oracle.apply(oracle.read(line), number)
    if oracle.clock is not None:
        oracle.advance_all(max(oracle.clock, instant(arguments.until) if arguments.until else oracle.clock))
    for decision in oracle.decisions:
        print(json.dumps(decision, ensure_ascii=False))
    for number, reason in oracle.rejected:
        print(json.dumps({"line": number, "reason": reason}), file=sys.stderr)
    if arguments.state:
        with open(arguments.state, "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in oracle.state_lines())


if __name__ == "__main__":
    main()
