import unittest

from gridtext import Column, Table, from_records


class TestBlankCells(unittest.TestCase):
    def align(self, *values):
        return Table(["x"], [(value,) for value in values]).aligns()[0]

    def test_missing_numbers(self):
        self.assertEqual(self.align(1, None, 3), "right")
        self.assertEqual(self.align(None, 2.5), "right")

    def test_empty_text_among_numbers(self):
        self.assertEqual(self.align(1, "", 3), "right")

    def test_placeholder_is_text(self):
        self.assertEqual(self.align(1, "n/a"), "left")

    def test_zero_is_not_blank(self):
        self.assertEqual(self.align("a", 0), "left")
        self.assertEqual(self.align(0, 0.0), "right")

    def test_nothing_but_blanks(self):
        self.assertEqual(self.align(None, ""), "left")
        self.assertEqual(self.align(None), "left")

    def test_explicit_align_wins(self):
        table = Table([Column("x", align="left")], [(1,), (None,)])
        self.assertEqual(table.aligns(), ["left"])

    def test_rendered(self):
        table = from_records([{"n": 1}, {"m": 20}, {"n": 300}])
        self.assertEqual(
            table.render(style="plain", header=False).split("\n"),
            ["  1", "     20", "300"],
        )

    def test_rendered_placeholder(self):
        table = Table([Column("n", missing="-")], [(100,), (None,)])
        self.assertEqual(
            table.render(style="plain", header=False).split("\n"), ["100", "  -"]
        )
