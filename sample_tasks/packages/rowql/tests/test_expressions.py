import unittest

from rowql import EvaluationError, query


def value(expression, params=(), **row):
    (result,) = query("SELECT %s AS v FROM t" % expression, params, t=[row])
    return result["v"]


class TestArithmetic(unittest.TestCase):
    def test_basics(self):
        self.assertEqual(value("1 + 2 * 3 - 4 / 2"), 5)

    def test_null(self):
        self.assertIsNone(value("a + 1", a=None))

    def test_division_by_zero(self):
        self.assertIsNone(value("1 / 0"))

    def test_concatenation(self):
        self.assertEqual(value("'a' || 1"), "a1")

    def test_bad_types(self):
        with self.assertRaises(EvaluationError):
            value("'a' - 1")

    def test_parameters(self):
        self.assertEqual(value("? - ?", [5, 3]), 2)

    def test_missing_parameter(self):
        with self.assertRaises(EvaluationError):
            value("?")


class TestLogic(unittest.TestCase):
    def test_and(self):
        self.assertIs(value("TRUE AND FALSE"), False)
        self.assertIs(value("TRUE AND TRUE"), True)

    def test_and_with_null(self):
        self.assertIs(value("NULL AND FALSE"), False)
        self.assertIs(value("FALSE AND NULL"), False)
        self.assertIsNone(value("NULL AND TRUE"))
        self.assertIsNone(value("TRUE AND NULL"))

    def test_or_with_null(self):
        self.assertIs(value("NULL OR TRUE"), True)
        self.assertIs(value("TRUE OR NULL"), True)
        self.assertIsNone(value("NULL OR FALSE"))

    def test_not_null(self):
        self.assertIsNone(value("NOT NULL"))

    def test_comparison_with_null(self):
        self.assertIsNone(value("a = NULL", a=None))
        self.assertIsNone(value("a <> 1", a=None))

    def test_is_null(self):
        self.assertIs(value("a IS NULL", a=None), True)
        self.assertIs(value("a IS NOT NULL", a=None), False)

    def test_short_circuit(self):
        self.assertIs(value("FALSE AND 'a' - 1"), False)


class TestIn(unittest.TestCase):
    def test_in(self):
        self.assertIs(value("a IN (1, 2)", a=2), True)
        self.assertIs(value("a IN (1, 2)", a=3), False)

    def test_not_in(self):
        self.assertIs(value("a NOT IN (1, 2)", a=3), True)

    def test_null_operand(self):
        self.assertIsNone(value("a IN (1, 2)", a=None))
        self.assertIsNone(value("a NOT IN (1, 2)", a=None))

    def test_null_option(self):
        self.assertIs(value("a IN (1, NULL)", a=1), True)
        self.assertIsNone(value("a IN (1, NULL)", a=2))
        self.assertIsNone(value("a NOT IN (1, NULL)", a=2))
        self.assertIs(value("a NOT IN (1, NULL)", a=1), False)

    def test_in_filter(self):
        rows = [{"a": 1}, {"a": None}, {"a": 3}]
        self.assertEqual(query("SELECT a FROM t WHERE a NOT IN (3)", t=rows), [{"a": 1}])
        self.assertEqual(query("SELECT a FROM t WHERE NOT a IN (3)", t=rows), [{"a": 1}])


class TestBetween(unittest.TestCase):
    def test_bounds_are_included(self):
        self.assertIs(value("a BETWEEN 1 AND 3", a=3), True)
        self.assertIs(value("a NOT BETWEEN 1 AND 3", a=1), False)

    def test_null_operand(self):
        self.assertIsNone(value("a BETWEEN 1 AND 3", a=None))

    def test_null_bound(self):
        self.assertIsNone(value("5 BETWEEN NULL AND 9"))
        self.assertIs(value("5 BETWEEN NULL AND 3"), False)
        self.assertIs(value("5 NOT BETWEEN NULL AND 3"), True)


class TestLike(unittest.TestCase):
    def test_percent(self):
        self.assertIs(value("a LIKE 'ab%'", a="abc"), True)
        self.assertIs(value("a LIKE 'b%'", a="abc"), False)

    def test_underscore(self):
        self.assertIs(value("a LIKE '_b_'", a="abc"), True)
        self.assertIs(value("a LIKE '_b_'", a="abcd"), False)

    def test_case(self):
        self.assertIs(value("a LIKE 'ABC'", a="abc"), True)

    def test_not(self):
        self.assertIs(value("a NOT LIKE 'x%'", a="abc"), True)

    def test_dot_is_no_wildcard(self):
        self.assertIs(value("a LIKE '1.5'", a="1x5"), False)
        self.assertIs(value("a LIKE '1.5'", a="1.5"), True)

    def test_other_punctuation(self):
        self.assertIs(value("a LIKE '%(draft)'", a="report (draft)"), True)
        self.assertIs(value("a LIKE 'c++%'", a="C++17"), True)
        self.assertIs(value("a LIKE '[x]%'", a="[x] done"), True)

    def test_line_breaks(self):
        self.assertIs(value("a LIKE 'a%b'", a="a\nb"), True)

    def test_null(self):
        self.assertIsNone(value("a LIKE 'x'", a=None))

    def test_needs_text(self):
        with self.assertRaises(EvaluationError):
            value("a LIKE 'x'", a=1)


class TestFunctions(unittest.TestCase):
    def test_text(self):
        self.assertEqual(value("UPPER(TRIM(a))", a=" x "), "X")
        self.assertEqual(value("length(a)", a="abc"), 3)

    def test_null_in_null_out(self):
        self.assertIsNone(value("LOWER(a)", a=None))

    def test_coalesce(self):
        self.assertEqual(value("COALESCE(a, NULL, 5)", a=None), 5)

    def test_round(self):
        self.assertEqual(value("ROUND(2.345, 1)"), 2.3)

    def test_bad_argument(self):
        with self.assertRaises(EvaluationError):
            value("LOWER(1)")
