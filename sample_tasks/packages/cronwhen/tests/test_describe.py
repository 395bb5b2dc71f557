import unittest

from cronwhen import Schedule, describe
from cronwhen.describe import join, ordinal


class TestDescribe(unittest.TestCase):
    def check(self, schedule, expected):
        self.assertEqual(describe(Schedule.parse(schedule)), expected)

    def test_one_time(self):
        self.check("5 4 * * *", "At 04:05")

    def test_two_times(self):
        self.check("0 6,18 * * *", "At 06:00 and 18:00")

    def test_every_minute(self):
        self.check("* * * * *", "Every minute")

    def test_every_few_minutes(self):
        self.check("*/15 * * * *", "Every 15 minutes")

    def test_every_few_hours(self):
        self.check("0 */4 * * *", "Every 4 hours")

    def test_hourly(self):
        self.check("@hourly", "Every hour")

    def test_minutes_in_hours(self):
        self.check(
            "*/5 9-17 * * *", "Every 5 minutes, during hours 9 through 17"
        )

    def test_past_the_hour(self):
        self.check("20 * * * *", "20 minutes past the hour")

    def test_weekdays(self):
        self.check("30 2 * * mon-fri", "At 02:30, on Monday through Friday")

    def test_weekend(self):
        self.check("0 9 * * sat,sun", "At 09:00, on Saturday and Sunday")

    def test_wrapping_weekdays(self):
        self.check("0 9 * * fri-mon", "At 09:00, on Friday through Monday")

    def test_two_weekdays(self):
        self.check("0 9 * * mon,tue", "At 09:00, on Monday and Tuesday")

    def test_day_of_month(self):
        self.check("0 0 1,15 * *", "At 00:00, on the 1st and 15th")

    def test_last_day(self):
        self.check("0 0 L * *", "At 00:00, on the last day")

    def test_day_and_last_day(self):
        self.check("0 0 1,L * *", "At 00:00, on the 1st and last day")

    def test_either_day(self):
        self.check("0 0 13 * fri", "At 00:00, on the 13th or on Friday")

    def test_months(self):
        self.check("0 0 1 jun-aug *", "At 00:00, on the 1st, in June through August")


class TestWords(unittest.TestCase):
    def test_join(self):
        self.assertEqual(join([]), "")
        self.assertEqual(join(["a"]), "a")
        self.assertEqual(join(["a", "b", "c"]), "a, b and c")

    def test_ordinal(self):
        self.assertEqual(
            [ordinal(number) for number in (1, 2, 3, 4, 11, 12, 13, 21, 22, 23)],
            ["1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "23rd"],
        )
