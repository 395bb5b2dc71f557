"""Computing expressions. NULL is None, and "unknown" is NULL."""

import operator
import re

from . import nodes
from .errors import EvaluationError
from .functions import aggregate, call_function

_ARITHMETIC = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
    "||": lambda left, right: str(left) + str(right),
}
_COMPARISON = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def negate(truth):
    return None if truth is None else not truth


def conjoin(left, right):
    """AND: false wins over unknown, unknown over true."""
    for truth in (left, right):
        if truth is not None and not truth:
            return False
    return None if left is None or right is None else True


def disjoin(left, right):
    """OR: true wins over unknown, unknown over false."""
    return negate(conjoin(negate(left), negate(right)))


def like(value, pattern):
    """Whether all of ``value`` fits ``pattern``, where ``%`` and ``_`` are wild."""
    parts = []
    for character in pattern:
        if character == "%":
            parts.append(".*")
        elif character == "_":
            parts.append(".")
        else:
            parts.append(re.escape(character))
    return re.fullmatch("".join(parts), value, re.DOTALL | re.IGNORECASE) is not None


class Scope:
    """One joined row: the row of each table by alias."""

    __slots__ = ("rows", "columns")

    def __init__(self, rows, columns):
        self.rows = rows
        self.columns = columns

    def lookup(self, table, name):
        if table is not None:
            if table not in self.rows:
                raise EvaluationError("no such table: %s" % table)
            if name not in self.columns[table]:
                raise EvaluationError("no such column: %s.%s" % (table, name))
            return self.rows[table].get(name)
        owners = [alias for alias in self.rows if name in self.columns[alias]]
        if not owners:
            raise EvaluationError("no such column: %s" % name)
        if len(owners) > 1:
            raise EvaluationError("ambiguous column: %s" % name)
        return self.rows[owners[0]].get(name)


class Evaluator:
    """Computes expressions for one row, or for a group of them."""

    def __init__(self, params=()):
        self.params = tuple(params)

    def value(self, node, scope, group=None):
        method = getattr(self, "_" + type(node).__name__.lower())
        return method(node, scope, group)

    def _literal(self, node, scope, group):
        return node.value

    def _parameter(self, node, scope, group):
        if node.index >= len(self.params):
            raise EvaluationError("no value for parameter %d" % (node.index + 1))
        return self.params[node.index]

    def _column(self, node, scope, group):
        if scope is None:
            return None
        return scope.lookup(node.table, node.name)

    def _unary(self, node, scope, group):
        operand = self.value(node.operand, scope, group)
        if node.operator == "NOT":
            return negate(operand)
        if operand is None or node.operator == "+":
            return operand
        try:
            return -operand
        except TypeError as error:
            raise EvaluationError(str(error))

    def _binary(self, node, scope, group):
        left = self.value(node.left, scope, group)
        if node.operator == "AND":
            if left is not None and not left:
                return False
            return conjoin(left, self.value(node.right, scope, group))
        if node.operator == "OR":
            if left:
                return True
            return disjoin(left, self.value(node.right, scope, group))
        right = self.value(node.right, scope, group)
        return self._apply(node.operator, left, right)

    def _apply(self, name, left, right):
        if left is None or right is None:
            return None
        try:
            if name in _COMPARISON:
                return _COMPARISON[name](left, right)
            return _ARITHMETIC[name](left, right)
        except ZeroDivisionError:
            return None
        except TypeError as error:
            raise EvaluationError(str(error))

    def _isnull(self, node, scope, group):
        return (self.value(node.operand, scope, group) is None) != node.negated

    def _in(self, node, scope, group):
        operand = self.value(node.operand, scope, group)
        found = False
        for option in node.options:
            equal = self._apply("=", operand, self.value(option, scope, group))
            found = disjoin(found, equal)
        return negate(found) if node.negated else found

    def _between(self, node, scope, group):
        operand = self.value(node.operand, scope, group)
        low = self.value(node.low, scope, group)
        high = self.value(node.high, scope, group)
        inside = conjoin(
            self._apply(">=", operand, low), self._apply("<=", operand, high)
        )
        return negate(inside) if node.negated else inside

    def _like(self, node, scope, group):
        operand = self.value(node.operand, scope, group)
        pattern = self.value(node.pattern, scope, group)
        if operand is None or pattern is None:
            return None
        if not isinstance(operand, str) or not isinstance(pattern, str):
            raise EvaluationError("LIKE needs text")
        return like(operand, pattern) != node.negated

    def _call(self, node, scope, group):
        arguments = [self.value(part, scope, group) for part in node.arguments]
        return call_function(node.name, arguments)

    def _aggregate(self, node, scope, group):
        if group is None:
            raise EvaluationError("%s is not allowed here" % node.name)
        if isinstance(node.argument, nodes.Star):
            return len(group)
        values = [self.value(node.argument, member) for member in group]
        return aggregate(node.name, values, node.distinct)
