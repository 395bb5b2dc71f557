"""Work out when a cron schedule fires."""

from .describe import describe
from .errors import CronError, FieldError, NeverError
from .schedule import Schedule
from .table import Entry, parse_table

__version__ = "1.2"

__all__ = [
    "CronError",
    "Entry",
    "FieldError",
    "NeverError",
    "Schedule",
    "describe",
    "parse_table",
]
