"""One customer: what is kept of his events, and every feature at an instant, recomputed from it."""
import math
from dataclasses import dataclass, field
from fractions import Fraction


class Order:
    """Lines and refunds of one order, and what they come to."""

    def __init__(self):
        self.time, self.day = None, None
        self.lines, self.refunds, self.all_back, self.refunded = 0, 0, False, False

    def add_line(self, event, days):
        self.lines += event.amount
        self.time = event.time if self.time is None else min(self.time, event.time)
        self.day = days.day(self.time)

    def add_refund(self, event):
        self.refunded = True
        if event.amount is None:
            self.all_back = True
        else:
            self.refunds += event.amount

    @property
    def net(self):
        return 0 if self.all_back else max(0, self.lines - self.refunds)

    @property
    def counts(self):
        return not (self.refunded and self.net == 0)


@dataclass
class Episode:
    raised_at: int
    open: bool


@dataclass
class Customer:
    id: str
    first_seen: int = None
    last_event: int = None
    orders: dict = field(default_factory=dict)     # inside the longest window, by order id
    left: list = field(default_factory=list)       # orders that nothing changes any more
    waiting: list = field(default_factory=list)    # refunds whose order is not known
    ids: dict = field(default_factory=dict)        # (kind, order, event) ids that were given, and their own day
    clicks: list = field(default_factory=list)     # the instant from which each click's age runs
    click_ids: dict = field(default_factory=dict)  # when a click with this id was last accepted
    rungs: dict = field(default_factory=dict)
    episodes: dict = field(default_factory=dict)
    now: int = None                                # when the last decision was taken
    instants: list = field(default_factory=list)   # after it, when time alone may change something


class Facts:
    """Every feature of one customer at one instant: what the rules read."""

    def __init__(self, customer, t, day, config, days):
        self.customer, self.t, self.day, self.config, self.rungs = customer, t, day, config, dict(customer.rungs)
        self.window_day = day
        self.counted = [order for order in customer.orders.values() if order.counts]
        times = [order.time for order in self.counted + customer.left]
        self.count = len(times)
        self.first, self.last = (min(times), max(times)) if times else (None, None)
        self.last_day = days.day(self.last) if times else None

    def moved(self, t, day):
        """The same customer at another instant, with no order leaving a window."""
        other = object.__new__(Facts)
        other.__dict__.update(self.__dict__)
        other.t, other.day = t, day
        return other

    def inside(self, window):
        return [order for order in self.counted if self.window_day - order.day < window]

    def minor(self, window):
        return sum(order.net for order in self.inside(window))

    def total_minor(self):
        return sum(order.net for order in self.counted + self.customer.left)

    def orders(self, window):
        return len(self.inside(window))

    def spend(self, window):
        return Fraction(self.minor(window), 10 ** self.config.exponent)

    def average_order(self, window):
        return self.spend(window) / self.orders(window) if self.orders(window) else 0

    def spend_total(self):
        return Fraction(self.total_minor(), 10 ** self.config.exponent)

    def orders_total(self):
        return self.count

    def recency(self):
        return None if self.last is None else max(0, self.day - self.last_day)

    def idle(self):
        return max(0, self.t - self.customer.last_event)

    def since_order(self):
        return None if self.last is None else max(0, self.t - self.last)

    def typical_gap(self):
        return None if self.count < 2 else Fraction(self.last - self.first, self.count - 1)

    def activity(self, half_life):
        return math.fsum(2.0 ** -((self.t - click) / half_life) for click in self.customer.clicks)

    def activity_trend(self):
        if not self.customer.clicks:
            return None
        short, long = self.config.half_lives
        newest = max(self.customer.clicks)
        rates = [math.fsum(2.0 ** -((newest - click) / h) for click in self.customer.clicks) / h for h in (short, long)]
        return rates[0] / rates[1] * 2.0 ** -((self.t - newest) * (1 / short - 1 / long))
