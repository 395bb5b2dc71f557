"""The five fields of a schedule: what they allow, and parsing one."""

from .errors import FieldError

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun",
          "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


class FieldSpec:
    """Name, bounds and value names of one kind of field."""

    def __init__(self, name, low, high, names=(), names_from=0, wraps=False, last=False):
        self.name = name
        self.low = low
        self.high = high
        self.names = {text: names_from + i for i, text in enumerate(names)}
        self.wraps = wraps
        self.last = last

    def __repr__(self):
        return "FieldSpec(%r, %d, %d)" % (self.name, self.low, self.high)


MINUTE = FieldSpec("minute", 0, 59)
HOUR = FieldSpec("hour", 0, 23)
DAY = FieldSpec("day of month", 1, 31, last=True)
MONTH = FieldSpec("month", 1, 12, MONTHS, 1)
# 7 is accepted as a second name of Sunday; see _normalize().
WEEKDAY = FieldSpec("day of week", 0, 7, WEEKDAYS, wraps=True)

SPECS = (MINUTE, HOUR, DAY, MONTH, WEEKDAY)


class Field:
    """The values that one field of a schedule selects."""

    __slots__ = ("spec", "text", "values", "last")

    def __init__(self, spec, text, values, last=False):
        self.spec = spec
        self.text = text
        self.values = tuple(sorted(values))
        self.last = last

    @property
    def restricted(self):
        """Whether the field was written as something else than ``*``.

        A field that starts with an asterisk counts as unrestricted even with
        a step, which is how cron itself decides.
        """
        return not self.text.startswith("*")

    @property
    def full(self):
        """Whether every value is selected."""
        return len(self.values) == len(_universe(self.spec))

    def first(self):
        return self.values[0]

    def at_or_after(self, value):
        """The lowest selected value that is not below ``value``, or None."""
        for candidate in self.values:
            if candidate >= value:
                return candidate
        return None

    def at_or_before(self, value):
        """The highest selected value that is not above ``value``, or None."""
        for candidate in reversed(self.values):
            if candidate <= value:
                return candidate
        return None

    def __contains__(self, value):
        return value in self.values

    def __eq__(self, other):
        if not isinstance(other, Field):
            return NotImplemented
        return (self.spec.name, self.values, self.last, self.restricted) == (
            other.spec.name,
            other.values,
            other.last,
            other.restricted,
        )

    def __hash__(self):
        return hash((self.spec.name, self.values, self.last, self.restricted))

    def __repr__(self):
        return "Field(%s, %r)" % (self.spec.name, self.text)


def _universe(spec):
    return range(spec.low, spec.high + (0 if spec is WEEKDAY else 1))


def _normalize(spec, value):
    return value % 7 if spec is WEEKDAY else value


def _number(spec, whole, text):
    lowered = text.lower()
    if lowered in spec.names:
        return spec.names[lowered]
    if not (text.isascii() and text.isdigit()):
        raise FieldError(spec.name, whole, "%r is not a value" % text)
    value = int(text)
    if not spec.low <= value <= spec.high:
        raise FieldError(
            spec.name,
            whole,
            "%d is not between %d and %d" % (value, spec.low, spec.high),
        )
    return value


def _step(spec, whole, text):
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        raise FieldError(spec.name, whole, "bad step %r" % text)
    return int(text)


def _item(spec, whole, item):
    """The values of one item of the list."""
    body, slash, step_text = item.partition("/")
    step = _step(spec, whole, step_text) if slash else 1
    universe = _universe(spec)
    if body == "*":
        return set(universe[::step])
    start_text, dash, end_text = body.partition("-")
    start = _number(spec, whole, start_text)
    if dash:
        end = _number(spec, whole, end_text)
    elif slash:
        end = universe[-1]
    else:
        end = start
    if start > end:
        if not spec.wraps:
            raise FieldError(spec.name, whole, "%d is above %d" % (start, end))
        end += 7
    return {_normalize(spec, value) for value in range(start, end + 1, step)}


def parse_field(spec, text):
    """Read the text of one field."""
    values = set()
    last = False
    for item in text.split(","):
        if spec.last and item.upper() == "L":
            last = True
        else:
            values |= _item(spec, text, item)
    return Field(spec, text, values, last)
