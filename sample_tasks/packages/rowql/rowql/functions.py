"""What can be called in a query."""

from .errors import EvaluationError


def _strict(function):
    """The function, with NULL for a result as soon as an argument is NULL."""

    def call(*arguments):
        if any(argument is None for argument in arguments):
            return None
        return function(*arguments)

    return call


def _coalesce(*arguments):
    for argument in arguments:
        if argument is not None:
            return argument
    return None


def _round(value, digits=0):
    return round(value, digits) if digits else round(value)


FUNCTIONS = {
    "ABS": _strict(abs),
    "COALESCE": _coalesce,
    "LENGTH": _strict(len),
    "LOWER": _strict(str.lower),
    "ROUND": _strict(_round),
    "TRIM": _strict(str.strip),
    "UPPER": _strict(str.upper),
}


def _sum(values):
    return sum(values) if values else None


def _average(values):
    return sum(values) / len(values) if values else None


AGGREGATES = {
    "AVG": _average,
    "COUNT": len,
    "MAX": lambda values: max(values, default=None),
    "MIN": lambda values: min(values, default=None),
    "SUM": _sum,
}


def call_function(name, arguments):
    try:
        return FUNCTIONS[name](*arguments)
    except (TypeError, AttributeError) as error:
        raise EvaluationError("%s: %s" % (name, error))


def aggregate(name, values, distinct=False):
    """Aggregate ``values``, of which those that are NULL do not count."""
    present = [value for value in values if value is not None]
    if distinct:
        present = unique(present)
    try:
        return AGGREGATES[name](present)
    except TypeError as error:
        raise EvaluationError("%s: %s" % (name, error))


def unique(values):
    """``values`` without repetitions, in order of first appearance."""
    seen = set()
    kept = []
    for value in values:
        key = hashable(value)
        if key not in seen:
            seen.add(key)
            kept.append(value)
    return kept


def hashable(value):
    """Something hashable that is equal for equal values."""
    if isinstance(value, (list, tuple)):
        return ("list", tuple(hashable(item) for item in value))
    if isinstance(value, dict):
        return ("dict", frozenset((key, hashable(item)) for key, item in value.items()))
    if isinstance(value, set):
        return ("set", frozenset(value))
    return value
