import unittest

from rowql import QuerySyntaxError, query

PEOPLE = [
    {"id": 1, "name": "Ada", "team": "red", "age": 36},
    {"id": 2, "name": "Bob", "team": "blue", "age": None},
    {"id": 3, "name": "Cy", "team": "red", "age": 28},
    {"id": 4, "name": "Di", "team": None, "age": 51},
    {"id": 5, "name": "Ed", "team": "blue", "age": 28},
]


def run(text):
    return query(text, people=PEOPLE)


def column(text):
    return [next(iter(row.values())) for row in run(text)]


class TestDistinctRows(unittest.TestCase):
    def test_rows(self):
        self.assertEqual(len(run("SELECT DISTINCT team, age FROM people")), 5)

    def test_before_limit(self):
        self.assertEqual(
            column("SELECT DISTINCT age FROM people ORDER BY age LIMIT 3"), [None, 28, 36]
        )

    def test_values_that_cannot_be_hashed(self):
        rows = [{"tags": ["a"]}, {"tags": ["a"]}, {"tags": []}]
        self.assertEqual(len(query("SELECT DISTINCT tags FROM t", t=rows)), 2)

    def test_of_aggregates(self):
        self.assertEqual(
            column("SELECT DISTINCT COUNT(*) AS n FROM people GROUP BY team ORDER BY n"),
            [1, 2],
        )


class TestDistinctAggregate(unittest.TestCase):
    def test_count(self):
        self.assertEqual(column("SELECT COUNT(DISTINCT age) FROM people"), [3])

    def test_null_does_not_count(self):
        self.assertEqual(column("SELECT COUNT(DISTINCT team) FROM people"), [2])

    def test_sum(self):
        self.assertEqual(column("SELECT SUM(DISTINCT age) FROM people"), [115])

    def test_expression(self):
        self.assertEqual(column("SELECT COUNT(DISTINCT age > 30) FROM people"), [2])

    def test_by_group(self):
        self.assertEqual(
            run(
                "SELECT team, COUNT(DISTINCT age) AS n FROM people "
                "GROUP BY team HAVING COUNT(DISTINCT age) < 2 ORDER BY team"
            ),
            [{"team": None, "n": 1}, {"team": "blue", "n": 1}],
        )

    def test_beside_the_plain_one(self):
        self.assertEqual(
            run("SELECT COUNT(age), COUNT(DISTINCT age) FROM people"),
            [{"count(age)": 4, "count(distinct age)": 3}],
        )

    def test_values_that_cannot_be_hashed(self):
        rows = [{"tags": ["a"]}, {"tags": ["a"]}, {"tags": []}]
        self.assertEqual(
            query("SELECT COUNT(DISTINCT tags) AS n FROM t", t=rows), [{"n": 2}]
        )

    def test_star_is_refused(self):
        with self.assertRaises(QuerySyntaxError):
            run("SELECT COUNT(DISTINCT *) FROM people")
