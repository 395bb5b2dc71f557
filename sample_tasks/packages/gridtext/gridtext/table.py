"""Tables and how they are drawn."""

from .cells import guess_align, to_text
from .markdown import to_markdown
from .styles import STYLES
from .width import display_width, pad, truncate
from .wrap import wrap

ALIGNS = ("left", "right", "center")
OVERFLOWS = ("wrap", "ellipsis")


class TableError(ValueError):
    """A table was asked for something it cannot do."""


class Column:
    """How one column is shown. An ``align`` of None depends on the values."""

    def __init__(
        self, title, align=None, max_width=None, format="", missing="", overflow="wrap"
    ):
        if align is not None and align not in ALIGNS:
            raise TableError("align must be one of %s" % ", ".join(ALIGNS))
        if max_width is not None and max_width < 1:
            raise TableError("max_width must be at least 1")
        if overflow not in OVERFLOWS:
            raise TableError("overflow must be one of %s" % ", ".join(OVERFLOWS))
        self.title = title
        self.align = align
        self.max_width = max_width
        self.format = format
        self.missing = missing
        self.overflow = overflow

    def text(self, value):
        return to_text(value, self.format, self.missing).expandtabs()

    def lines(self, text):
        """The lines that ``text`` takes in a cell of this column."""
        if self.max_width is None:
            return text.split("\n")
        if self.overflow == "ellipsis":
            return [truncate(line, self.max_width) for line in text.split("\n")]
        return wrap(text, self.max_width)

    def __repr__(self):
        return "Column(%r)" % self.title


class Table:
    """Rows under titles.

    ``columns`` are Column objects or just titles.
    """

    def __init__(self, columns, rows=()):
        self.columns = [
            column if isinstance(column, Column) else Column(column)
            for column in columns
        ]
        if not self.columns:
            raise TableError("a table needs a column")
        self.rows = []
        for row in rows:
            self.add_row(*row)

    def add_row(self, *values):
        if len(values) > len(self.columns):
            raise TableError(
                "%d values for %d columns" % (len(values), len(self.columns))
            )
        missing = len(self.columns) - len(values)
        self.rows.append(tuple(values) + (None,) * missing)

    def sort(self, title, reverse=False):
        """Sort the rows by a column; rows without a value there come last."""
        index = self.index(title)
        filled = [row for row in self.rows if row[index] is not None]
        blank = [row for row in self.rows if row[index] is None]
        filled.sort(key=lambda row: row[index], reverse=reverse)
        self.rows = filled + blank

    def index(self, title):
        for index, column in enumerate(self.columns):
            if column.title == title:
                return index
        raise TableError("no column %r" % title)

    def aligns(self):
        return [
            column.align or guess_align(row[index] for row in self.rows)
            for index, column in enumerate(self.columns)
        ]

    def texts(self):
        """The text of each cell, row by row."""
        return [
            [column.text(value) for column, value in zip(self.columns, row)]
            for row in self.rows
        ]

    def render(self, style="grid", header=True):
        """The table as text, without a line break at the end."""
        if style not in STYLES:
            raise TableError("style must be one of %s" % ", ".join(STYLES))
        style = STYLES[style]
        aligns = self.aligns()
        grid = [
            [column.lines(text) for column, text in zip(self.columns, row)]
            for row in self.texts()
        ]
        titles = [column.lines(str(column.title)) for column in self.columns]
        everything = [titles] + grid if header else grid
        widths = [
            max(
                (display_width(line) for row in everything for line in row[index]),
                default=0,
            )
            for index in range(len(self.columns))
        ]
        lines = []
        if style.top:
            lines.append(_rule(style, style.top, widths))
        if header:
            lines.extend(_row(style, titles, widths, aligns))
            if style.header:
                lines.append(_rule(style, style.header, widths))
        for row in grid:
            lines.extend(_row(style, row, widths, aligns))
        if style.bottom:
            lines.append(_rule(style, style.bottom, widths))
        return "\n".join(line.rstrip(" ") for line in lines)

    def to_markdown(self):
        return to_markdown(
            [str(column.title) for column in self.columns], self.texts(), self.aligns()
        )

    def __str__(self):
        return self.render()

    def __len__(self):
        return len(self.rows)


def _rule(style, rule, widths):
    left, fill, crossing, right = rule
    bars = [fill * (width + 2 * style.padding) for width in widths]
    return left + crossing.join(bars) + right


def _row(style, cells, widths, aligns):
    """The lines of one row, as many as its tallest cell has."""
    space = " " * style.padding
    for number in range(max(len(cell) for cell in cells)):
        parts = []
        for cell, width, align in zip(cells, widths, aligns):
            line = cell[number] if number < len(cell) else ""
            parts.append(space + pad(line, width, align) + space)
        yield style.left + style.between.join(parts) + style.right


def from_records(records, columns=None):
    """A table of dictionaries, by default with all keys there are as columns."""
    records = list(records)
    if columns is None:
        columns = list(dict.fromkeys(key for record in records for key in record))
    table = Table(columns)
    for record in records:
        table.add_row(*(record.get(column.title) for column in table.columns))
    return table
