"""Exceptions raised by cronwhen."""


class CronError(ValueError):
    """Something is wrong with a schedule."""


class FieldError(CronError):
    """One field of a schedule cannot be understood."""

    def __init__(self, field, text, reason):
        super().__init__("%s: %s (in %r)" % (field, reason, text))
        self.field = field
        self.text = text
        self.reason = reason


class NeverError(CronError):
    """The schedule does not fire, such as one for February 30."""
