"""Reading crontab files."""

import re

from .errors import CronError
from .schedule import Schedule

_ASSIGNMENT = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$")


class Entry:
    """A line of a crontab: when to run what, in which environment."""

    __slots__ = ("schedule", "command", "stdin", "environment", "line")

    def __init__(self, schedule, command, stdin=None, environment=None, line=0):
        self.schedule = schedule
        self.command = command
        self.stdin = stdin
        self.environment = dict(environment or {})
        self.line = line

    def __repr__(self):
        return "Entry(%r, %r)" % (str(self.schedule), self.command)


def _split_command(text):
    """Take a command apart at its percent signs.

    The first one that has no backslash ends the command; what follows is its
    standard input, in which further ones stand for line breaks. A backslash
    in front of a percent sign goes away.
    """
    pieces = [""]
    position = 0
    while position < len(text):
        if text.startswith("\\%", position):
            pieces[-1] += "%"
            position += 2
        elif text[position] == "%":
            pieces.append("")
            position += 1
        else:
            pieces[-1] += text[position]
            position += 1
    if len(pieces) == 1:
        return pieces[0], None
    return pieces[0], "\n".join(pieces[1:]) + "\n"


def _unquote(value):
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return value


def parse_table(text):
    """Read a crontab; the result is a list of entries."""
    entries = []
    environment = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        assignment = _ASSIGNMENT.match(stripped)
        if assignment:
            environment[assignment.group(1)] = _unquote(assignment.group(2))
            continue
        count = 1 if stripped.startswith("@") else 5
        parts = stripped.split(None, count)
        if len(parts) <= count:
            raise CronError("line %d: no command in %r" % (number, stripped))
        try:
            schedule = Schedule.parse(" ".join(parts[:count]))
        except CronError as error:
            raise CronError("line %d: %s" % (number, error))
        command, stdin = _split_command(parts[count])
        entries.append(Entry(schedule, command, stdin, environment, number))
    return entries


def upcoming(entries, after, count):
    """The next ``count`` (time, entry) pairs of all entries, in order of time.

    Entries that fire at the same time come in the order of the table.
    """
    pending = []
    for position, entry in enumerate(entries):
        moment = after
        for _ in range(count):
            try:
                moment = entry.schedule.next(moment)
            except CronError:
                break
            pending.append((moment, position, entry))
    pending.sort(key=lambda item: item[:2])
    return [(moment, entry) for moment, _, entry in pending[:count]]
