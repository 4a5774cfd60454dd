"""CloudWatch's metric math, as far as alarms here use it: arithmetic, comparisons, IF and FILL.

An expression is read once and computed period by period. What is missing stays missing, but for FILL; a
division by zero is missing too.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Value = float | None
Expression = Callable[[Mapping[str, Value]], Value]
"""Values of the ids in a period → the expression's value."""

_ARITHMETIC: Final[dict[type, Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_COMPARISONS: Final[dict[type, Callable[[Any, Any], Any]]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_BAND: Final = re.compile(r"\s*ANOMALY_DETECTION_BAND\(\s*(\w+)\s*(?:,\s*([\d.]+)\s*)?\)\s*")
_DEFAULT_BAND: Final = 2.0


class ExpressionError(Exception):
    """An expression that the twin does not compute; the text says what of it."""


def band(expression: str) -> tuple[str, float] | None:
    """The id and width that an anomaly band is of; None if the expression is none."""
    match = _BAND.fullmatch(expression)
    return None if match is None else (match[1], float(match[2] or _DEFAULT_BAND))


def parse(expression: str) -> Expression:
    """An expression as a function of one period's values.

    Raises:
        ExpressionError: it can't be read, or has what the twin does not compute.
    """
    words = expression.replace("&&", " and ").replace("||", " or ").replace("^", "**")
    words = re.sub(r"\bAND\b", "and", re.sub(r"\bOR\b", "or", words))
    try:
        tree = ast.parse(words.strip(), mode="eval")
    except SyntaxError as error:
        raise ExpressionError(f"the twin cannot read the expression {expression!r}") from error
    computed = _compiled(tree.body)
    return lambda values: None if all(value is None for value in values.values()) else computed(values)


def _compiled(node: ast.expr) -> Expression:
    match node:
        case ast.Constant(value=int() | float() as number):
            return lambda _: float(number)
        case ast.Name(id=name):
            return lambda values: _known(values, name)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            negated = _compiled(inner)
            return lambda values: None if (value := negated(values)) is None else -value
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
            return _binary(_ARITHMETIC[type(op)], _compiled(left), _compiled(right))
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
            return _binary(_COMPARISONS[type(op)], _compiled(left), _compiled(right))
        case ast.BoolOp(op=ast.And(), values=parts):
            return _all_or_any([_compiled(part) for part in parts], all)
        case ast.BoolOp(op=ast.Or(), values=parts):
            return _all_or_any([_compiled(part) for part in parts], any)
        case ast.Call(func=ast.Name(id="IF"), args=[condition, then, *rest]) if len(rest) <= 1:
            return _if(_compiled(condition), _compiled(then), _compiled(rest[0]) if rest else None)
        case ast.Call(func=ast.Name(id="FILL"), args=[inner, filling]):
            return _fill(_compiled(inner), _compiled(filling))
        case ast.Call(func=ast.Name(id="ABS"), args=[inner]):
            absolute = _compiled(inner)
            return lambda values: None if (value := absolute(values)) is None else abs(value)
    raise ExpressionError(f"the twin does not compute {ast.unparse(node)!r}")


def _known(values: Mapping[str, Value], name: str) -> Value:
    if name not in values:
        raise ExpressionError(f"the alarm has no query {name!r}")
    return values[name]


def _binary(compute: Callable[[Any, Any], Any], left: Expression, right: Expression) -> Expression:
    def value(values: Mapping[str, Value]) -> Value:
        one, other = left(values), right(values)
        if one is None or other is None:
            return None
        try:
            return float(compute(one, other))
        except (ZeroDivisionError, OverflowError):
            return None

    return value


def _all_or_any(parts: list[Expression], together: Callable[[Any], bool]) -> Expression:
    def value(values: Mapping[str, Value]) -> Value:
        found = [part(values) for part in parts]
        return None if None in found else float(together(found))

    return value


def _if(condition: Expression, then: Expression, otherwise: Expression | None) -> Expression:
    def value(values: Mapping[str, Value]) -> Value:
        chosen = condition(values)
        if chosen is None:
            return None
        if chosen:
            return then(values)
        return None if otherwise is None else otherwise(values)

    return value


def _fill(inner: Expression, filling: Expression) -> Expression:
    def value(values: Mapping[str, Value]) -> Value:
        found = inner(values)
        return filling(values) if found is None else found

    return value
