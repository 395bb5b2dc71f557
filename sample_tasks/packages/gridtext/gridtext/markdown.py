"""Markdown tables."""

import re

from .width import display_width, pad

_DELIMITER = re.compile(r"^:?-+:?$")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


def escape(text):
    """Make ``text`` fit for a cell."""
    text = text.replace("\\", "\\\\").replace("|", "\\|")
    return text.replace("\n", "<br>")


def unescape(text):
    text = _BREAK.sub("\n", text)
    return re.sub(r"\\([\\|])", r"\1", text)


def split_row(line):
    """The cells of a line, still escaped."""
    line = line.strip()
    cells = [""]
    position = 0
    while position < len(line):
        if line[position] == "\\":
            cells[-1] += line[position : position + 2]
            position += 2
            continue
        if line[position] == "|":
            cells.append("")
        else:
            cells[-1] += line[position]
        position += 1
    if line.startswith("|"):
        cells = cells[1:]
    if len(cells) > 1 and not cells[-1]:
        cells = cells[:-1]
    return [cell.strip() for cell in cells]


def _delimiter(width, align):
    if align == "right":
        return "-" * (width - 1) + ":"
    if align == "center":
        return ":" + "-" * (width - 2) + ":"
    return "-" * width


def to_markdown(titles, rows, aligns):
    """A Markdown table of texts, with the source lined up as well."""
    lines = [[escape(text) for text in row] for row in [titles] + list(rows)]
    widths = [
        max(3, *(display_width(line[index]) for line in lines))
        for index in range(len(titles))
    ]
    out = []
    for number, line in enumerate(lines):
        cells = [pad(*cell) for cell in zip(line, widths, aligns)]
        out.append("| " + " | ".join(cells) + " |")
        if number == 0:
            rules = [_delimiter(*cell) for cell in zip(widths, aligns)]
            out.append("| " + " | ".join(rules) + " |")
    return "\n".join(out)


def _align(delimiter):
    if delimiter.endswith(":"):
        return "center" if delimiter.startswith(":") else "right"
    return "left" if delimiter.startswith(":") else None


def parse_markdown(text):
    """The first table of a Markdown text as (titles, rows, aligns).

    Rows are as long as there are titles: missing cells are empty, further
    ones are dropped. An align is None where the table does not say.
    """
    lines = text.splitlines()
    for number in range(1, len(lines)):
        delimiters = split_row(lines[number])
        if "|" not in lines[number - 1] or not all(
            _DELIMITER.match(cell) for cell in delimiters
        ):
            continue
        titles = [unescape(cell) for cell in split_row(lines[number - 1])]
        if len(titles) != len(delimiters):
            continue
        rows = []
        for line in lines[number + 1 :]:
            if not line.strip():
                break
            cells = [unescape(cell) for cell in split_row(line)][: len(titles)]
            rows.append(cells + [""] * (len(titles) - len(cells)))
        return titles, rows, [_align(cell) for cell in delimiters]
    raise ValueError("there is no table")
