import datetime
import unittest
from decimal import Decimal

from gridtext import Column, Table, TableError, from_records


def lines(table, **options):
    return table.render(**options).split("\n")


class TestStyles(unittest.TestCase):
    def setUp(self):
        self.table = Table(["Fruit", "Kilos"], [("Apple", 12.5), ("Fig", 3)])

    def test_grid(self):
        self.assertEqual(
            lines(self.table),
            [
                "+-------+-------+",
                "| Fruit | Kilos |",
                "+-------+-------+",
                "| Apple |  12.5 |",
                "| Fig   |     3 |",
                "+-------+-------+",
            ],
        )

    def test_simple(self):
        self.assertEqual(
            lines(self.table, style="simple"),
            ["Fruit  Kilos", "-----  -----", "Apple   12.5", "Fig        3"],
        )

    def test_box(self):
        self.assertEqual(lines(self.table, style="box")[2], "├───────┼───────┤")

    def test_no_header(self):
        self.assertEqual(
            lines(self.table, style="plain", header=False), ["Apple  12.5", "Fig       3"]
        )

    def test_no_trailing_spaces(self):
        table = Table(["a", "b"], [("x", "longer"), ("y", "")])
        self.assertEqual(lines(table, style="plain"), ["a  b", "x  longer", "y"])

    def test_unknown(self):
        with self.assertRaises(TableError):
            self.table.render(style="fancy")


class TestAlign(unittest.TestCase):
    def align(self, *values):
        return Table(["x"], [(value,) for value in values]).aligns()[0]

    def test_numbers(self):
        self.assertEqual(self.align(1, 2.5, Decimal(3)), "right")

    def test_text(self):
        self.assertEqual(self.align("a", "b"), "left")

    def test_mixed(self):
        self.assertEqual(self.align(1, "b"), "left")

    def test_no_rows(self):
        self.assertEqual(self.align(), "left")

    def test_booleans(self):
        self.assertEqual(self.align(True, False), "left")
        self.assertEqual(self.align(1, True), "left")

    def test_explicit(self):
        table = Table([Column("x", align="center")], [(1,)])
        self.assertEqual(table.aligns(), ["center"])

    def test_unknown(self):
        with self.assertRaises(TableError):
            Column("x", align="justify")


class TestCells(unittest.TestCase):
    def texts(self, column, *values):
        return [row[0] for row in Table([column], [(v,) for v in values]).texts()]

    def test_missing(self):
        self.assertEqual(self.texts(Column("x", missing="-"), None, ""), ["-", ""])

    def test_format(self):
        self.assertEqual(
            self.texts(Column("x", format=",.2f"), 1234.5, 2), ["1,234.50", "2.00"]
        )

    def test_format_that_does_not_suit(self):
        self.assertEqual(self.texts(Column("x", format=".2f"), 1, "n/a"), ["1.00", "n/a"])

    def test_format_and_missing(self):
        self.assertEqual(
            self.texts(Column("x", format=".1f", missing="?"), 1, None), ["1.0", "?"]
        )

    def test_boolean(self):
        self.assertEqual(self.texts("x", True, False), ["yes", "no"])

    def test_time(self):
        self.assertEqual(
            self.texts("x", datetime.datetime(2024, 3, 1, 9, 5)), ["2024-03-01 09:05"]
        )

    def test_tabs(self):
        self.assertEqual(self.texts("x", "a\tb"), ["a       b"])


class TestRows(unittest.TestCase):
    def test_short_row(self):
        table = Table(["a", "b"], [(1,)])
        self.assertEqual(table.rows, [(1, None)])

    def test_long_row(self):
        with self.assertRaises(TableError):
            Table(["a"], [(1, 2)])

    def test_no_columns(self):
        with self.assertRaises(TableError):
            Table([])

    def test_sort(self):
        table = Table(["a"], [(2,), (None,), (1,), (3,)])
        table.sort("a")
        self.assertEqual(table.rows, [(1,), (2,), (3,), (None,)])
        table.sort("a", reverse=True)
        self.assertEqual(table.rows, [(3,), (2,), (1,), (None,)])

    def test_records(self):
        table = from_records([{"a": 1}, {"b": 2, "a": 3}])
        self.assertEqual(table.rows, [(1, None), (3, 2)])

    def test_records_with_columns(self):
        table = from_records([{"a": 1, "b": 2}], [Column("b")])
        self.assertEqual(table.rows, [(2,)])


class TestTallCells(unittest.TestCase):
    def test_line_breaks(self):
        table = Table(["a", "b"], [("x\ny", 1)])
        self.assertEqual(
            lines(table, style="plain", header=False), ["x  1", "y"]
        )

    def test_max_width(self):
        table = Table([Column("Notes", max_width=9)], [("one two three",)])
        self.assertEqual(
            lines(table, style="simple"), ["Notes", "-------", "one two", "three"]
        )

    def test_wide_characters_line_up(self):
        table = Table(["name", "n"], [("日本", 1), ("abc", 2)])
        self.assertEqual(
            lines(table, style="plain"), ["name  n", "日本  1", "abc   2"]
        )

    def test_bad_max_width(self):
        with self.assertRaises(TableError):
            Column("x", max_width=0)


class TestOverflow(unittest.TestCase):
    def test_wrap_is_the_default(self):
        self.assertEqual(Column("x").overflow, "wrap")

    def test_ellipsis(self):
        table = Table([Column("Notes", max_width=9, overflow="ellipsis")])
        table.add_row("one two three")
        table.add_row("one two 3")
        self.assertEqual(
            lines(table, style="plain"), ["Notes", "one two …", "one two 3"]
        )

    def test_ellipsis_keeps_lines(self):
        table = Table([Column("N", max_width=4, overflow="ellipsis")])
        table.add_row("abcdef\nxy\nuvwxyz")
        self.assertEqual(
            lines(table, style="plain", header=False), ["abc…", "xy", "uvw…"]
        )

    def test_title_too(self):
        table = Table([Column("Temperature", max_width=5, overflow="ellipsis")], [(21,)])
        self.assertEqual(lines(table, style="plain"), ["Temp…", "   21"])

    def test_without_max_width(self):
        table = Table([Column("Notes", overflow="ellipsis")], [("one two three",)])
        self.assertEqual(lines(table, style="plain")[1], "one two three")

    def test_markdown_is_not_cut(self):
        table = Table([Column("N", max_width=3, overflow="ellipsis")], [("abcdef",)])
        self.assertIn("abcdef", table.to_markdown())

    def test_unknown(self):
        with self.assertRaises(TableError):
            Column("x", overflow="hidden")
