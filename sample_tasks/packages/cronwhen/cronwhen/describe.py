"""Schedules in words."""

from .fields import DAY, MONTH, WEEKDAY

MONTH_NAMES = (
    "January", "February", "March", "April", "May", "June", "July", "August",
    "September", "October", "November", "December",
)
WEEKDAY_NAMES = (
    "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday",
)


def join(words):
    """``a``, ``a and b``, ``a, b and c``."""
    words = list(words)
    if len(words) < 2:
        return "".join(words)
    return "%s and %s" % (", ".join(words[:-1]), words[-1])


def ordinal(number):
    """1st, 2nd, 3rd, 4th, ..."""
    if number % 100 in (11, 12, 13):
        return "%dth" % number
    return "%d%s" % (number, {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th"))


def _runs(values):
    """Split sorted values into (first, last) of consecutive runs."""
    runs = []
    for value in values:
        if runs and value == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], value)
        else:
            runs.append((value, value))
    return runs


def _weekday_runs(values):
    """Like _runs, but a run may go on from Saturday to Sunday."""
    runs = _runs(values)
    if len(runs) > 1 and runs[0][0] == 0 and runs[-1][1] == 6:
        first = runs.pop(0)
        runs[-1] = (runs[-1][0], first[1])
    return runs


def _span(first, last, name):
    if first == last:
        return [name(first)]
    if last - first in (1, -6):
        return [name(first), name(last)]
    return ["%s through %s" % (name(first), name(last))]


def _names(field):
    """The values of a field in words, runs of three or more shortened."""
    if field.spec is WEEKDAY:
        runs, name = _weekday_runs(field.values), WEEKDAY_NAMES.__getitem__
    elif field.spec is MONTH:
        runs, name = _runs(field.values), lambda value: MONTH_NAMES[value - 1]
    elif field.spec is DAY:
        runs, name = _runs(field.values), ordinal
    else:
        runs, name = _runs(field.values), str
    words = []
    for first, last in runs:
        words.extend(_span(first, last, name))
    if field.last:
        words.append("last day")
    return join(words)


def _every(field):
    """N if the field selects every Nth value of all there are, else None."""
    values = field.values
    if len(values) < 2 or values[0] != field.spec.low:
        return None
    step = values[1] - values[0]
    if list(values) == list(range(field.spec.low, field.spec.high + 1, step)):
        return step
    return None


def _time(schedule):
    minute, hour = schedule.minute, schedule.hour
    if len(minute.values) * len(hour.values) <= 4:
        return "At " + join(
            "%02d:%02d" % (h, m) for h in hour.values for m in minute.values
        )
    every = _every(minute)
    if every == 1:
        text = "Every minute"
    elif every:
        text = "Every %d minutes" % every
    elif minute.values == (0,):
        every = _every(hour)
        if every == 1:
            return "Every hour"
        if every:
            return "Every %d hours" % every
        text = "On the hour"
    elif len(minute.values) == 1:
        text = "%d minutes past the hour" % minute.values
    else:
        text = "At minutes " + _names(minute)
    if hour.full:
        return text
    return "%s, during hour%s %s" % (
        text, "" if len(hour.values) == 1 else "s", _names(hour),
    )


def describe(schedule):
    """Say in English when ``schedule`` fires."""
    parts = [_time(schedule)]
    days = []
    if schedule.day.last or not schedule.day.full:
        days.append("on the " + _names(schedule.day))
    if not schedule.weekday.full:
        days.append("on " + _names(schedule.weekday))
    if days:
        either = schedule.day.restricted and schedule.weekday.restricted
        parts.append((" or " if either else " if also ").join(days))
    if not schedule.month.full:
        parts.append("in " + _names(schedule.month))
    return ", ".join(parts)
