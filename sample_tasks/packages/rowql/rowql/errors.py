"""Exceptions raised by rowql."""


class QueryError(Exception):
    """Base class of what goes wrong with a query."""


class QuerySyntaxError(QueryError):
    """The text of a query is malformed. ``position`` counts from 0."""

    def __init__(self, message, position):
        super().__init__("%s at position %d" % (message, position))
        self.position = position


class EvaluationError(QueryError):
    """A well-formed query that does not fit its data."""
