"""Schedules and the search for the times at which they fire."""

import calendar
import datetime

from .errors import CronError, NeverError
from .fields import SPECS, parse_field

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_MINUTE = datetime.timedelta(minutes=1)
_DAY = datetime.timedelta(days=1)

# The calendar repeats after 400 years, but whatever can happen happens within
# 40: the longest wait is for a February 29 on a given weekday across a year
# such as 2100, which is not a leap year.
_HORIZON_YEARS = 40


class Schedule:
    """When something is to be done. Make one with :meth:`parse`."""

    __slots__ = ("minute", "hour", "day", "month", "weekday")

    def __init__(self, minute, hour, day, month, weekday):
        self.minute = minute
        self.hour = hour
        self.day = day
        self.month = month
        self.weekday = weekday

    @classmethod
    def parse(cls, text):
        """Read ``"30 2 * * mon-fri"`` or an alias such as ``@daily``."""
        stripped = text.strip()
        if stripped.startswith("@"):
            try:
                stripped = ALIASES[stripped.lower()]
            except KeyError:
                raise CronError("unknown alias: %r" % text)
        parts = stripped.split()
        if len(parts) != len(SPECS):
            raise CronError(
                "a schedule has %d fields, not %d: %r" % (len(SPECS), len(parts), text)
            )
        return cls(*(parse_field(spec, part) for spec, part in zip(SPECS, parts)))

    @property
    def fields(self):
        return (self.minute, self.hour, self.day, self.month, self.weekday)

    def _day_of_month_matches(self, date):
        if date.day in self.day:
            return True
        return self.day.last and date.day == calendar.monthrange(date.year, date.month)[1]

    def matches_date(self, date):
        """Whether the schedule fires at some time of ``date``."""
        if date.month not in self.month:
            return False
        by_day = self._day_of_month_matches(date)
        by_weekday = date.isoweekday() % 7 in self.weekday
        if self.day.restricted and self.weekday.restricted:
            return by_day or by_weekday
        return by_day and by_weekday

    def matches(self, moment):
        """Whether the schedule fires in the minute of ``moment``."""
        return (
            moment.minute in self.minute
            and moment.hour in self.hour
            and self.matches_date(moment.date())
        )

    def _dates(self, date, forward):
        """Matching dates from ``date`` on, or backwards from it."""
        limit = date.year + (_HORIZON_YEARS if forward else -_HORIZON_YEARS)
        limit = min(max(limit, datetime.MINYEAR), datetime.MAXYEAR)
        while date.year <= limit if forward else date.year >= limit:
            try:
                if date.month in self.month:
                    if self.matches_date(date):
                        yield date
                    date = date + _DAY if forward else date - _DAY
                elif forward:
                    days = calendar.monthrange(date.year, date.month)[1]
                    date = date.replace(day=days) + _DAY
                else:
                    date = date.replace(day=1) - _DAY
            except OverflowError:
                return

    def next(self, after):
        """The first time the schedule fires later than ``after``."""
        moment = after.replace(second=0, microsecond=0) + _MINUTE
        for date in self._dates(moment.date(), True):
            hour, minute = 0, 0
            if date == moment.date():
                hour, minute = moment.hour, moment.minute
            hour_found = self.hour.at_or_after(hour)
            if hour_found == hour:
                minute_found = self.minute.at_or_after(minute)
                if minute_found is None:
                    hour_found = self.hour.at_or_after(hour + 1)
            if hour_found is None:
                continue
            if hour_found != hour:
                minute_found = self.minute.first()
            return datetime.datetime(
                date.year, date.month, date.day, hour_found, minute_found,
                tzinfo=after.tzinfo,
            )
        raise NeverError("the schedule does not fire after %s" % after)

    def previous(self, before):
        """The last time the schedule fires earlier than ``before``."""
        moment = before.replace(second=0, microsecond=0)
        if moment == before:
            moment -= _MINUTE
        for date in self._dates(moment.date(), False):
            hour, minute = 23, 59
            if date == moment.date():
                hour, minute = moment.hour, moment.minute
            hour_found = self.hour.at_or_before(hour)
            if hour_found == hour:
                minute_found = self.minute.at_or_before(minute)
                if minute_found is None:
                    hour_found = self.hour.at_or_before(hour - 1)
            if hour_found is None:
                continue
            if hour_found != hour:
                minute_found = self.minute.values[-1]
            return datetime.datetime(
                date.year, date.month, date.day, hour_found, minute_found,
                tzinfo=before.tzinfo,
            )
        raise NeverError("the schedule does not fire before %s" % before)

    def between(self, start, end):
        """Yield the times from ``start`` on and before ``end``."""
        moment = start - datetime.timedelta(microseconds=1)
        while True:
            try:
                moment = self.next(moment)
            except NeverError:
                return
            if moment >= end:
                return
            yield moment

    def __eq__(self, other):
        if not isinstance(other, Schedule):
            return NotImplemented
        return self.fields == other.fields

    def __hash__(self):
        return hash(self.fields)

    def __str__(self):
        return " ".join(field.text for field in self.fields)

    def __repr__(self):
        return "Schedule.parse(%r)" % str(self)
