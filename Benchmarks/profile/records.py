"""Prints so many records, one a line: customers by a zipf law, who click, buy, and sometimes give back; the same at every run."""

import datetime
import itertools
import json
import random
import sys

CUSTOMERS = 5_000
DAYS = 200


def main():
    count = int(sys.argv[1])
    dice = random.Random(1)
    ranks = list(itertools.accumulate(1 / rank for rank in range(1, CUSTOMERS + 1)))
    at = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    last_orders = {}
    for number, customer in enumerate(dice.choices(range(CUSTOMERS), cum_weights=ranks, k=count)):
        at += datetime.timedelta(days=DAYS) / count
        record = {
            "event_id": f"e{number}",
            "customer_id": f"customer-{customer}",
            "occurred_at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }
        order, chance = last_orders.get(customer), dice.random()
        if chance < 0.5:
            record |= {"type": "click", "page": "/products/ü" if chance < 0.01 else "/"}
        elif chance < 0.53 and order:
            record |= {"type": "refund", "order_id": order, "amount": "1.00", "currency": "USD"}
        else:
            order = last_orders[customer] = f"o{number}"
            amount = f"{dice.lognormvariate(3.5, 1) + 1:.2f}"
            record |= {"type": "purchase", "order_id": order, "amount": amount, "currency": "USD"}
        print(json.dumps(record))


if __name__ == "__main__":
    main()
