import unittest

from rowql import QuerySyntaxError, parse
from rowql.nodes import Binary, Column, Literal, Unary, label


def where(text):
    return parse("SELECT * FROM t WHERE " + text).where


A, B, C = (Column(None, name) for name in "abc")


class TestPrecedence(unittest.TestCase):
    def test_and_binds_tighter_than_or(self):
        self.assertEqual(
            where("a OR b AND c"), Binary("OR", A, Binary("AND", B, C))
        )

    def test_not_binds_looser_than_comparison(self):
        self.assertEqual(where("NOT a = b"), Unary("NOT", Binary("=", A, B)))

    def test_not_binds_tighter_than_and(self):
        self.assertEqual(where("NOT a AND b"), Binary("AND", Unary("NOT", A), B))

    def test_left_associative(self):
        self.assertEqual(where("a - b - c"), Binary("-", Binary("-", A, B), C))

    def test_product_over_sum(self):
        self.assertEqual(where("a + b * c"), Binary("+", A, Binary("*", B, C)))

    def test_sign(self):
        self.assertEqual(where("-a * b"), Binary("*", Unary("-", A), B))

    def test_parentheses(self):
        self.assertEqual(
            where("(a OR b) AND c"), Binary("AND", Binary("OR", A, B), C)
        )

    def test_between_and_and(self):
        parsed = where("a BETWEEN 1 AND 2 AND b")
        self.assertEqual((parsed.operator, parsed.right), ("AND", B))


class TestStatement(unittest.TestCase):
    def test_aliases(self):
        select = parse("SELECT a AS x, b y, c FROM t AS u")
        self.assertEqual([output.name for output in select.outputs], ["x", "y", "c"])
        self.assertEqual((select.source.table, select.source.alias), ("t", "u"))

    def test_labels(self):
        select = parse("SELECT COUNT(*), max(a), lower(b), 1, a + 1 FROM t")
        self.assertEqual(
            [output.name for output in select.outputs],
            ["count(*)", "max(a)", "lower(b)", "1", "expr"],
        )

    def test_label_of_distinct(self):
        (output,) = parse("SELECT COUNT(DISTINCT a) FROM t").outputs
        self.assertEqual(output.name, "count(distinct a)")

    def test_label_of_null(self):
        self.assertEqual(label(Literal(None)), "null")

    def test_order(self):
        select = parse("SELECT a FROM t ORDER BY a DESC, b ASC, c")
        self.assertEqual([o.descending for o in select.order], [True, False, False])

    def test_limit(self):
        select = parse("SELECT a FROM t LIMIT 10 OFFSET 5")
        self.assertEqual((select.limit, select.offset), (10, 5))

    def test_parameters_are_numbered(self):
        parsed = where("a = ? AND b = ?")
        self.assertEqual(parsed.left.right.index, 0)
        self.assertEqual(parsed.right.right.index, 1)


class TestErrors(unittest.TestCase):
    def check(self, text, position):
        with self.assertRaises(QuerySyntaxError) as caught:
            parse(text)
        self.assertEqual(caught.exception.position, position)

    def test_no_from(self):
        self.check("SELECT a", 8)

    def test_trailing(self):
        self.check("SELECT a FROM t WHERE a = 1 2", 28)

    def test_unknown_function(self):
        self.check("SELECT foo(a) FROM t", 7)

    def test_nested_aggregate(self):
        self.check("SELECT SUM(COUNT(*)) FROM t", 7)

    def test_join_without_on(self):
        self.check("SELECT a FROM t JOIN u", 22)

    def test_left_without_join(self):
        self.check("SELECT a FROM t LEFT u ON TRUE", 21)

    def test_not_what(self):
        self.check("SELECT a FROM t WHERE a NOT 5", 28)

    def test_fractional_limit(self):
        self.check("SELECT a FROM t LIMIT 1.5", 22)
