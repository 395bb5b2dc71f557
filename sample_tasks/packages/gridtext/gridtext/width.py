"""How many columns of a terminal a text takes."""

import re
import unicodedata

ANSI = re.compile(r"\x1b\[[0-9;]*m")
RESET = "\x1b[0m"
ELLIPSIS = "\u2026"


def strip_ansi(text):
    """``text`` without colour sequences."""
    return ANSI.sub("", text)


def char_width(character):
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def display_width(text):
    """The columns that one line of text takes on a terminal."""
    return sum(char_width(character) for character in strip_ansi(text))


def pad(text, width, align="left"):
    """Fill ``text`` up to ``width`` columns with spaces."""
    missing = max(0, width - display_width(text))
    if align == "right":
        return " " * missing + text
    if align == "center":
        left = missing // 2
        return " " * left + text + " " * (missing - left)
    return text + " " * missing


def pieces(text):
    """Yield (piece, columns) for each colour sequence and each character."""
    position = 0
    while position < len(text):
        match = ANSI.match(text, position)
        if match:
            yield match.group(), 0
            position = match.end()
        else:
            yield text[position], char_width(text[position])
            position += 1


def split_at(text, width):
    """Cut ``text`` in two, the first part as long as fits ``width`` columns.

    The parts put together are ``text`` again. Characters without a width stay
    with the one before them, colour sequences likewise.
    """
    used = 0
    cut = 0
    for piece, columns in pieces(text):
        if used + columns > width:
            break
        used += columns
        cut += len(piece)
    return text[:cut], text[cut:]


def truncate(text, width, marker=ELLIPSIS):
    """Cut a line to ``width`` columns, the last of which show ``marker``.

    Text that fits is left alone. If the cut falls within coloured text, the
    colour is reset ahead of the marker.
    """
    if display_width(text) <= width:
        return text
    marker, _ = split_at(marker, width)
    head, _ = split_at(text, width - display_width(marker))
    colours = ANSI.findall(head)
    if colours and colours[-1] not in (RESET, "\x1b[m"):
        head += RESET
    return head + marker
