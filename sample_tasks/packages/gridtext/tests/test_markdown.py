import unittest

from gridtext import Column, Table, parse_markdown


class TestWrite(unittest.TestCase):
    def test_plain(self):
        table = Table(["Fruit", "Kilos"], [("Apple", 12.5), ("Fig", 3)])
        self.assertEqual(
            table.to_markdown().split("\n"),
            [
                "| Fruit | Kilos |",
                "| ----- | ----: |",
                "| Apple |  12.5 |",
                "| Fig   |     3 |",
            ],
        )

    def test_center(self):
        table = Table([Column("Fruit", align="center")], [("Fig",)])
        self.assertEqual(
            table.to_markdown().split("\n"), ["| Fruit |", "| :---: |", "|  Fig  |"]
        )

    def test_narrow_column(self):
        self.assertEqual(
            Table(["a"], [("b",)]).to_markdown().split("\n"),
            ["| a   |", "| --- |", "| b   |"],
        )

    def test_pipe(self):
        self.assertEqual(
            Table(["a"], [("x | y",)]).to_markdown().split("\n")[2], "| x \\| y |"
        )

    def test_pipe_in_title(self):
        self.assertEqual(
            Table(["a|b"], [("x",)]).to_markdown().split("\n"),
            ["| a\\|b |", "| ---- |", "| x    |"],
        )

    def test_backslash(self):
        self.assertEqual(
            Table(["a"], [("C:\\x",)]).to_markdown().split("\n")[2], "| C:\\\\x |"
        )

    def test_line_break(self):
        self.assertEqual(
            Table(["a"], [("x\ny",)]).to_markdown().split("\n")[2], "| x<br>y |"
        )


class TestRead(unittest.TestCase):
    def test_plain(self):
        titles, rows, aligns = parse_markdown(
            "Text.\n\n| a | b | c |\n|---|--:|:-:|\n| 1 | 2 | 3 |\n\nMore | text.\n"
        )
        self.assertEqual(titles, ["a", "b", "c"])
        self.assertEqual(rows, [["1", "2", "3"]])
        self.assertEqual(aligns, [None, "right", "center"])

    def test_without_outer_pipes(self):
        titles, rows, _ = parse_markdown("a | b\n--|--\n1 | 2")
        self.assertEqual((titles, rows), (["a", "b"], [["1", "2"]]))

    def test_uneven_rows(self):
        _, rows, _ = parse_markdown("|a|b|\n|-|-|\n|1|\n|1|2|3|")
        self.assertEqual(rows, [["1", ""], ["1", "2"]])

    def test_empty_cell(self):
        _, rows, _ = parse_markdown("|a|b|\n|-|-|\n||2|")
        self.assertEqual(rows, [["", "2"]])

    def test_no_table(self):
        with self.assertRaises(ValueError):
            parse_markdown("just text\n")

    def test_escaped_pipe(self):
        titles, rows, _ = parse_markdown("|a\\|b|\n|-|\n|x \\| y|")
        self.assertEqual((titles, rows), (["a|b"], [["x | y"]]))

    def test_backslash_before_the_pipe(self):
        _, rows, _ = parse_markdown("|a|b|\n|-|-|\n|x\\\\|y|")
        self.assertEqual(rows, [["x\\", "y"]])

    def test_other_backslashes(self):
        _, rows, _ = parse_markdown("|a|\n|-|\n|\\d+|")
        self.assertEqual(rows, [["\\d+"]])

    def test_line_breaks(self):
        _, rows, _ = parse_markdown("|a|\n|-|\n|x<br>y<BR/>z|")
        self.assertEqual(rows, [["x\ny\nz"]])


class TestRoundTrip(unittest.TestCase):
    def check(self, *cells):
        text = Table(["t"] * len(cells), [cells]).to_markdown()
        self.assertEqual(parse_markdown(text)[1], [list(cells)])

    def test_plain(self):
        self.check("a", "", "b c")

    def test_pipes(self):
        self.check("|", "a|b", "||")

    def test_backslashes(self):
        self.check("\\", "a\\", "\\\\|", "\\n")

    def test_line_breaks(self):
        self.check("a\nb", "\\\n|")
