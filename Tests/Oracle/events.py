"""One line of input to an event of the native format, or to the reason why there is none."""
import json
import re
from datetime import datetime, timedelta, timezone
from fractions import Fraction

from business_days import to_ms

LARGEST = (1 << 63) - 1
# Digits after the point (ISO 4217) of the currencies that the tests use.
EXPONENTS = {"CNY": 2, "EUR": 2, "USD": 2, "GBP": 2, "JPY": 0, "KRW": 0, "KWD": 3, "TND": 3}
TIME = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))")


class Rejected(Exception):
    """The record goes to the dead letters."""


class Skipped(Exception):
    """The record is of no kind that is read."""


class Digits(str):
    """A JSON number, kept as it is written: no floating point touches money."""


class Event:
    __slots__ = ("kind", "event_id", "customer_id", "order_id", "time", "amount")


def decode(line, config):
    """The event in this line. `amount` is in minor units of the base currency, None for a refund of all."""
    try:
        record = json.loads(line, parse_int=Digits, parse_float=Digits, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise Rejected("not JSON") from error
    if not isinstance(record, dict):
        raise Rejected("not an object")
    event = Event()
    event.kind = text(record, "type")
    if event.kind not in ("purchase", "refund", "click"):
        raise Skipped
    event.event_id = identifier(record, "event_id")
    event.customer_id = customer(record.get("customer_id"))
    event.time = instant(text(record, "occurred_at"))
    event.order_id = event.amount = None
    if event.kind == "purchase":
        event.order_id = identifier(record, "order_id", event.event_id)
        event.amount = money(record, config)
        if event.amount is None:
            raise Rejected("amount is missing")
    elif event.kind == "refund":
        event.order_id = identifier(record, "order_id")
        event.amount = money(record, config)
    return event


def refuse_constant(name):
    raise ValueError(name)


def text(record, key, default=None):
    value = record.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, str) or isinstance(value, Digits) or value == "":
        raise Rejected(f"{key} is missing or no text")
    return value


def identifier(record, key, default=None):
    """A text, or an integer by its digits: 17 and "17" are one id."""
    value = record.get(key)
    if isinstance(value, Digits):
        if not re.fullmatch(r"-?\d+", value):
            raise Rejected(f"{key} is no integer")
        return str(value)
    return text(record, key, default)


def customer(value):
    if isinstance(value, Digits) and not re.fullmatch(r"-?\d+", value):
        raise Rejected("customer_id is no integer")
    if not isinstance(value, str):
        raise Rejected("customer_id is missing or no text")
    if not 1 <= len(value.encode()) <= 255:
        raise Rejected("customer_id is empty or too long")
    return str(value)


def money(record, config):
    value = record.get("amount")
    if value is None:
        return None
    if not isinstance(value, str) or not re.fullmatch(r"-?\d+(\.\d+)?", value):
        raise Rejected("amount is no number")
    currency = text(record, "currency", config.currency)
    if currency != config.currency and currency not in config.rates:
        raise Rejected("unknown currency")
    if len(value.partition(".")[2]) > EXPONENTS[currency]:
        raise Rejected("too many digits")
    if value.startswith("-") and Fraction(value) != 0:
        raise Rejected("amount is negative")
    amount = Fraction(value) * 10 ** EXPONENTS[config.currency]
    if currency != config.currency:
        amount *= Fraction(config.rates[currency])
    minor = round(amount)  # half to even
    if minor > LARGEST:
        raise Rejected("amount is out of range")
    return minor


def instant(value):
    match = TIME.fullmatch(value)
    if not match:
        raise Rejected("occurred_at is no time")
    year, month, day, hour, minute, second, digits, sign, ahead_hours, ahead_minutes = match.groups()
    try:
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=timezone.utc)
        ahead = timedelta(hours=int(ahead_hours or 0), minutes=int(ahead_minutes or 0))
        moment += ahead if sign == "-" else -ahead
    except (ValueError, OverflowError) as error:
        raise Rejected("occurred_at is no time") from error
    return to_ms(moment) + int(((digits or "") + "000")[:3])
