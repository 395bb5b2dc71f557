"""Running queries."""

from . import nodes
from .errors import EvaluationError
from .evaluate import Evaluator, Scope
from .functions import hashable


def _columns(rows):
    """All keys of all rows, in order of first appearance."""
    return list(dict.fromkeys(key for row in rows for key in row))


class _Execution:
    def __init__(self, select, tables, params):
        self.select = select
        self.tables = tables
        self.evaluator = Evaluator(params)
        self.columns = {}

    def run(self):
        scopes = self.joined()
        if self.select.where is not None:
            scopes = [s for s in scopes if self.evaluator.value(self.select.where, s)]
        # Each candidate is (scope, group); the group is None without grouping.
        if self.grouped():
            candidates = self.groups(scopes)
        else:
            candidates = [(scope, None) for scope in scopes]
        results = [
            (self.output(scope, group), scope, group) for scope, group in candidates
        ]
        if self.select.distinct:
            results = self.distinct(results)
        results = self.ordered(results)
        rows = [row for row, _, _ in results]
        start = self.select.offset or 0
        if self.select.limit is None:
            return rows[start:]
        return rows[start : start + self.select.limit]

    # FROM and JOIN

    def table(self, source):
        if source.table not in self.tables:
            raise EvaluationError("no such table: %s" % source.table)
        if source.alias in self.columns:
            raise EvaluationError("table name used twice: %s" % source.alias)
        rows = list(self.tables[source.table])
        self.columns[source.alias] = _columns(rows)
        return rows

    def joined(self):
        source = self.select.source
        scopes = [
            Scope({source.alias: row}, self.columns) for row in self.table(source)
        ]
        for join in self.select.joins:
            rows = self.table(join.source)
            scopes = [
                found for scope in scopes for found in self.partners(scope, join, rows)
            ]
        return scopes

    def partners(self, scope, join, rows):
        """``scope`` extended by each row that meets the join's condition."""
        alias = join.source.alias
        matched = False
        for row in rows:
            extended = Scope({**scope.rows, alias: row}, self.columns)
            if self.evaluator.value(join.condition, extended):
                matched = True
                yield extended
        if join.outer and not matched:
            yield Scope({**scope.rows, alias: {}}, self.columns)

    # GROUP BY and HAVING

    def grouped(self):
        expressions = [output.expression for output in self.select.outputs]
        expressions.extend(order.expression for order in self.select.order)
        if self.select.having is not None:
            expressions.append(self.select.having)
        return bool(self.select.group) or any(map(nodes.has_aggregate, expressions))

    def groups(self, scopes):
        found = {}
        for scope in scopes:
            key = tuple(
                hashable(self.evaluator.value(part, scope)) for part in self.select.group
            )
            found.setdefault(key, []).append(scope)
        if not found and not self.select.group:
            found[()] = []
        candidates = [(group[0] if group else None, group) for group in found.values()]
        having = self.select.having
        if having is None:
            return candidates
        return [
            (scope, group)
            for scope, group in candidates
            if self.evaluator.value(having, scope, group)
        ]

    # SELECT, DISTINCT and ORDER BY

    def output(self, scope, group):
        row = {}
        for output in self.select.outputs:
            if isinstance(output.expression, nodes.Star):
                self.expand(row, output.expression.table, scope)
            else:
                row[output.name] = self.evaluator.value(output.expression, scope, group)
        return row

    def expand(self, row, table, scope):
        if table is not None and table not in self.columns:
            raise EvaluationError("no such table: %s" % table)
        for alias, names in self.columns.items():
            if table is None or alias == table:
                for name in names:
                    row[name] = scope.rows[alias].get(name) if scope else None

    def distinct(self, results):
        seen = set()
        kept = []
        for result in results:
            key = hashable(result[0])
            if key not in seen:
                seen.add(key)
                kept.append(result)
        return kept

    def ordered(self, results):
        """Sort by the last key first; sorting is stable, so the first one wins."""
        for order in reversed(self.select.order):

            def key(result, expression=order.expression):
                return _SortKey(self.order_value(expression, *result))

            try:
                results = sorted(results, key=key, reverse=order.descending)
            except TypeError as error:
                raise EvaluationError("cannot sort: %s" % error)
        return results

    def order_value(self, expression, row, scope, group):
        """An output name may be used in place of an expression."""
        if isinstance(expression, nodes.Column) and expression.table is None:
            if expression.name in row:
                return row[expression.name]
        return self.evaluator.value(expression, scope, group)


class _SortKey:
    """Makes NULL less than everything else."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return self.value == other.value

    def __lt__(self, other):
        if self.value is None or other.value is None:
            return self.value is None and other.value is not None
        return self.value < other.value


def execute(select, tables, params=()):
    """Run a parsed query over a mapping of names to sequences of dictionaries."""
    return _Execution(select, tables, params).run()
