import unittest

from rowql import QuerySyntaxError
from rowql.lexer import tokenize


def pairs(text):
    return [(token.kind, token.value) for token in tokenize(text)[:-1]]


class TestTokenize(unittest.TestCase):
    def test_keywords_and_names(self):
        self.assertEqual(
            pairs("select Name"), [("keyword", "SELECT"), ("name", "Name")]
        )

    def test_numbers(self):
        self.assertEqual(
            [value for _, value in pairs("1 2.5 .5 1e3 3.")], [1, 2.5, 0.5, 1000.0, 3.0]
        )

    def test_strings(self):
        self.assertEqual(pairs("'a b'"), [("string", "a b")])
        self.assertEqual(pairs("''"), [("string", "")])

    def test_doubled_quote(self):
        self.assertEqual(pairs("'O''Brien'"), [("string", "O'Brien")])
        self.assertEqual(pairs("''''"), [("string", "'")])

    def test_quoted_name(self):
        self.assertEqual(pairs('"order" "a ""b"""'), [("name", "order"), ("name", 'a "b"')])

    def test_operators(self):
        self.assertEqual(
            [value for _, value in pairs("<= <> != || -")], ["<=", "<>", "<>", "||", "-"]
        )

    def test_comment(self):
        self.assertEqual(pairs("1 -- one\n2"), [("number", 1), ("number", 2)])

    def test_positions(self):
        self.assertEqual([token.position for token in tokenize("a  b")], [0, 3, 4])

    def test_unterminated(self):
        with self.assertRaises(QuerySyntaxError) as caught:
            tokenize("a = 'b")
        self.assertEqual(caught.exception.position, 4)

    def test_unexpected(self):
        with self.assertRaises(QuerySyntaxError):
            tokenize("a ; b")
