"""Breaking text into lines of a given width."""

import re

from .width import display_width, split_at

_WORDS = re.compile(r"[^ ]+")


def _break_word(word, width):
    """Cut a word that is too long; yields at least one character each time."""
    while display_width(word) > width:
        head, tail = split_at(word, width)
        if not head:
            # Not even one character fits, as with a wide one in one column.
            head, tail = word[0], word[1:]
        yield head
        word = tail
    yield word


def _wrap_line(line, width):
    if display_width(line) <= width:
        return [line]
    lines = []
    current = ""
    for match in _WORDS.finditer(line):
        word = match.group()
        candidate = current + " " + word if current else word
        if display_width(candidate) <= width:
            current = candidate
            continue
        if current:
            lines.append(current)
        *full, current = _break_word(word, width)
        lines.extend(full)
    if current:
        lines.append(current)
    return lines or [""]


def wrap(text, width):
    """Break ``text`` into lines of at most ``width`` columns.

    Line breaks in the text are kept, empty lines included. A line that fits
    is taken as it is; one that does not is broken at its spaces.
    """
    if width < 1:
        raise ValueError("width must be at least 1")
    lines = []
    for line in text.split("\n"):
        lines.extend(_wrap_line(line, width))
    return lines
