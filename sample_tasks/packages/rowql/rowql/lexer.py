"""From text to tokens."""

import re
from collections import namedtuple

from .errors import QuerySyntaxError

Token = namedtuple("Token", "kind value position")

KEYWORDS = frozenset(
    """ALL AND AS ASC BETWEEN BY DESC DISTINCT FALSE FROM GROUP HAVING IN INNER
    IS JOIN LEFT LIKE LIMIT NOT NULL OFFSET ON OR ORDER OUTER SELECT TRUE
    WHERE""".split()
)

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*)
  | (?P<number>\d+\.\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|\d+(?:[eE][-+]?\d+)?)
  | (?P<string>'(?:[^']|'')*')
  | (?P<quoted>"(?:[^"]|"")+")
  | (?P<word>[^\W\d]\w*)
  | (?P<operator><>|!=|<=|>=|\|\||[-+*/%=<>(),.?])
    """,
    re.VERBOSE,
)


def tokenize(text):
    """The tokens of ``text``, the last of which is of kind ``end``."""
    tokens = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if not match:
            if text[position] in "'\"":
                raise QuerySyntaxError("unterminated quote", position)
            raise QuerySyntaxError("unexpected %r" % text[position], position)
        kind = match.lastgroup
        value = match.group()
        if kind == "number":
            value = int(value) if value.isdigit() else float(value)
        elif kind == "string":
            value = value[1:-1].replace("''", "'")
        elif kind == "quoted":
            kind, value = "name", value[1:-1].replace('""', '"')
        elif kind == "word":
            if value.upper() in KEYWORDS:
                kind, value = "keyword", value.upper()
            else:
                kind = "name"
        elif kind == "operator" and value == "!=":
            value = "<>"
        if kind != "space":
            tokens.append(Token(kind, value, position))
        position = match.end()
    tokens.append(Token("end", "", len(text)))
    return tokens
