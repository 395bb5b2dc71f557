"""The things a journal is made of."""

from .amounts import Balance
from .errors import BalanceError, TallyError

CLEARED = "*"
PENDING = "!"


class Account:
    """A colon-separated account name such as ``Assets:Bank:Checking``."""

    __slots__ = ("name",)

    def __init__(self, name):
        if not name or any(not part.strip() for part in name.split(":")):
            raise TallyError("bad account name: %r" % name)
        self.name = name

    @property
    def parts(self):
        return tuple(self.name.split(":"))

    @property
    def depth(self):
        return len(self.parts)

    @property
    def parent(self):
        head, separator, _ = self.name.rpartition(":")
        return Account(head) if separator else None

    def clip(self, depth):
        """The ancestor at ``depth``, or the account itself if it is not deeper."""
        return Account(":".join(self.parts[:depth]))

    def within(self, other):
        """Whether this is ``other`` or one of its sub-accounts."""
        return self.parts[: other.depth] == other.parts

    def __eq__(self, other):
        return isinstance(other, Account) and self.name == other.name

    def __lt__(self, other):
        return self.parts < other.parts

    def __hash__(self):
        return hash(self.name)

    def __str__(self):
        return self.name

    def __repr__(self):
        return "Account(%r)" % self.name


class Posting:
    """One leg of a transaction. ``amount`` is None until it is filled in."""

    __slots__ = ("account", "amount", "comment", "line")

    def __init__(self, account, amount=None, comment="", line=0):
        self.account = account
        self.amount = amount
        self.comment = comment
        self.line = line

    def __repr__(self):
        return "Posting(%r, %r)" % (self.account, self.amount)


class Transaction:
    def __init__(self, date, payee, narration="", flag="", postings=(), line=0):
        self.date = date
        self.payee = payee
        self.narration = narration
        self.flag = flag
        self.postings = list(postings)
        self.line = line

    @property
    def pending(self):
        return self.flag == PENDING

    def residual(self):
        """What the postings that have an amount add up to."""
        return Balance(p.amount for p in self.postings if p.amount is not None)

    def complete(self):
        """Fill in the posting that has no amount; check that all add up to 0.

        When several commodities are left over, the empty posting is replaced
        by one posting for each.
        """
        empty = [p for p in self.postings if p.amount is None]
        residual = self.residual()
        if len(empty) > 1:
            raise BalanceError("more than one posting without an amount")
        if not empty:
            if residual:
                raise BalanceError("transaction is off by %s" % residual)
            return
        blank = empty[0]
        filled = [
            Posting(blank.account, amount, blank.comment, blank.line)
            for amount in -residual
        ]
        at = self.postings.index(blank)
        self.postings[at : at + 1] = filled

    def __repr__(self):
        return "Transaction(%s, %r)" % (self.date, self.payee)


class BalanceAssertion:
    """``account`` must hold ``amount`` at the end of ``date``."""

    __slots__ = ("date", "account", "amount", "line")

    def __init__(self, date, account, amount, line=0):
        self.date = date
        self.account = account
        self.amount = amount
        self.line = line


class Journal:
    def __init__(self):
        self.transactions = []
        self.assertions = []

    def add(self, entry):
        if isinstance(entry, BalanceAssertion):
            self.assertions.append(entry)
        else:
            self.transactions.append(entry)

    def sorted_transactions(self):
        """By date; transactions of one day stay in the order of the file."""
        return sorted(self.transactions, key=lambda transaction: transaction.date)

    def select(self, account=None, begin=None, end=None, pending=True):
        """Yield (transaction, posting) in order of date.

        ``begin`` is the first day that counts and ``end`` the first that does
        not any more.
        """
        for transaction in self.sorted_transactions():
            if begin is not None and transaction.date < begin:
                continue
            if end is not None and transaction.date >= end:
                continue
            if transaction.pending and not pending:
                continue
            for posting in transaction.postings:
                if account is None or posting.account.within(account):
                    yield transaction, posting

    def check(self):
        """Raise BalanceError for the first assertion that does not hold."""
        for assertion in sorted(self.assertions, key=lambda a: a.date):
            held = Balance(
                posting.amount
                for transaction, posting in self.select(assertion.account)
                if transaction.date <= assertion.date
            )
            actual = held.get(assertion.amount.commodity)
            if actual != assertion.amount:
                raise BalanceError(
                    "line %d: %s holds %s on %s, not %s"
                    % (
                        assertion.line,
                        assertion.account,
                        actual,
                        assertion.date,
                        assertion.amount,
                    )
                )
