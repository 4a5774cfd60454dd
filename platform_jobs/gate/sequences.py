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
"""

import math
from dataclasses import dataclass
from typing import Final

from scipy.optimize import brentq
from scipy.special import betaln, xlog1py, xlogy

_PRIOR: Final = 0.5
_SMALLEST: Final = 1e-15


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
    mixture = betaln(_PRIOR + events, _PRIOR + trials - events) - betaln(_PRIOR, _PRIOR)
    bound = -math.log(error)

    def excess(p: float) -> float:
        likelihood = xlogy(events, p) + xlog1py(trials - events, -p)
        return float(mixture - likelihood - bound)

    middle = events / trials if trials else 0.5
    low, high = 0.0, 1.0
    if events > 0 and excess(_SMALLEST) > 0:
        low = float(brentq(excess, _SMALLEST, middle, xtol=1e-12))
    if events < trials and excess(1 - _SMALLEST) > 0:
        high = float(brentq(excess, middle, 1 - _SMALLEST, xtol=1e-12))
    return Interval(low, high)
