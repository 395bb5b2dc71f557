import datetime
import unittest

from cronwhen import CronError, NeverError, Schedule


def at(text):
    return datetime.datetime.fromisoformat(text)


class TestParse(unittest.TestCase):
    def test_field_count(self):
        for text in ("* * * *", "* * * * * *", ""):
            with self.assertRaises(CronError):
                Schedule.parse(text)

    def test_alias(self):
        self.assertEqual(Schedule.parse("@Daily"), Schedule.parse("0 0 * * *"))

    def test_unknown_alias(self):
        with self.assertRaises(CronError):
            Schedule.parse("@fortnightly")

    def test_str(self):
        self.assertEqual(str(Schedule.parse(" 5  4 * * sun ")), "5 4 * * sun")

    def test_equality_is_by_meaning(self):
        self.assertEqual(Schedule.parse("0 0 * 1 7"), Schedule.parse("0 0 * jan 0"))
        self.assertNotEqual(Schedule.parse("0 0 * * 1"), Schedule.parse("0 0 * * 2"))


class TestNext(unittest.TestCase):
    def check(self, schedule, after, expected):
        self.assertEqual(Schedule.parse(schedule).next(at(after)), at(expected))

    def test_next_minute(self):
        self.check("* * * * *", "2024-03-01T12:00:30", "2024-03-01T12:01")

    def test_is_strictly_later(self):
        self.check("0 12 * * *", "2024-03-01T12:00", "2024-03-02T12:00")

    def test_same_hour(self):
        self.check("15,45 * * * *", "2024-03-01T12:20", "2024-03-01T12:45")

    def test_next_hour(self):
        self.check("15 9-17 * * *", "2024-03-01T12:20", "2024-03-01T13:15")

    def test_next_day(self):
        self.check("15 9-17 * * *", "2024-03-01T17:15", "2024-03-02T09:15")

    def test_weekday(self):
        self.check("30 2 * * mon-fri", "2024-03-01T12:00", "2024-03-04T02:30")

    def test_month_and_year_end(self):
        self.check("0 0 31 * *", "2024-03-31T00:00", "2024-05-31T00:00")
        self.check("0 0 1 jan *", "2024-01-01T00:00", "2025-01-01T00:00")

    def test_leap_day(self):
        self.check("0 0 29 2 *", "2024-02-29T00:00", "2028-02-29T00:00")

    def test_leap_day_across_2100(self):
        self.check("0 0 29 2 *", "2096-02-29T00:00", "2104-02-29T00:00")

    def test_leap_day_on_weekday(self):
        self.check("0 0 29 2 */7", "2088-02-29T00:00", "2128-02-29T00:00")

    def test_last_day(self):
        self.check("0 6 L * *", "2024-02-01T00:00", "2024-02-29T06:00")
        self.check("0 6 L * *", "2024-03-01T00:00", "2024-03-31T06:00")

    def test_last_day_and_another(self):
        self.check("0 6 15,L * *", "2024-02-10T00:00", "2024-02-15T06:00")
        self.check("0 6 15,L * *", "2024-02-16T00:00", "2024-02-29T06:00")

    def test_last_day_in_lower_case(self):
        self.check("0 6 l feb *", "2025-01-01T00:00", "2025-02-28T06:00")

    def test_never(self):
        with self.assertRaises(NeverError):
            Schedule.parse("0 0 30 2 *").next(at("2024-01-01T00:00"))

    def test_end_of_time(self):
        with self.assertRaises(NeverError):
            Schedule.parse("0 0 1 1 *").next(at("9999-06-01T00:00"))

    def test_keeps_zone(self):
        zone = datetime.timezone(datetime.timedelta(hours=2))
        after = datetime.datetime(2024, 3, 1, 12, tzinfo=zone)
        self.assertIs(Schedule.parse("@hourly").next(after).tzinfo, zone)


class TestPrevious(unittest.TestCase):
    def check(self, schedule, before, expected):
        self.assertEqual(Schedule.parse(schedule).previous(at(before)), at(expected))

    def test_is_strictly_earlier(self):
        self.check("0 12 * * *", "2024-03-01T12:00", "2024-02-29T12:00")

    def test_within_the_minute(self):
        self.check("0 12 * * *", "2024-03-01T12:00:01", "2024-03-01T12:00")

    def test_earlier_hour(self):
        self.check("15 9-17 * * *", "2024-03-01T12:10", "2024-03-01T11:15")

    def test_previous_month(self):
        self.check("0 0 31 * *", "2024-05-01T00:00", "2024-03-31T00:00")

    def test_leap_day_across_2100(self):
        self.check("0 0 29 2 *", "2104-02-29T00:00", "2096-02-29T00:00")

    def test_first_year(self):
        with self.assertRaises(NeverError):
            Schedule.parse("0 0 1 6 *").previous(at("0001-03-01T00:00"))


class TestDays(unittest.TestCase):
    def dates(self, schedule, month=3):
        parsed = Schedule.parse(schedule)
        days = (datetime.date(2024, month, day) for day in range(1, 30))
        return [date.day for date in days if parsed.matches_date(date)]

    def test_only_day_of_month(self):
        self.assertEqual(self.dates("0 0 13 * *"), [13])

    def test_only_weekday(self):
        self.assertEqual(self.dates("0 0 * * fri"), [1, 8, 15, 22, 29])

    def test_either(self):
        self.assertEqual(self.dates("0 0 13 * fri"), [1, 8, 13, 15, 22, 29])

    def test_last_or_weekday(self):
        self.assertEqual(self.dates("0 0 L * fri", 2), [2, 9, 16, 23, 29])

    def test_star_step_is_no_restriction(self):
        self.assertEqual(self.dates("0 0 */2 * fri"), [1, 15, 29])

    def test_star_step_of_weekdays_is_no_restriction(self):
        self.assertEqual(self.dates("0 0 1-7 * */5"), [1, 3])

    def test_full_range_is_a_restriction(self):
        self.assertEqual(self.dates("0 0 13 * 0-6"), list(range(1, 30)))

    def test_other_month(self):
        self.assertEqual(self.dates("0 0 13 4 fri"), [])


class TestBetween(unittest.TestCase):
    def test_includes_start_not_end(self):
        found = Schedule.parse("0 */8 * * *").between(
            at("2024-03-01T00:00"), at("2024-03-02T00:00")
        )
        self.assertEqual([moment.hour for moment in found], [0, 8, 16])

    def test_stops_when_never(self):
        found = Schedule.parse("0 0 30 2 *").between(
            at("2024-03-01T00:00"), at("2034-03-02T00:00")
        )
        self.assertEqual(list(found), [])
