"""The ``tally`` command."""

import argparse
import sys

from .errors import TallyError
from .model import Account
from .parser import parse_date, parse_journal
from .reports import balance_report, register_report


def _date(text):
    try:
        return parse_date(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error))


def build_parser():
    parser = argparse.ArgumentParser(prog="tally", description=__doc__)
    parser.add_argument("journal", help="file to read, - for standard input")
    parser.add_argument("--no-check", action="store_true", help="skip assertions")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("balance", "register"):
        command = commands.add_parser(name)
        command.add_argument("account", nargs="?", help="only this account")
        command.add_argument("--begin", type=_date, metavar="DATE")
        command.add_argument("--end", type=_date, metavar="DATE")
        command.add_argument("--cleared", action="store_true", help="skip pending")
        if name == "balance":
            command.add_argument("--depth", type=int)
            command.add_argument("--flat", action="store_true")
            command.add_argument("--empty", action="store_true")
    return parser


def main(argv=None, out=None, err=None):
    out = out or sys.stdout
    err = err or sys.stderr
    options = build_parser().parse_args(argv)
    try:
        if options.journal == "-":
            text = sys.stdin.read()
        else:
            with open(options.journal, encoding="utf-8") as stream:
                text = stream.read()
        journal = parse_journal(text, check=not options.no_check)
        filters = {
            "account": Account(options.account) if options.account else None,
            "begin": options.begin,
            "end": options.end,
            "pending": not options.cleared,
        }
        if options.command == "balance":
            report = balance_report(
                journal, options.depth, options.flat, options.empty, **filters
            )
        else:
            report = register_report(journal, **filters)
    except (OSError, TallyError) as error:
        err.write("tally: %s\n" % error)
        return 1
    if report:
        out.write(report + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
