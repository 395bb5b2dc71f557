"""From values to text."""

import datetime
import decimal
import numbers


def is_number(value):
    if isinstance(value, bool):
        return False
    return isinstance(value, (numbers.Number, decimal.Decimal))


def is_blank(value):
    return value is None or value == ""


def to_text(value, spec="", missing=""):
    """The text of a cell; ``spec`` is a format specification as of format().

    The specification is meant for the kind of values a column mostly has, so
    a value it does not suit is shown without it.
    """
    if value is None:
        return missing
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime.datetime) and not spec:
        return value.isoformat(" ", "minutes")
    try:
        return format(value, spec)
    except (TypeError, ValueError):
        return str(value)


def guess_align(values):
    """``right`` for a column of numbers, in which cells may be blank."""
    filled = [value for value in values if not is_blank(value)]
    if filled and all(is_number(value) for value in filled):
        return "right"
    return "left"
