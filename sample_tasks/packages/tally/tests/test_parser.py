import datetime
import unittest

from tally import Account, Amount, BalanceError, ParseError, parse_journal


def journal(*lines):
    return parse_journal("\n".join(lines) + "\n")


class TestTransactions(unittest.TestCase):
    def test_minimal(self):
        parsed = journal(
            "2024-03-01 Shop",
            "  Expenses:Food  $5.00",
            "  Assets:Cash  $-5.00",
        )
        (transaction,) = parsed.transactions
        self.assertEqual(transaction.date, datetime.date(2024, 3, 1))
        self.assertEqual(transaction.payee, "Shop")
        self.assertEqual(transaction.postings[0].account, Account("Expenses:Food"))
        self.assertEqual(transaction.postings[1].amount, Amount("-5.00", "$"))

    def test_flag_and_narration(self):
        parsed = journal(
            "2024/3/1 ! Shop | weekly",
            "  Expenses:Food  $5.00",
            "  Assets:Cash",
        )
        (transaction,) = parsed.transactions
        self.assertTrue(transaction.pending)
        self.assertEqual(transaction.payee, "Shop")
        self.assertEqual(transaction.narration, "weekly")

    def test_account_with_space(self):
        parsed = journal(
            "2024-03-01 Shop",
            "  Expenses:Eating Out\t$5",
            "  Assets:Cash",
        )
        posting = parsed.transactions[0].postings[0]
        self.assertEqual(posting.account.name, "Expenses:Eating Out")

    def test_comments(self):
        parsed = journal(
            "; a comment",
            "# another",
            "2024-03-01 Shop",
            "  ; about the next line",
            "  Expenses:Food  $5.00  ; tasty",
            "  Assets:Cash",
        )
        (transaction,) = parsed.transactions
        self.assertEqual(len(transaction.postings), 2)
        self.assertEqual(transaction.postings[0].comment, "tasty")

    def test_comment_line_between_postings(self):
        parsed = journal(
            "2024-03-01 Shop",
            "  Expenses:Food  $5.00",
            "; commented out:  Expenses:Fun  $1.00",
            "  Assets:Cash",
        )
        self.assertEqual(len(parsed.transactions[0].postings), 2)

    def test_indented_comment_outside(self):
        self.assertEqual(journal("", "   ; nothing here").transactions, [])

    def test_entry_after_entry(self):
        parsed = journal(
            "2024-03-01 One",
            "  A  $1",
            "  B",
            "2024-03-02 Two",
            "  A  $1",
            "  B",
        )
        self.assertEqual([t.payee for t in parsed.transactions], ["One", "Two"])


class TestElision(unittest.TestCase):
    def test_one_commodity(self):
        parsed = journal("2024-03-01 Shop", "  A  $5.00", "  B  $2.50", "  C")
        self.assertEqual(parsed.transactions[0].postings[2].amount, Amount("-7.50", "$"))

    def test_several_commodities(self):
        parsed = journal(
            "2024-03-01 Exchange",
            "  Assets:Cash  $5.00",
            "  Assets:Cash  3 EUR",
            "  Equity:Conversion  ; both legs",
        )
        postings = parsed.transactions[0].postings
        self.assertEqual(
            [posting.amount for posting in postings[2:]],
            [Amount("-5.00", "$"), Amount(-3, "EUR")],
        )
        self.assertEqual(
            [posting.comment for posting in postings[2:]], ["both legs", "both legs"]
        )
        self.assertEqual({posting.line for posting in postings[2:]}, {4})

    def test_several_commodities_keeps_place(self):
        parsed = journal(
            "2024-03-01 Exchange",
            "  Equity:Conversion",
            "  Assets:Cash  $5.00",
            "  Assets:Cash  3 EUR",
        )
        names = [posting.account.name for posting in parsed.transactions[0].postings]
        self.assertEqual(
            names,
            ["Equity:Conversion", "Equity:Conversion", "Assets:Cash", "Assets:Cash"],
        )

    def test_commodity_that_cancels_out(self):
        parsed = journal(
            "2024-03-01 Exchange",
            "  A  $5.00",
            "  B  $-5.00",
            "  C  3 EUR",
            "  D",
        )
        postings = parsed.transactions[0].postings
        self.assertEqual([p.amount for p in postings[3:]], [Amount(-3, "EUR")])

    def test_two_empty(self):
        with self.assertRaises(ParseError) as caught:
            journal("2024-03-01 Shop", "  A  $5.00", "  B", "  C")
        self.assertEqual(caught.exception.line, 1)


class TestErrors(unittest.TestCase):
    def failing_line(self, *lines):
        with self.assertRaises(ParseError) as caught:
            journal(*lines)
        return caught.exception.line

    def test_unbalanced(self):
        self.assertEqual(
            self.failing_line("", "2024-03-01 Shop", "  A  $5.00", "  B  $-4.00"), 2
        )

    def test_bad_amount(self):
        self.assertEqual(self.failing_line("2024-03-01 Shop", "  A  five"), 2)

    def test_bad_date(self):
        self.assertEqual(self.failing_line("2024-02-30 Shop"), 1)

    def test_posting_outside(self):
        self.assertEqual(self.failing_line("", "  A  $1"), 2)

    def test_single_posting(self):
        self.assertEqual(self.failing_line("2024-03-01 Shop", "  A  $1"), 1)

    def test_bad_account(self):
        self.assertEqual(self.failing_line("2024-03-01 Shop", "  A::B  $1"), 2)


class TestAssertions(unittest.TestCase):
    ENTRY = ("2024-03-01 Shop", "  Expenses:Food  $5.00", "  Assets:Bank:Main", "")

    def test_holds(self):
        parsed = journal(*self.ENTRY, "2024-03-01 balance Assets:Bank:Main  $-5.00")
        self.assertEqual(len(parsed.assertions), 1)
        self.assertEqual(len(parsed.transactions), 1)

    def test_does_not_hold(self):
        with self.assertRaises(BalanceError) as caught:
            journal(*self.ENTRY, "2024-03-01 balance Assets:Bank:Main  $5.00")
        self.assertIn("line 5", str(caught.exception))

    def test_check_can_be_skipped(self):
        text = "\n".join(self.ENTRY + ("2024-03-01 balance Assets:Bank:Main  $5",))
        self.assertEqual(len(parse_journal(text, check=False).assertions), 1)

    def test_day_before(self):
        journal(*self.ENTRY, "2024-02-29 balance Assets:Bank:Main  $0")

    def test_includes_sub_accounts(self):
        journal(*self.ENTRY, "2024-03-02 balance Assets:Bank  $-5.00")

    def test_similar_account_name(self):
        journal(
            *self.ENTRY,
            "2024-03-02 Broker",
            "  Assets:Bankroll  $1.00",
            "  Equity:Opening",
            "",
            "2024-03-03 balance Assets:Bank  $-5.00",
        )

    def test_later_entry_of_the_file(self):
        journal(
            "2024-03-05 balance Assets:Bank:Main  $-5.00",
            *self.ENTRY,
            "2024-03-06 Shop",
            "  Expenses:Food  $1.00",
            "  Assets:Bank:Main",
        )

    def test_needs_amount(self):
        with self.assertRaises(ParseError):
            journal("2024-03-01 balance Assets:Bank")

    def test_payee_called_balance_of_something(self):
        parsed = journal("2024-03-01 balancer Inc.", "  A  $1", "  B")
        self.assertEqual(parsed.transactions[0].payee, "balancer Inc.")
