"""The ``cronwhen`` command."""

import argparse
import datetime
import sys

from .describe import describe
from .errors import CronError
from .schedule import Schedule


def _moment(text):
    try:
        return datetime.datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("not a time: %r" % text)


def main(argv=None, out=None, err=None):
    out = out or sys.stdout
    err = err or sys.stderr
    parser = argparse.ArgumentParser(prog="cronwhen", description=__doc__)
    parser.add_argument("schedule", help='such as "30 2 * * mon-fri"')
    parser.add_argument("-n", "--count", type=int, default=5)
    parser.add_argument("--after", type=_moment, metavar="TIME")
    parser.add_argument("--words", action="store_true", help="describe it first")
    options = parser.parse_args(argv)
    try:
        schedule = Schedule.parse(options.schedule)
        if options.words:
            out.write(describe(schedule) + "\n")
        moment = options.after or datetime.datetime.now()
        for _ in range(options.count):
            moment = schedule.next(moment)
            out.write(moment.strftime("%Y-%m-%d %H:%M") + "\n")
    except CronError as error:
        err.write("cronwhen: %s\n" % error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
