"""Confidence sequences: intervals for a rate that are right at every look at once.

An ordinary 95 % interval is right at one look that was fixed beforehand; whoever looks again each minute, and
stops when they like what they see, is wrong far more often than one time in twenty. These may be looked at
after every request, for ever.

Method: the likelihood ratio of the rate p against a Beta(1/2, 1/2) mixture of rates is a martingale of mean 1
if p is the truth, so by Ville's inequality it ever exceeds 1/error with a probability of at most `error`; the
rates that it has not exceeded are the interval (H. Robbins, "Statistical methods related to the law of the
iterated logarithm", 1970; for counts: M. Lindon and A. Malek, "Anytime-valid inference for multinomial count
data", NeurIPS 2022, used there for canaries). Exact for every number of trials, for rates near 0 too.
It takes the events as independent with one rate: count an entity once if its answers repeat.

By Python's own mathematics: the model loop's function has no libraries.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

_PRIOR: Final = 0.5
_SMALLEST: Final = 1e-15
_HALVINGS: Final = 60
"""Of an interval within 0 and 1: to the precision of a float."""


@dataclass(frozen=True)
class Interval:
    """The values that are not ruled out, ends included."""

    low: float
    high: float

    def minus(self, other: "Interval") -> "Interval":
        """The differences that are not ruled out, where neither is."""
        return Interval(self.low - other.high, self.high - other.low)


def rate(events: int, trials: int, error: float) -> Interval:
    """The rates that are not ruled out by `events` of `trials`.

    Args:
        events: How often it happened; from 0 to `trials`.
        trials: How often it could have.
        error: Probability that the interval misses the true rate at any look at all; between 0 and 1.
    """
    if not 0 <= events <= trials:
        raise ValueError(f"{events} events of {trials} trials cannot be")
    if not 0 < error < 1:
        raise ValueError(f"the error rate must be between 0 and 1, not {error}")
    mixture = _log_beta(_PRIOR + events, _PRIOR + trials - events) - _log_beta(_PRIOR, _PRIOR)
    bound = -math.log(error)

    def is_ruled_out(p: float) -> bool:
        likelihood = events * math.log(p) + (trials - events) * math.log1p(-p)
        return mixture - likelihood > bound

    middle = events / trials if trials else 0.5
    low, high = 0.0, 1.0
    if events > 0 and is_ruled_out(_SMALLEST):
        low = _edge(is_ruled_out, _SMALLEST, middle)
    if events < trials and is_ruled_out(1 - _SMALLEST):
        high = _edge(is_ruled_out, 1 - _SMALLEST, middle)
    return Interval(low, high)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _edge(is_ruled_out: Callable[[float], bool], outside: float, inside: float) -> float:
    """Where the interval ends: what is ruled out ends once between the two."""
    for _ in range(_HALVINGS):
        middle = (outside + inside) / 2
        if is_ruled_out(middle):
            outside = middle
        else:
            inside = middle
    return inside
