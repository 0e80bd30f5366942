"""Real purchases as NDJSON in time order: CDNOW (master) and Online Retail, from the folder RFMD_TEST_DATA.

Where the data leave a choice:
- CDNOW: event_id = the row's number in the file, order_id left out (so it is the event_id): each row is an order of
  its own, also the 255 exact duplicate rows and several rows of one customer and day. The date is taken as 00:00 UTC;
  rows of one day stay in the file's order.
- Online Retail: event_id = the row's number (the header does not count), customer ids without their ".0", all rows
  in the file's order. A line's amount is quantity times price, in the four rows whose price has three digits after
  the point rounded half to even to whole pence. A C line takes its own quantity and price; its time is its own."""
import argparse
import csv
import json
import lzma
import os
import sys
from decimal import ROUND_HALF_EVEN, Decimal


def cdnow(folder):
    rows = []
    with lzma.open(os.path.join(folder, "cdnow/CDNOW_master.txt.xz"), "rt", encoding="ascii") as file:
        next(file)
        for number, line in enumerate(file, 1):
            customer, date, _, dollars = line.split()
            rows.append((date, number, customer, dollars))
    rows.sort(key=lambda row: row[:2])
    for date, number, customer, dollars in rows:
        yield {"type": "purchase", "event_id": str(number), "customer_id": customer,
               "occurred_at": f"{date[:4]}-{date[4:6]}-{date[6:]}T00:00:00Z", "amount": dollars}


def online_retail(folder):
    bought = {}  # (customer, product) -> (quantity, invoice) of its lines, oldest first
    with lzma.open(os.path.join(folder, "online_retail/online_retail.csv.xz"), "rt", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), 1):
            quantity, price = int(row["Quantity"]), Decimal(row["UnitPrice"])
            invoice, customer = row["InvoiceNo"], row["CustomerID"].removesuffix(".0")
            if not customer or price < 0:
                continue
            amount = (abs(quantity) * price).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
            event = {"event_id": str(number), "customer_id": customer, "order_id": invoice,
                     "occurred_at": row["InvoiceDate"].replace(" ", "T") + "Z", "amount": str(amount)}
            lines = bought.setdefault((customer, row["StockCode"]), [])
            if invoice.startswith("C"):
                order = next((of for pieces, of in reversed(lines) if pieces >= abs(quantity)), None)
                if order is not None:
                    yield {"type": "refund", **event, "order_id": order}
            elif quantity >= 0:
                lines.append((quantity, invoice))
                yield {"type": "purchase", **event}


DATASETS = {"cdnow": cdnow, "online_retail": online_retail}
CONFIGS = {"cdnow": {"currency": "USD"}, "online_retail": {"currency": "GBP", "same_order": "add"}}
# The clock is moved to each of these instants and the state of every customer compared there.
UNTIL = {
    "cdnow": ["1997-03-31T23:59:59.999Z", "1997-07-01T00:00:00Z", "1997-12-31T12:00:00Z", "1998-07-01T00:00:00Z",
              "1999-01-01T00:00:00Z"],
    "online_retail": ["2011-03-01T00:00:00Z", "2011-06-15T08:30:00Z", "2011-12-10T00:00:00Z",
                      "2012-07-01T00:00:00Z"],
}


def main():
    parser = argparse.ArgumentParser(description="Writes a data set as NDJSON to standard output.")
    parser.add_argument("name", choices=DATASETS)
    folder = os.environ.get("RFMD_TEST_DATA")
    arguments = parser.parse_args()
    if not folder:
        sys.exit("RFMD_TEST_DATA must name the folder of the data sets")
    for event in DATASETS[arguments.name](folder):
        print(json.dumps(event))


if __name__ == "__main__":
    main()
