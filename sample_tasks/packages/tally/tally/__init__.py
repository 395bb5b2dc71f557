"""Plain-text double-entry bookkeeping."""

from .amounts import Amount, Balance, allocate, parse_amount
from .errors import AmountError, BalanceError, ParseError, TallyError
from .model import Account, BalanceAssertion, Journal, Posting, Transaction
from .parser import parse_journal
from .reports import balance_report, register_report

__version__ = "0.4"

__all__ = [
    "Account",
    "Amount",
    "AmountError",
    "Balance",
    "BalanceAssertion",
    "BalanceError",
    "Journal",
    "ParseError",
    "Posting",
    "TallyError",
    "Transaction",
    "allocate",
    "balance_report",
    "parse_amount",
    "parse_journal",
    "register_report",
]
