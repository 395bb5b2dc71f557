"""Exceptions raised by tally."""


class TallyError(Exception):
    """Base class of everything tally raises on purpose."""


class AmountError(TallyError, ValueError):
    """An amount could not be read or two amounts do not go together."""


class ParseError(TallyError):
    """A journal is malformed. ``line`` is counted from 1."""

    def __init__(self, message, line):
        super().__init__("line %d: %s" % (line, message))
        self.message = message
        self.line = line


class BalanceError(TallyError):
    """A transaction does not balance or an assertion does not hold."""
