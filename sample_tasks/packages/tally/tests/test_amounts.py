import unittest
from decimal import Decimal

from tally import Amount, AmountError, Balance, allocate, parse_amount


class TestParseAmount(unittest.TestCase):
    def test_symbol_before_number(self):
        self.assertEqual(parse_amount("$5.00"), Amount("5.00", "$"))

    def test_code_after_number(self):
        self.assertEqual(parse_amount("12 EUR"), Amount(12, "EUR"))

    def test_code_before_number(self):
        self.assertEqual(parse_amount("EUR 12"), Amount(12, "EUR"))

    def test_sign_after_symbol(self):
        self.assertEqual(parse_amount("$-5"), Amount(-5, "$"))

    def test_sign_before_symbol(self):
        self.assertEqual(parse_amount("-$5"), Amount(-5, "$"))

    def test_thousands(self):
        self.assertEqual(parse_amount("1,250,000.5 USD").number, Decimal("1250000.5"))

    def test_misplaced_comma(self):
        for text in ("1,25 USD", "12,50,000 USD", "$1,2345"):
            with self.assertRaises(AmountError):
                parse_amount(text)

    def test_two_signs(self):
        with self.assertRaises(AmountError):
            parse_amount("-$-5")

    def test_no_number(self):
        with self.assertRaises(AmountError):
            parse_amount("$")

    def test_fraction_only(self):
        self.assertEqual(parse_amount("$.50"), Amount("0.50", "$"))


class TestAmount(unittest.TestCase):
    def test_refuses_float(self):
        with self.assertRaises(AmountError):
            Amount(0.1, "$")

    def test_add(self):
        self.assertEqual(Amount(1, "$") + Amount("2.5", "$"), Amount("3.5", "$"))

    def test_add_other_commodity(self):
        with self.assertRaises(AmountError):
            Amount(1, "$") + Amount(1, "EUR")

    def test_str(self):
        self.assertEqual(str(Amount("-1234.50", "EUR")), "-1,234.50 EUR")

    def test_str_symbol(self):
        self.assertEqual(str(Amount("1234.50", "$")), "$1,234.50")

    def test_no_negative_zero(self):
        self.assertEqual(str(-Amount("0.00", "$")), "$0.00")

    def test_equal_amounts_hash_alike(self):
        self.assertEqual(hash(Amount("1.0", "$")), hash(Amount("1.00", "$")))


class TestAllocate(unittest.TestCase):
    def shares(self, text, weights):
        return [str(share.number) for share in allocate(parse_amount(text), weights)]

    def test_even(self):
        self.assertEqual(self.shares("$9.00", [1, 1, 1]), ["3.00", "3.00", "3.00"])

    def test_left_over_goes_first(self):
        self.assertEqual(self.shares("$10.00", [1, 1, 1]), ["3.34", "3.33", "3.33"])

    def test_two_left_over(self):
        self.assertEqual(
            self.shares("$0.05", [1, 1, 1]), ["0.02", "0.02", "0.01"]
        )

    def test_weights(self):
        self.assertEqual(self.shares("$1.00", [3, 1]), ["0.75", "0.25"])

    def test_negative_amount(self):
        self.assertEqual(
            self.shares("$-10.00", [1, 1, 1]), ["-3.34", "-3.33", "-3.33"]
        )

    def test_negative_adds_up(self):
        for cents in range(1, 40):
            amount = Amount(Decimal(-cents).scaleb(-2), "$")
            shares = allocate(amount, [2, 3, 5, 1])
            self.assertEqual(sum(share.number for share in shares), amount.number)

    def test_zero_weight_gets_nothing(self):
        self.assertEqual(self.shares("$0.01", [0, 1, 1]), ["0.00", "0.01", "0.00"])

    def test_zero_weight_gets_nothing_of_a_refund(self):
        self.assertEqual(self.shares("$-0.03", [0, 1, 1]), ["0.00", "-0.02", "-0.01"])

    def test_bad_weights(self):
        for weights in ([], [0, 0], [1, -1]):
            with self.assertRaises(AmountError):
                allocate(Amount(1, "$"), weights)


class TestBalance(unittest.TestCase):
    def test_zero_is_left_out(self):
        balance = Balance([Amount(5, "$"), Amount(1, "EUR"), Amount(-5, "$")])
        self.assertEqual(list(balance), [Amount(1, "EUR")])

    def test_truth(self):
        self.assertFalse(Balance([Amount(0, "$")]))
        self.assertTrue(Balance([Amount(1, "$")]))

    def test_str(self):
        balance = Balance([Amount("1.00", "$"), Amount(2, "EUR")])
        self.assertEqual(str(balance), "$1.00, 2 EUR")
        self.assertEqual(str(Balance()), "0")
