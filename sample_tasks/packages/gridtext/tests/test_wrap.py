import unittest

from gridtext import wrap


class TestWrap(unittest.TestCase):
    def test_fits(self):
        self.assertEqual(wrap("one two", 7), ["one two"])

    def test_at_spaces(self):
        self.assertEqual(wrap("one two three", 8), ["one two", "three"])

    def test_empty(self):
        self.assertEqual(wrap("", 5), [""])

    def test_only_spaces(self):
        self.assertEqual(wrap("       ", 3), [""])

    def test_keeps_inner_spaces_of_a_line_that_fits(self):
        self.assertEqual(wrap("a   b", 5), ["a   b"])

    def test_keeps_line_breaks(self):
        self.assertEqual(wrap("one\ntwo three", 5), ["one", "two", "three"])

    def test_keeps_empty_lines(self):
        self.assertEqual(wrap("one two\n\nthree", 5), ["one", "two", "", "three"])

    def test_trailing_line_break(self):
        self.assertEqual(wrap("one\n", 5), ["one", ""])

    def test_bad_width(self):
        with self.assertRaises(ValueError):
            wrap("a", 0)


class TestLongWords(unittest.TestCase):
    def test_alone(self):
        self.assertEqual(wrap("abcdefgh", 3), ["abc", "def", "gh"])

    def test_exact_multiple(self):
        self.assertEqual(wrap("abcdef", 3), ["abc", "def"])

    def test_after_short_word(self):
        self.assertEqual(wrap("a bcdefgh i", 4), ["a", "bcde", "fgh", "i"])

    def test_rest_is_filled_up(self):
        self.assertEqual(wrap("abcdef g h", 5), ["abcde", "f g h"])

    def test_nothing_is_lost(self):
        text = "see https://example.org/a/very/long/path/to/a/page for more"
        for width in range(1, 70):
            joined = "".join(wrap(text, width)).replace(" ", "")
            self.assertEqual(joined, text.replace(" ", ""))

    def test_no_line_is_too_long(self):
        text = "see https://example.org/a/very/long/path/to/a/page for more"
        for width in range(1, 70):
            self.assertLessEqual(max(map(len, wrap(text, width))), width)

    def test_wide(self):
        self.assertEqual(wrap("日本語", 4), ["日本", "語"])

    def test_wide_odd_width(self):
        self.assertEqual(wrap("日本語 x", 3), ["日", "本", "語", "x"])

    def test_coloured(self):
        self.assertEqual(
            wrap("\x1b[31mabcdef\x1b[0m", 4), ["\x1b[31mabcd", "ef\x1b[0m"]
        )

    def test_wide_in_one_column(self):
        self.assertEqual(wrap("日本", 1), ["日", "本"])
