"""Money in US dollars: exact decimals, rounded to the cent once per bill line and never again."""

import math
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
    """`value` as a finite decimal, or None when it is not a number.

    Takes what Pulumi hands over: ints, floats (every number of a policy pack is one) and digit strings.
    """
    if isinstance(value, Decimal):
        return value if value.is_finite() else None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float):
        # repr is the shortest text that reads back as the same float: 0.1 stays 0.1.
        return Decimal(repr(value)) if math.isfinite(value) else None
    if isinstance(value, str):
        try:
            parsed = Decimal(value.strip())
        except InvalidOperation:
            return None
        return parsed if parsed.is_finite() else None
    return None
