"""Calendar days of a zone: which day an instant lies in, and when a day begins. Times are milliseconds UTC."""
from bisect import bisect_left, bisect_right
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

FIRST_YEAR, LAST_YEAR = 1955, 2060
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
EPOCH_ORDINAL = EPOCH.toordinal()
DAY = 86_400_000
NEVER = 1 << 62


def to_datetime(ms):
    return EPOCH + timedelta(milliseconds=ms)


def to_ms(moment):
    return (moment - EPOCH) // timedelta(milliseconds=1)


class BusinessDays:
    """Every instant at which the local date of the zone becomes another one, found by walking its offsets."""

    def __init__(self, zone):
        self.zone = ZoneInfo(zone)
        self.starts, self.days = [], []
        pieces = self._pieces()
        for (start, offset), (end, _) in zip(pieces, pieces[1:]):
            day = (start + offset) // DAY
            if not self.days or self.days[-1] != day:
                self._add(start, day)
            instant = (day + 1) * DAY - offset
            while instant < end:
                day += 1
                self._add(instant, day)
                instant += DAY
        # Where a zone turned its clock back over midnight a day begins twice: `begins` needs the first time.
        self.highest = []
        for day in self.days:
            self.highest.append(max(day, self.highest[-1]) if self.highest else day)

    def day(self, ms):
        """The local calendar day, as days since 1970-01-01."""
        index = bisect_right(self.starts, ms) - 1
        if index < 0 or index == len(self.starts) - 1:
            raise ValueError(f"{to_datetime(ms)} is outside the years this oracle knows")
        return self.days[index]

    def begins(self, day):
        """The first instant of that day, or of the next one that the zone has (some zones skipped a day)."""
        index = bisect_left(self.highest, day)
        return self.starts[index] if index < len(self.starts) else NEVER

    def next_change(self, ms):
        """The next instant after `ms` at which the date changes."""
        index = bisect_right(self.starts, ms)
        return self.starts[index] if index < len(self.starts) else NEVER

    def _add(self, instant, day):
        self.starts.append(instant)
        self.days.append(day)

    def _offset(self, ms):
        return self.zone.utcoffset(to_datetime(ms).astimezone(self.zone)) // timedelta(milliseconds=1)

    def _pieces(self):
        """(instant, offset) wherever the offset changes: sampled four times a day, then bisected to the ms."""
        step = DAY // 4
        start = to_ms(datetime(FIRST_YEAR, 1, 1, tzinfo=timezone.utc))
        end = to_ms(datetime(LAST_YEAR, 1, 1, tzinfo=timezone.utc))
        offset = self._offset(start)
        pieces = [(start, offset)]
        for sample in range(start + step, end, step):
            now = self._offset(sample)
            if now != offset:
                low, high = sample - step, sample
                while high - low > 1:
                    middle = (low + high) // 2
                    if self._offset(middle) == offset:
                        low = middle
                    else:
                        high = middle
                pieces.append((high, now))
                offset = now
        pieces.append((end, offset))
        return pieces
