"""Reading journals."""

import datetime
import re

from .amounts import parse_amount
from .errors import AmountError, BalanceError, ParseError, TallyError
from .model import Account, BalanceAssertion, Journal, Posting, Transaction

_DATE = re.compile(r"^(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?=\s|$)")
_ACCOUNT_END = re.compile(r"\s{2,}|\t")
_COMMENT_START = tuple(";#")


def parse_date(text):
    match = _DATE.match(text)
    if not match:
        raise ValueError("not a date: %r" % text)
    return datetime.date(*(int(group) for group in match.groups()))


def _split_comment(text):
    """Cut ``text`` at the first semicolon."""
    body, _, comment = text.partition(";")
    return body.rstrip(), comment.strip()


class _Parser:
    def __init__(self, text):
        self.lines = text.splitlines()
        self.journal = Journal()
        self.current = None

    def run(self):
        for number, line in enumerate(self.lines, 1):
            try:
                self._line(number, line)
            except AmountError as error:
                raise ParseError(str(error), number)
            except ParseError:
                raise
            except TallyError as error:
                raise ParseError(str(error), number)
        self._finish()
        return self.journal

    def _line(self, number, line):
        if not line.strip():
            self._finish()
        elif line[0] in " \t":
            self._posting(number, line)
        elif line.startswith(_COMMENT_START):
            return
        else:
            self._finish()
            self._entry(number, line)

    def _entry(self, number, line):
        match = _DATE.match(line)
        if not match:
            raise ParseError("expected a date: %r" % line, number)
        try:
            date = parse_date(line)
        except ValueError as error:
            raise ParseError(str(error), number)
        rest, _ = _split_comment(line[match.end() :])
        rest = rest.strip()
        keyword, _, argument = rest.partition(" ")
        if keyword == "balance":
            self._assertion(number, date, argument.strip())
            return
        flag = ""
        if rest[:1] in ("*", "!"):
            flag, rest = rest[0], rest[1:].strip()
        payee, _, narration = rest.partition("|")
        self.current = Transaction(
            date, payee.strip(), narration.strip(), flag, line=number
        )

    def _assertion(self, number, date, text):
        account, amount = self._account_and_amount(text)
        if amount is None:
            raise ParseError("balance needs an amount", number)
        self.journal.add(BalanceAssertion(date, account, amount, number))

    def _account_and_amount(self, text):
        parts = _ACCOUNT_END.split(text, maxsplit=1)
        account = Account(parts[0])
        if len(parts) == 1 or not parts[1].strip():
            return account, None
        return account, parse_amount(parts[1])

    def _posting(self, number, line):
        body, comment = _split_comment(line.strip())
        if self.current is None:
            if not body:
                return
            raise ParseError("posting outside of a transaction", number)
        if not body:
            return
        account, amount = self._account_and_amount(body)
        self.current.postings.append(Posting(account, amount, comment, number))

    def _finish(self):
        transaction, self.current = self.current, None
        if transaction is None:
            return
        if len(transaction.postings) < 2:
            raise ParseError("a transaction needs two postings", transaction.line)
        try:
            transaction.complete()
        except BalanceError as error:
            raise ParseError(str(error), transaction.line)
        self.journal.add(transaction)


def parse_journal(text, check=True):
    """Read a journal. Balance assertions are verified unless ``check`` is false."""
    journal = _Parser(text).run()
    if check:
        journal.check()
    return journal
