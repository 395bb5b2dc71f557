import contextlib
import datetime
import io
import os
import tempfile
import unittest

from tally import Account, balance_report, parse_journal, register_report
from tally.cli import main
from tally.reports import account_totals, register_rows

JOURNAL = """\
2024-01-05 * Employer
    Assets:Bank:Checking   $2000.00
    Income:Salary

2024-01-10 * Corner shop
    Expenses:Food            $41.20
    Assets:Bank:Checking

2024-02-01 * Landlord
    Expenses:Rent           $900.00
    Assets:Bank:Checking

2024-02-03 ! Savings plan
    Assets:Bank:Savings     $250.00
    Assets:Bank:Checking

2024-02-10 * Broker
    Assets:Bankroll          $75.00
    Assets:Bank:Savings
"""


class TestBalanceReport(unittest.TestCase):
    def setUp(self):
        self.journal = parse_journal(JOURNAL)

    def report(self, **options):
        return balance_report(self.journal, **options).splitlines()

    def test_tree(self):
        self.assertEqual(
            self.report(),
            [
                " $1,058.80  Assets",
                "   $983.80    Bank",
                "   $808.80      Checking",
                "   $175.00      Savings",
                "    $75.00    Bankroll",
                "   $941.20  Expenses",
                "    $41.20    Food",
                "   $900.00    Rent",
                "$-2,000.00  Income",
                "$-2,000.00    Salary",
                "----------",
                "         0",
            ],
        )

    def test_flat(self):
        self.assertEqual(
            self.report(flat=True)[:3],
            [
                "   $808.80  Assets:Bank:Checking",
                "   $175.00  Assets:Bank:Savings",
                "    $75.00  Assets:Bankroll",
            ],
        )

    def test_depth(self):
        self.assertEqual(
            self.report(depth=1),
            [
                " $1,058.80  Assets",
                "   $941.20  Expenses",
                "$-2,000.00  Income",
                "----------",
                "         0",
            ],
        )

    def test_account_filter(self):
        self.assertEqual(
            self.report(account=Account("Assets:Bank"), flat=True),
            [
                "$808.80  Assets:Bank:Checking",
                "$175.00  Assets:Bank:Savings",
                "-------",
                "$983.80",
            ],
        )

    def test_account_filter_exact_name(self):
        totals = account_totals(self.journal, account=Account("Assets:Bankroll"))
        self.assertEqual([str(name) for name in totals], ["Assets:Bankroll"])

    def test_cleared_only(self):
        totals = account_totals(self.journal, pending=False)
        self.assertEqual(str(totals[Account("Assets:Bank:Checking")]), "$1,058.80")

    def test_end_is_exclusive(self):
        totals = account_totals(self.journal, end=datetime.date(2024, 2, 1))
        self.assertNotIn(Account("Expenses:Rent"), totals)

    def test_empty_accounts(self):
        journal = parse_journal(
            "2024-01-01 a\n  A:X  $1\n  A:Y\n\n2024-01-02 b\n  A:Y  $1\n  A:X\n"
        )
        self.assertEqual(balance_report(journal), "-\n0")
        self.assertEqual(
            balance_report(journal, empty=True).splitlines(),
            ["0  A", "0    X", "0    Y", "-", "0"],
        )


class TestRegister(unittest.TestCase):
    def setUp(self):
        self.journal = parse_journal(JOURNAL)

    def running(self, **options):
        return [str(row[4]) for row in register_rows(self.journal, **options)]

    def test_running_balance(self):
        self.assertEqual(
            self.running(account=Account("Assets:Bank:Checking")),
            ["$2,000.00", "$1,958.80", "$1,058.80", "$808.80"],
        )

    def test_begin_carries_the_balance_forward(self):
        self.assertEqual(
            self.running(
                account=Account("Assets:Bank:Checking"),
                begin=datetime.date(2024, 2, 1),
            ),
            ["$1,058.80", "$808.80"],
        )

    def test_begin_and_cleared(self):
        self.assertEqual(
            self.running(
                account=Account("Assets:Bank:Savings"),
                begin=datetime.date(2024, 2, 5),
                pending=False,
            ),
            ["$-75.00"],
        )

    def test_end(self):
        self.assertEqual(
            self.running(
                account=Account("Assets:Bank:Checking"), end=datetime.date(2024, 1, 10)
            ),
            ["$2,000.00"],
        )

    def test_out_of_order_file(self):
        journal = parse_journal(
            "2024-01-02 late\n  A  $1\n  B\n\n2024-01-01 early\n  A  $2\n  B\n"
        )
        rows = list(register_rows(journal, Account("A")))
        self.assertEqual([row[1] for row in rows], ["early", "late"])

    def test_report(self):
        self.assertEqual(
            register_report(self.journal, Account("Expenses")).splitlines(),
            [
                "2024-01-10  Corner shop  Expenses:Food   $41.20   $41.20",
                "2024-02-01  Landlord     Expenses:Rent  $900.00  $941.20",
            ],
        )

    def test_report_of_nothing(self):
        self.assertEqual(register_report(self.journal, Account("Liabilities")), "")


class TestCommand(unittest.TestCase):
    def run_main(self, *arguments, text=JOURNAL):
        out, err = io.StringIO(), io.StringIO()
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "a.journal")
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(text)
            with contextlib.redirect_stderr(err):
                status = main([path] + list(arguments), out, err)
        return status, out.getvalue(), err.getvalue()

    def test_balance(self):
        status, out, err = self.run_main("balance", "--depth", "1")
        self.assertEqual((status, err), (0, ""))
        self.assertTrue(out.startswith(" $1,058.80  Assets\n"))

    def test_register_between(self):
        status, out, _ = self.run_main(
            "register", "Expenses", "--begin", "2024-02-01", "--end", "2024-03-01"
        )
        self.assertEqual(status, 0)
        self.assertEqual(len(out.splitlines()), 1)

    def test_error(self):
        status, out, err = self.run_main("balance", text="nonsense\n")
        self.assertEqual((status, out), (1, ""))
        self.assertEqual(err, "tally: line 1: expected a date: 'nonsense'\n")

    def test_failed_assertion(self):
        text = JOURNAL + "\n2024-12-31 balance Expenses:Food  $1.00\n"
        self.assertEqual(self.run_main("balance", text=text)[0], 1)
        self.assertEqual(self.run_main("--no-check", "balance", text=text)[0], 0)
