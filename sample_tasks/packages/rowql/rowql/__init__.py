"""SQL-like queries over lists of dictionaries."""

from .engine import execute
from .errors import EvaluationError, QueryError, QuerySyntaxError
from .parser import parse

__version__ = "0.9"

__all__ = [
    "EvaluationError",
    "QueryError",
    "QuerySyntaxError",
    "execute",
    "parse",
    "query",
]


def query(text, params=(), **tables):
    """Run a query over ``tables``, each a sequence of dictionaries."""
    return execute(parse(text), tables, params)
