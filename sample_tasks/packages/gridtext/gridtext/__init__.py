"""Tables for terminals and Markdown."""

from .markdown import parse_markdown, to_markdown
from .styles import STYLES, Style
from .table import Column, Table, TableError, from_records
from .width import display_width, pad, strip_ansi, truncate
from .wrap import wrap

__version__ = "2.3"

__all__ = [
    "Column",
    "STYLES",
    "Style",
    "Table",
    "TableError",
    "display_width",
    "from_records",
    "pad",
    "parse_markdown",
    "strip_ansi",
    "to_markdown",
    "truncate",
    "wrap",
]
