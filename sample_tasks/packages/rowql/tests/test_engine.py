import unittest

from rowql import EvaluationError, query

PEOPLE = [
    {"id": 1, "name": "Ada", "team": "red", "age": 36},
    {"id": 2, "name": "Bob", "team": "blue", "age": None},
    {"id": 3, "name": "Cy", "team": "red", "age": 28},
    {"id": 4, "name": "Di", "team": None, "age": 51},
    {"id": 5, "name": "Ed", "team": "blue", "age": 28},
]
TEAMS = [
    {"team": "red", "city": "Oslo"},
    {"team": "blue", "city": "Rome"},
    {"team": "green", "city": "Bern"},
]
PHONES = [
    {"person": 1, "number": "111"},
    {"person": 1, "number": "112"},
    {"person": 3, "number": "131"},
]


def run(text, params=()):
    return query(text, params, people=PEOPLE, teams=TEAMS, phones=PHONES, nothing=[])


def column(text, params=()):
    return [next(iter(row.values())) for row in run(text, params)]


class TestSelect(unittest.TestCase):
    def test_star(self):
        self.assertEqual(run("SELECT * FROM teams"), TEAMS)

    def test_where(self):
        self.assertEqual(column("SELECT name FROM people WHERE age > 30"), ["Ada", "Di"])

    def test_parameters(self):
        self.assertEqual(column("SELECT name FROM people WHERE id = ?", [5]), ["Ed"])

    def test_alias(self):
        self.assertEqual(column("SELECT p.name FROM people p WHERE p.id = 1"), ["Ada"])

    def test_missing_keys_are_null(self):
        rows = [{"a": 1}, {"b": 2}]
        self.assertEqual(
            query("SELECT * FROM t", t=rows), [{"a": 1, "b": None}, {"a": None, "b": 2}]
        )

    def test_distinct(self):
        self.assertEqual(
            column("SELECT DISTINCT team FROM people"), ["red", "blue", None]
        )

    def test_limit_and_offset(self):
        self.assertEqual(
            column("SELECT name FROM people ORDER BY name LIMIT 2 OFFSET 1"), ["Bob", "Cy"]
        )
        self.assertEqual(column("SELECT name FROM people LIMIT 0"), [])

    def test_unknown_table(self):
        with self.assertRaises(EvaluationError):
            run("SELECT * FROM cats")

    def test_unknown_column(self):
        with self.assertRaises(EvaluationError):
            run("SELECT size FROM people")


class TestJoin(unittest.TestCase):
    def test_inner(self):
        self.assertEqual(
            column(
                "SELECT p.name || '/' || t.city FROM people p "
                "JOIN teams t ON p.team = t.team ORDER BY p.name"
            ),
            ["Ada/Oslo", "Bob/Rome", "Cy/Oslo", "Ed/Rome"],
        )

    def test_several_partners(self):
        self.assertEqual(
            column(
                "SELECT number FROM people INNER JOIN phones ON person = id "
                "WHERE name = 'Ada'"
            ),
            ["111", "112"],
        )

    def test_star_of_one_table(self):
        rows = run("SELECT t.* FROM people p JOIN teams t ON p.team = t.team LIMIT 1")
        self.assertEqual(rows, [{"team": "red", "city": "Oslo"}])

    def test_ambiguous(self):
        with self.assertRaises(EvaluationError):
            run("SELECT team FROM people p JOIN teams t ON p.team = t.team")

    def test_same_name_twice(self):
        with self.assertRaises(EvaluationError):
            run("SELECT 1 FROM people JOIN people ON TRUE")

    def test_with_itself(self):
        self.assertEqual(
            run(
                "SELECT a.name AS x, b.name AS y FROM people a "
                "JOIN people b ON a.age = b.age AND a.id < b.id"
            ),
            [{"x": "Cy", "y": "Ed"}],
        )


class TestLeftJoin(unittest.TestCase):
    def test_keeps_rows_without_partner(self):
        self.assertEqual(
            run(
                "SELECT name, city FROM people p LEFT JOIN teams t ON p.team = t.team "
                "WHERE id > 2 ORDER BY name"
            ),
            [
                {"name": "Cy", "city": "Oslo"},
                {"name": "Di", "city": None},
                {"name": "Ed", "city": "Rome"},
            ],
        )

    def test_outer_is_optional(self):
        self.assertEqual(
            run("SELECT name, city FROM people p LEFT OUTER JOIN teams t ON p.team = t.team"),
            run("SELECT name, city FROM people p left join teams t ON p.team = t.team"),
        )

    def test_several_partners(self):
        self.assertEqual(
            column("SELECT number FROM people LEFT JOIN phones ON person = id ORDER BY id"),
            ["111", "112", None, "131", None, None],
        )

    def test_condition_is_not_a_filter(self):
        self.assertEqual(
            len(run("SELECT * FROM people LEFT JOIN phones ON person = id AND id > 2")), 5
        )

    def test_rows_without_partner(self):
        self.assertEqual(
            column(
                "SELECT name FROM people LEFT JOIN phones ON person = id "
                "WHERE number IS NULL"
            ),
            ["Bob", "Di", "Ed"],
        )

    def test_star(self):
        rows = run(
            "SELECT * FROM people LEFT JOIN phones ON person = id WHERE name = 'Bob'"
        )
        self.assertEqual(
            rows,
            [{"id": 2, "name": "Bob", "team": "blue", "age": None,
              "person": None, "number": None}],
        )

    def test_chain(self):
        self.assertEqual(
            run(
                "SELECT city, name, number FROM teams t "
                "LEFT JOIN people p ON p.team = t.team AND age > 30 "
                "LEFT JOIN phones ON person = id AND number LIKE '%2'"
            ),
            [
                {"city": "Oslo", "name": "Ada", "number": "112"},
                {"city": "Rome", "name": None, "number": None},
                {"city": "Bern", "name": None, "number": None},
            ],
        )

    def test_counts(self):
        self.assertEqual(
            run(
                "SELECT name, COUNT(number) AS n FROM people "
                "LEFT JOIN phones ON person = id GROUP BY id, name ORDER BY name"
            ),
            [
                {"name": "Ada", "n": 2},
                {"name": "Bob", "n": 0},
                {"name": "Cy", "n": 1},
                {"name": "Di", "n": 0},
                {"name": "Ed", "n": 0},
            ],
        )


class TestGroup(unittest.TestCase):
    def test_group(self):
        self.assertEqual(
            run("SELECT team, COUNT(*) AS n FROM people GROUP BY team ORDER BY team"),
            [{"team": None, "n": 1}, {"team": "blue", "n": 2}, {"team": "red", "n": 2}],
        )

    def test_nulls_are_left_out(self):
        self.assertEqual(
            run("SELECT COUNT(age) AS n, MIN(age) AS low, AVG(age) AS mean FROM people"),
            [{"n": 4, "low": 28, "mean": 35.75}],
        )

    def test_nothing(self):
        self.assertEqual(
            run("SELECT COUNT(*) AS n, SUM(1) AS s FROM nothing"), [{"n": 0, "s": None}]
        )
        self.assertEqual(run("SELECT COUNT(*) FROM people WHERE FALSE GROUP BY team"), [])

    def test_having(self):
        self.assertEqual(
            column(
                "SELECT team FROM people GROUP BY team HAVING MAX(age) > 30 ORDER BY team"
            ),
            [None, "red"],
        )

    def test_expression_of_aggregates(self):
        self.assertEqual(column("SELECT MAX(age) - MIN(age) FROM people"), [23])

    def test_order_by_aggregate(self):
        self.assertEqual(
            column("SELECT age FROM people GROUP BY age ORDER BY COUNT(*) DESC, age"),
            [28, None, 36, 51],
        )

    def test_aggregate_in_where(self):
        with self.assertRaises(EvaluationError):
            run("SELECT name FROM people WHERE COUNT(*) > 1")


class TestOrder(unittest.TestCase):
    def test_ascending(self):
        self.assertEqual(
            column("SELECT name FROM people WHERE age IS NOT NULL ORDER BY age, name"),
            ["Cy", "Ed", "Ada", "Di"],
        )

    def test_descending(self):
        self.assertEqual(
            column("SELECT name FROM people ORDER BY name DESC"),
            ["Ed", "Di", "Cy", "Bob", "Ada"],
        )

    def test_mixed_directions(self):
        self.assertEqual(
            column(
                "SELECT name FROM people WHERE team IS NOT NULL "
                "ORDER BY team DESC, name"
            ),
            ["Ada", "Cy", "Bob", "Ed"],
        )
        self.assertEqual(
            column(
                "SELECT name FROM people WHERE team IS NOT NULL "
                "ORDER BY team, name DESC"
            ),
            ["Ed", "Bob", "Cy", "Ada"],
        )

    def test_null_is_first(self):
        self.assertEqual(
            column("SELECT team FROM people ORDER BY team"),
            [None, "blue", "blue", "red", "red"],
        )

    def test_null_is_last_when_descending(self):
        self.assertEqual(
            column("SELECT team FROM people ORDER BY team DESC"),
            ["red", "red", "blue", "blue", None],
        )

    def test_ties_keep_their_order(self):
        self.assertEqual(
            column("SELECT name FROM people WHERE age = 28 ORDER BY age DESC"),
            ["Cy", "Ed"],
        )

    def test_by_output_name(self):
        self.assertEqual(
            column("SELECT -id AS negative FROM people ORDER BY negative LIMIT 2"), [-5, -4]
        )

    def test_by_hidden_column(self):
        self.assertEqual(
            column("SELECT name FROM people ORDER BY id DESC LIMIT 1"), ["Ed"]
        )

    def test_mixed_types(self):
        with self.assertRaises(EvaluationError):
            query("SELECT a FROM t ORDER BY a", t=[{"a": 1}, {"a": "x"}])
