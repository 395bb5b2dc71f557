import unittest

import gridtext
from gridtext import display_width, pad, strip_ansi
from gridtext.width import split_at

RED, RESET = "\x1b[31m", "\x1b[0m"


class TestDisplayWidth(unittest.TestCase):
    def test_ascii(self):
        self.assertEqual(display_width("abc"), 3)

    def test_empty(self):
        self.assertEqual(display_width(""), 0)

    def test_wide(self):
        self.assertEqual(display_width("日本"), 4)

    def test_full_width_forms(self):
        self.assertEqual(display_width("Ａ"), 2)

    def test_colours(self):
        self.assertEqual(display_width(RED + "abc" + RESET), 3)

    def test_combining(self):
        self.assertEqual(display_width("e\u0301"), 1)

    def test_enclosing(self):
        self.assertEqual(display_width("1\u20dd"), 1)

    def test_mark_without_combining_class(self):
        self.assertEqual(display_width("\u0e01\u0e31"), 1)
        self.assertEqual(display_width("\u0915\u0941"), 1)

    def test_zero_width_characters(self):
        self.assertEqual(display_width("a\u200bb\u200d\u2060"), 2)

    def test_strip_ansi(self):
        self.assertEqual(strip_ansi(RED + "a" + RESET + "b"), "ab")


class TestPad(unittest.TestCase):
    def test_left(self):
        self.assertEqual(pad("ab", 4), "ab  ")

    def test_right(self):
        self.assertEqual(pad("ab", 4, "right"), "  ab")

    def test_center(self):
        self.assertEqual(pad("ab", 5, "center"), " ab  ")

    def test_wide(self):
        self.assertEqual(pad("日", 4), "日  ")

    def test_too_long(self):
        self.assertEqual(pad("abc", 2), "abc")


class TestSplitAt(unittest.TestCase):
    def test_plain(self):
        self.assertEqual(split_at("abcdef", 4), ("abcd", "ef"))

    def test_fits(self):
        self.assertEqual(split_at("abc", 4), ("abc", ""))

    def test_wide_character_on_the_edge(self):
        self.assertEqual(split_at("日本語", 3), ("日", "本語"))

    def test_mark_stays_with_its_letter(self):
        self.assertEqual(split_at("ae\u0301b", 2), ("ae\u0301", "b"))

    def test_colour_is_not_cut(self):
        self.assertEqual(split_at(RED + "abc", 2), (RED + "ab", "c"))


class TestTruncate(unittest.TestCase):
    def test_fits(self):
        self.assertEqual(gridtext.truncate("abc", 3), "abc")

    def test_cut(self):
        self.assertEqual(gridtext.truncate("abcdef", 4), "abc…")

    def test_wide(self):
        self.assertEqual(gridtext.truncate("日本語", 4), "日…")
        self.assertEqual(gridtext.truncate("日本語", 5), "日本…")

    def test_one_column(self):
        self.assertEqual(gridtext.truncate("abc", 1), "…")

    def test_marker(self):
        self.assertEqual(gridtext.truncate("abcdef", 5, "..."), "ab...")
        self.assertEqual(gridtext.truncate("abcdef", 2, "..."), "..")

    def test_colour_is_reset(self):
        self.assertEqual(
            gridtext.truncate(RED + "abcdef" + RESET, 4), RED + "abc" + RESET + "…"
        )

    def test_colour_that_ended_before(self):
        self.assertEqual(
            gridtext.truncate(RED + "a" + RESET + "bcdef", 4), RED + "a" + RESET + "bc…"
        )
