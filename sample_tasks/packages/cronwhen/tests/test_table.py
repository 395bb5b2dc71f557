import datetime
import io
import unittest

from cronwhen import CronError, parse_table
from cronwhen.cli import main
from cronwhen.table import upcoming


class TestTable(unittest.TestCase):
    def test_entries(self):
        entries = parse_table("# jobs\n\n0 3 * * * backup --all\n@hourly  poll\n")
        self.assertEqual([entry.command for entry in entries], ["backup --all", "poll"])
        self.assertEqual([entry.line for entry in entries], [3, 4])

    def test_tabs(self):
        (entry,) = parse_table("0\t3\t*\t*\t*\tbackup\t--all")
        self.assertEqual(entry.command, "backup\t--all")

    def test_environment_applies_from_its_line_on(self):
        entries = parse_table('@daily one\nMAILTO = "me@example.org"\n@daily two\n')
        self.assertEqual(entries[0].environment, {})
        self.assertEqual(entries[1].environment, {"MAILTO": "me@example.org"})

    def test_environment_is_a_copy(self):
        entries = parse_table("A=1\n@daily one\nA=2\n@daily two\n")
        self.assertEqual([e.environment["A"] for e in entries], ["1", "2"])

    def test_error_has_line(self):
        with self.assertRaises(CronError) as caught:
            parse_table("@daily x\n0 25 * * * y\n")
        self.assertIn("line 2: hour", str(caught.exception))

    def test_no_command(self):
        with self.assertRaises(CronError):
            parse_table("0 3 * * *")


class TestPercent(unittest.TestCase):
    def entry(self, command):
        (entry,) = parse_table("@daily " + command)
        return entry.command, entry.stdin

    def test_none(self):
        self.assertEqual(self.entry("run it"), ("run it", None))

    def test_standard_input(self):
        self.assertEqual(
            self.entry("mail me%Hello,%%bye."), ("mail me", "Hello,\n\nbye.\n")
        )

    def test_escaped(self):
        self.assertEqual(
            self.entry("backup $(date +\\%Y-\\%m)"), ("backup $(date +%Y-%m)", None)
        )

    def test_escaped_in_input(self):
        self.assertEqual(self.entry("mail%100\\% sure"), ("mail", "100% sure\n"))

    def test_other_backslashes_stay(self):
        self.assertEqual(self.entry("echo a\\nb"), ("echo a\\nb", None))


class TestUpcoming(unittest.TestCase):
    def test_merges(self):
        entries = parse_table("0 */6 * * * a\n0 12 * * * b\n0 0 30 2 * never\n")
        found = upcoming(entries, datetime.datetime(2024, 3, 1, 1), 4)
        self.assertEqual(
            [(moment.hour, entry.command) for moment, entry in found],
            [(6, "a"), (12, "a"), (12, "b"), (18, "a")],
        )


class TestCommand(unittest.TestCase):
    def test_output(self):
        out = io.StringIO()
        status = main(
            ["0 12 * * sun", "-n", "2", "--after", "2024-03-01", "--words"], out
        )
        self.assertEqual(status, 0)
        self.assertEqual(
            out.getvalue().splitlines(),
            ["At 12:00, on Sunday", "2024-03-03 12:00", "2024-03-10 12:00"],
        )

    def test_error(self):
        err = io.StringIO()
        self.assertEqual(main(["61 * * * *"], io.StringIO(), err), 1)
        self.assertIn("minute", err.getvalue())
