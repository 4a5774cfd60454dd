"""Kubernetes' quantities (`500m`, `64Gi`, `1e3`), by its whole grammar."""

import re
from decimal import Decimal
from typing import Any, Final

_GRAMMAR: Final = re.compile(
    r"^([+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)|[eE]([+-]?\d+))?$"
)
_FACTORS: Final = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", start=1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", start=1)},
}


def parse(value: Any) -> Decimal | None:
    """The number that a quantity stands for; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    found = _GRAMMAR.match(str(value))
    if found is None:
        return None
    number, suffix, exponent = found.groups()
    if exponent is not None:
        return Decimal(f"{number}e{exponent}")
    return Decimal(number) * _FACTORS.get(suffix or "", Decimal(1))
