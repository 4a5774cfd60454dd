"""Money in US dollars: exact decimals, rounded to the cent once per bill line and never again."""

from contextlib import AbstractContextManager
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation, localcontext
from typing import Any, Final

HOURS_PER_MONTH: Final = Decimal(730)
"""AWS's own convention: 365 days x 24 hours / 12 months."""
SECONDS_PER_MONTH: Final = HOURS_PER_MONTH * 3600
ZERO: Final = Decimal(0)
CENT: Final = Decimal("0.01")

_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_UP)
"""Wide enough that no product of a price and a quantity, and no sum of them, loses a digit."""
_TOO_MANY: Final = Decimal(10) ** 18
"""From here on a quantity is a mistake, and a product of some could be wider than that."""


def exact() -> AbstractContextManager[Context]:
    """Exact arithmetic inside the block, whatever the caller's decimal context is."""
    return localcontext(_EXACT)


def to_cents(amount: Decimal) -> Decimal:
    """The amount as it would stand on a bill: two decimals, halves away from zero."""
    return amount.quantize(CENT, context=_EXACT)


def add(one: Decimal, other: Decimal) -> Decimal:
    """The exact sum, whatever the caller's decimal context is."""
    return _EXACT.add(one, other)


def subtract(one: Decimal, other: Decimal) -> Decimal:
    """The exact difference, whatever the caller's decimal context is."""
    return _EXACT.subtract(one, other)


def plain(value: Decimal) -> str:
    """The number without an exponent or trailing zeros."""
    return format(_EXACT.normalize(value), "f")


def number(value: Any) -> Decimal | None:
    """`value` as a decimal, or None when it is not a number, or more than there is of anything.

    Takes what Pulumi hands over: ints, floats (every number of a policy pack is one) and digit strings.
    """
    found = _decimal(value)
    return found if found is not None and found.is_finite() and abs(found) < _TOO_MANY else None


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float):
        # repr is the shortest text that reads back as the same float: 0.1 stays 0.1.
        return Decimal(repr(value))
    if isinstance(value, str):
        try:
            return Decimal(value.strip())
        except InvalidOperation:
            return None
    return None
