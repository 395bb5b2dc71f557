"""From tokens to a syntax tree, by recursive descent."""

from . import nodes
from .errors import QuerySyntaxError
from .functions import AGGREGATES, FUNCTIONS
from .lexer import tokenize

_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")


class _Parser:
    def __init__(self, text):
        self.tokens = tokenize(text)
        self.at = 0
        self.parameters = 0

    # Tokens

    @property
    def token(self):
        return self.tokens[self.at]

    def fail(self, wanted):
        token = self.token
        found = repr(token.value) if token.kind != "end" else "the end"
        raise QuerySyntaxError(
            "expected %s, found %s" % (wanted, found), token.position
        )

    def take(self, kind, *values):
        """Consume the token if it is one of those, and return its value."""
        token = self.token
        if token.kind == kind and (not values or token.value in values):
            self.at += 1
            return token.value
        return None

    def keyword(self, *words):
        return self.take("keyword", *words)

    def operator(self, *operators):
        return self.take("operator", *operators)

    def expect(self, kind, value=None):
        token = self.token
        if token.kind != kind or value is not None and token.value != value:
            self.fail(value or kind)
        self.at += 1
        return token.value

    # Statements

    def select(self):
        self.expect("keyword", "SELECT")
        distinct = bool(self.keyword("DISTINCT"))
        if not distinct:
            self.keyword("ALL")
        outputs = self.list_of(self.output)
        self.expect("keyword", "FROM")
        source = self.source()
        joins = []
        while True:
            join = self.join()
            if join is None:
                break
            joins.append(join)
        where = self.expression() if self.keyword("WHERE") else None
        group, having = (), None
        if self.keyword("GROUP"):
            self.expect("keyword", "BY")
            group = self.list_of(self.expression)
        if self.keyword("HAVING"):
            having = self.expression()
        order = ()
        if self.keyword("ORDER"):
            self.expect("keyword", "BY")
            order = self.list_of(self.order)
        limit = offset = None
        if self.keyword("LIMIT"):
            limit = self.count()
        if self.keyword("OFFSET"):
            offset = self.count()
        if self.token.kind != "end":
            self.fail("the end of the query")
        return nodes.Select(
            outputs, distinct, source, tuple(joins), where, group, having, order,
            limit, offset,
        )

    def list_of(self, rule):
        found = [rule()]
        while self.operator(","):
            found.append(rule())
        return tuple(found)

    def output(self):
        if self.operator("*"):
            return nodes.Output(nodes.Star(None), None)
        if (
            self.token.kind == "name"
            and self.tokens[self.at + 1][:2] == ("operator", ".")
            and self.tokens[self.at + 2][:2] == ("operator", "*")
        ):
            table = self.token.value
            self.at += 3
            return nodes.Output(nodes.Star(table), None)
        expression = self.expression()
        name = self.expect("name") if self.keyword("AS") else self.take("name")
        return nodes.Output(expression, name or nodes.label(expression))

    def source(self):
        table = self.expect("name")
        alias = self.expect("name") if self.keyword("AS") else self.take("name")
        return nodes.Source(table, alias or table)

    def join(self):
        outer = False
        if self.keyword("LEFT"):
            self.keyword("OUTER")
            outer = True
            self.expect("keyword", "JOIN")
        elif self.keyword("INNER"):
            self.expect("keyword", "JOIN")
        elif not self.keyword("JOIN"):
            return None
        source = self.source()
        self.expect("keyword", "ON")
        return nodes.Join(source, self.expression(), outer)

    def order(self):
        expression = self.expression()
        return nodes.Order(expression, self.keyword("ASC", "DESC") == "DESC")

    def count(self):
        if self.token.kind != "number" or not isinstance(self.token.value, int):
            self.fail("a whole number")
        return self.expect("number")

    # Expressions, loosest binding first

    def expression(self):
        left = self.conjunction()
        while self.keyword("OR"):
            left = nodes.Binary("OR", left, self.conjunction())
        return left

    def conjunction(self):
        left = self.negation()
        while self.keyword("AND"):
            left = nodes.Binary("AND", left, self.negation())
        return left

    def negation(self):
        if self.keyword("NOT"):
            return nodes.Unary("NOT", self.negation())
        return self.comparison()

    def comparison(self):
        left = self.sum()
        while True:
            operator = self.operator(*_COMPARISONS)
            if operator:
                left = nodes.Binary(operator, left, self.sum())
            elif self.keyword("IS"):
                negated = bool(self.keyword("NOT"))
                self.expect("keyword", "NULL")
                left = nodes.IsNull(left, negated)
            elif self.token[:2] in (
                ("keyword", "NOT"), ("keyword", "IN"),
                ("keyword", "BETWEEN"), ("keyword", "LIKE"),
            ):
                left = self.predicate(left)
            else:
                return left

    def predicate(self, left):
        negated = bool(self.keyword("NOT"))
        if self.keyword("IN"):
            self.expect("operator", "(")
            options = self.list_of(self.expression)
            self.expect("operator", ")")
            return nodes.In(left, options, negated)
        if self.keyword("BETWEEN"):
            low = self.sum()
            self.expect("keyword", "AND")
            return nodes.Between(left, low, self.sum(), negated)
        if self.keyword("LIKE"):
            return nodes.Like(left, self.sum(), negated)
        return self.fail("IN, BETWEEN or LIKE")

    def sum(self):
        left = self.product()
        while True:
            operator = self.operator("+", "-", "||")
            if not operator:
                return left
            left = nodes.Binary(operator, left, self.product())

    def product(self):
        left = self.sign()
        while True:
            operator = self.operator("*", "/", "%")
            if not operator:
                return left
            left = nodes.Binary(operator, left, self.sign())

    def sign(self):
        operator = self.operator("-", "+")
        if operator:
            return nodes.Unary(operator, self.sign())
        return self.atom()

    def atom(self):
        token = self.token
        if token.kind in ("number", "string"):
            self.at += 1
            return nodes.Literal(token.value)
        word = self.keyword("NULL", "TRUE", "FALSE")
        if word:
            return nodes.Literal({"NULL": None, "TRUE": True, "FALSE": False}[word])
        if self.operator("?"):
            self.parameters += 1
            return nodes.Parameter(self.parameters - 1)
        if self.operator("("):
            inner = self.expression()
            self.expect("operator", ")")
            return inner
        if token.kind != "name":
            self.fail("an expression")
        self.at += 1
        if self.operator("("):
            return self.call(token)
        if self.operator("."):
            return nodes.Column(token.value, self.expect("name"))
        return nodes.Column(None, token.value)

    def call(self, token):
        name = token.value.upper()
        if name in AGGREGATES:
            if name == "COUNT" and self.operator("*"):
                argument, distinct = nodes.Star(None), False
            else:
                distinct = bool(self.keyword("DISTINCT"))
                argument = self.expression()
            self.expect("operator", ")")
            if not isinstance(argument, nodes.Star) and nodes.has_aggregate(argument):
                raise QuerySyntaxError("aggregate within aggregate", token.position)
            return nodes.Aggregate(name, argument, distinct)
        if name not in FUNCTIONS:
            raise QuerySyntaxError("unknown function %s" % token.value, token.position)
        arguments = ()
        if not self.operator(")"):
            arguments = self.list_of(self.expression)
            self.expect("operator", ")")
        return nodes.Call(name, arguments)


def parse(text):
    """The syntax tree of a query."""
    return _Parser(text).select()
