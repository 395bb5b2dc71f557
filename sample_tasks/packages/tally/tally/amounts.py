"""Exact amounts of one commodity, and balances of several."""

import re
from decimal import ROUND_DOWN, Decimal

from .errors import AmountError

_NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?"
_PREFIXED = re.compile(
    r"^(?P<sign1>[-+]?)\s*(?P<commodity>[^\s\d.,;+\-]+)\s*(?P<sign2>[-+]?)\s*"
    r"(?P<number>%s)$" % _NUMBER
)
_SUFFIXED = re.compile(
    r"^(?P<sign>[-+]?)\s*(?P<number>%s)\s*(?P<commodity>[^\s\d.,;+\-]+)$" % _NUMBER
)
_SYMBOLS = frozenset("$€£¥₹")


class Amount:
    """A number of units of one commodity."""

    __slots__ = ("number", "commodity")

    def __init__(self, number, commodity):
        if isinstance(number, float):
            raise AmountError("amounts are exact; pass a Decimal, int or str")
        number = Decimal(number)
        self.number = number if number else number.copy_abs()
        self.commodity = commodity

    def _same(self, other):
        if self.commodity != other.commodity:
            raise AmountError(
                "cannot combine %s and %s" % (self.commodity, other.commodity)
            )

    def __add__(self, other):
        if not isinstance(other, Amount):
            return NotImplemented
        self._same(other)
        return Amount(self.number + other.number, self.commodity)

    def __sub__(self, other):
        if not isinstance(other, Amount):
            return NotImplemented
        return self + -other

    def __neg__(self):
        return Amount(-self.number, self.commodity)

    def __eq__(self, other):
        if not isinstance(other, Amount):
            return NotImplemented
        return (self.number, self.commodity) == (other.number, other.commodity)

    def __hash__(self):
        return hash((self.number, self.commodity))

    def __bool__(self):
        return bool(self.number)

    @property
    def places(self):
        """Digits after the decimal point, as the amount was written."""
        return max(0, -self.number.as_tuple().exponent)

    def __str__(self):
        text = "{:,f}".format(self.number)
        if self.commodity in _SYMBOLS:
            return self.commodity + text
        return "%s %s" % (text, self.commodity)

    def __repr__(self):
        return "Amount(%r, %r)" % (str(self.number), self.commodity)


def parse_amount(text):
    """Read ``$5.00``, ``-$5``, ``$-5``, ``5 EUR`` or ``EUR 1,250.00``."""
    stripped = text.strip()
    match = _PREFIXED.match(stripped)
    if match:
        signs = match.group("sign1") + match.group("sign2")
        if len(signs) > 1:
            raise AmountError("two signs in amount %r" % text)
    else:
        match = _SUFFIXED.match(stripped)
        if not match:
            raise AmountError("not an amount: %r" % text)
        signs = match.group("sign")
    digits = match.group("number").replace(",", "")
    if not digits:
        raise AmountError("no number in amount %r" % text)
    number = Decimal(digits)
    return Amount(-number if signs == "-" else number, match.group("commodity"))


def allocate(amount, weights):
    """Split ``amount`` in proportion to ``weights`` without losing anything.

    Every share is a multiple of the amount's smallest written unit (one cent
    for ``$10.00``) and the shares add up to the amount exactly. Units that are
    left over after rounding go to the first shares with a non-zero weight.
    """
    weights = [Decimal(weight) for weight in weights]
    if not weights or any(weight < 0 for weight in weights):
        raise AmountError("weights must be a non-empty list of numbers >= 0")
    total = sum(weights)
    if not total:
        raise AmountError("weights must not all be zero")
    unit = Decimal(1).scaleb(-amount.places)
    shares = [
        (amount.number * weight / total).quantize(unit, rounding=ROUND_DOWN)
        for weight in weights
    ]
    left = amount.number - sum(shares)
    step = unit.copy_sign(left)
    while left:
        for index, weight in enumerate(weights):
            if left and weight:
                shares[index] += step
                left -= step
    return [Amount(share, amount.commodity) for share in shares]


class Balance:
    """Amounts of any number of commodities, at most one of each."""

    def __init__(self, amounts=()):
        self._numbers = {}
        for amount in amounts:
            self.add(amount)

    def add(self, amount):
        known = self._numbers.get(amount.commodity)
        self._numbers[amount.commodity] = amount if known is None else known + amount

    def update(self, other):
        for amount in other:
            self.add(amount)

    def copy(self):
        return Balance(self)

    def get(self, commodity):
        return self._numbers.get(commodity, Amount(0, commodity))

    def __iter__(self):
        """The amounts that are not zero, ordered by commodity."""
        for commodity in sorted(self._numbers):
            if self._numbers[commodity]:
                yield self._numbers[commodity]

    def __bool__(self):
        return any(self._numbers.values())

    def __eq__(self, other):
        if not isinstance(other, Balance):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None

    def __neg__(self):
        return Balance(-amount for amount in self)

    def __str__(self):
        return ", ".join(str(amount) for amount in self) or "0"

    def __repr__(self):
        return "Balance([%s])" % ", ".join(repr(amount) for amount in self)
