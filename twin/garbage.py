"""Processes that import the SDKs, moto or botocore hold a million objects that stay."""

import gc
from typing import Final

_COLLECT_AFTER: Final = 100_000
"""Objects made, less those freed, before garbage is looked for."""


def collect_seldom() -> None:
    """Leaves what is there alone, and looks for garbage seldom.

    At the usual threshold a quarter of a program's time went into looking through modules again and again.
    """
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)
