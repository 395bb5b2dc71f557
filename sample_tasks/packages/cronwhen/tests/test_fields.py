import unittest

from cronwhen import FieldError
from cronwhen.fields import DAY, HOUR, MINUTE, MONTH, WEEKDAY, parse_field


def values(spec, text):
    return list(parse_field(spec, text).values)


class TestParseField(unittest.TestCase):
    def test_star(self):
        self.assertEqual(values(HOUR, "*"), list(range(24)))

    def test_single(self):
        self.assertEqual(values(MINUTE, "7"), [7])

    def test_list(self):
        self.assertEqual(values(MINUTE, "30,0,15"), [0, 15, 30])

    def test_range(self):
        self.assertEqual(values(HOUR, "9-12"), [9, 10, 11, 12])

    def test_star_step(self):
        self.assertEqual(values(MINUTE, "*/20"), [0, 20, 40])

    def test_star_step_of_days_starts_at_one(self):
        self.assertEqual(values(DAY, "*/10"), [1, 11, 21, 31])

    def test_range_step(self):
        self.assertEqual(values(HOUR, "8-18/4"), [8, 12, 16])

    def test_start_step(self):
        self.assertEqual(values(MINUTE, "5/15"), [5, 20, 35, 50])

    def test_start_step_of_days(self):
        self.assertEqual(values(DAY, "10/7"), [10, 17, 24, 31])

    def test_start_step_of_weekdays(self):
        self.assertEqual(values(WEEKDAY, "1/2"), [1, 3, 5])
        self.assertEqual(values(WEEKDAY, "mon/3"), [1, 4])

    def test_start_step_of_named_month(self):
        self.assertEqual(values(MONTH, "mar/3"), [3, 6, 9, 12])

    def test_names(self):
        self.assertEqual(values(MONTH, "JAN,mar-May"), [1, 3, 4, 5])


class TestWeekdays(unittest.TestCase):
    def test_seven_is_sunday(self):
        self.assertEqual(values(WEEKDAY, "7"), [0])

    def test_range_up_to_seven(self):
        self.assertEqual(values(WEEKDAY, "5-7"), [0, 5, 6])

    def test_all_week(self):
        self.assertEqual(values(WEEKDAY, "1-7"), [0, 1, 2, 3, 4, 5, 6])
        self.assertEqual(values(WEEKDAY, "0-7"), [0, 1, 2, 3, 4, 5, 6])

    def test_range_that_wraps(self):
        self.assertEqual(values(WEEKDAY, "fri-mon"), [0, 1, 5, 6])

    def test_range_up_to_named_sunday(self):
        self.assertEqual(values(WEEKDAY, "sat-sun"), [0, 6])

    def test_wrapping_step(self):
        self.assertEqual(values(WEEKDAY, "fri-tue/2"), [0, 2, 5])

    def test_star_step(self):
        self.assertEqual(values(WEEKDAY, "*/2"), [0, 2, 4, 6])

    def test_full(self):
        self.assertTrue(parse_field(WEEKDAY, "*").full)
        self.assertTrue(parse_field(WEEKDAY, "mon-sun").full)
        self.assertFalse(parse_field(WEEKDAY, "mon-sat").full)


class TestLast(unittest.TestCase):
    def test_is_no_value_of_its_own(self):
        self.assertEqual(values(DAY, "L"), [])
        self.assertEqual(values(DAY, "1,l"), [1])

    def test_only_days_of_the_month(self):
        for spec in (MONTH, WEEKDAY):
            with self.assertRaises(FieldError):
                parse_field(spec, "L")

    def test_not_in_a_range(self):
        with self.assertRaises(FieldError):
            parse_field(DAY, "20-L")


class TestErrors(unittest.TestCase):
    def check(self, spec, text):
        with self.assertRaises(FieldError) as caught:
            parse_field(spec, text)
        self.assertEqual(caught.exception.field, spec.name)
        self.assertEqual(caught.exception.text, text)

    def test_out_of_bounds(self):
        self.check(MINUTE, "60")
        self.check(DAY, "0")
        self.check(WEEKDAY, "8")

    def test_empty_item(self):
        self.check(MINUTE, "1,,2")

    def test_zero_step(self):
        self.check(MINUTE, "*/0")

    def test_backwards(self):
        self.check(HOUR, "12-9")
        self.check(MONTH, "nov-feb")

    def test_junk(self):
        self.check(MINUTE, "a")
        self.check(MINUTE, "1-")
        self.check(MINUTE, "-1")
        self.check(MINUTE, "1/")
        self.check(MINUTE, "\u0661")
