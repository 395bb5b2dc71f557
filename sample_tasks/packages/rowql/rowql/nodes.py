"""The syntax tree. All nodes are named tuples, hence comparable by value."""

from collections import namedtuple

Literal = namedtuple("Literal", "value")
Parameter = namedtuple("Parameter", "index")
Column = namedtuple("Column", "table name")
Unary = namedtuple("Unary", "operator operand")
Binary = namedtuple("Binary", "operator left right")
IsNull = namedtuple("IsNull", "operand negated")
In = namedtuple("In", "operand options negated")
Between = namedtuple("Between", "operand low high negated")
Like = namedtuple("Like", "operand pattern negated")
Call = namedtuple("Call", "name arguments")
Aggregate = namedtuple("Aggregate", "name argument distinct")

Star = namedtuple("Star", "table")
Output = namedtuple("Output", "expression name")
Source = namedtuple("Source", "table alias")
Join = namedtuple("Join", "source condition outer")
Order = namedtuple("Order", "expression descending")
Select = namedtuple(
    "Select",
    "outputs distinct source joins where group having order limit offset",
)


def children(node):
    """The expressions directly below an expression."""
    found = []
    for part in node:
        if isinstance(part, tuple) and hasattr(part, "_fields"):
            found.append(part)
        elif isinstance(part, tuple):
            found.extend(part)
    return found


def has_aggregate(node):
    if isinstance(node, Aggregate):
        return True
    if isinstance(node, (Literal, Parameter, Column, Star)):
        return False
    return any(has_aggregate(child) for child in children(node))


def label(node):
    """The name of an output column that was not given one."""
    if isinstance(node, Column):
        return node.name
    if isinstance(node, Aggregate):
        if isinstance(node.argument, Star):
            return "%s(*)" % node.name.lower()
        inner = label(node.argument)
        return "%s(%s%s)" % (
            node.name.lower(), "distinct " if node.distinct else "", inner,
        )
    if isinstance(node, Call):
        return "%s(%s)" % (
            node.name.lower(), ", ".join(label(part) for part in node.arguments),
        )
    if isinstance(node, Literal):
        return "null" if node.value is None else str(node.value)
    return "expr"
