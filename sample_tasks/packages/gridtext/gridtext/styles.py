"""What the lines between the cells are made of."""

from collections import namedtuple

# A rule is (left end, fill, crossing, right end), or None for no such rule.
Style = namedtuple("Style", "top header bottom left between right padding")

STYLES = {
    "grid": Style(
        ("+", "-", "+", "+"), ("+", "-", "+", "+"), ("+", "-", "+", "+"),
        "|", "|", "|", 1,
    ),
    "box": Style(
        ("┌", "─", "┬", "┐"), ("├", "─", "┼", "┤"), ("└", "─", "┴", "┘"),
        "│", "│", "│", 1,
    ),
    "simple": Style(None, ("", "-", "  ", ""), None, "", "  ", "", 0),
    "plain": Style(None, None, None, "", "  ", "", 0),
}
