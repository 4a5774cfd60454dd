"""How far a distribution is from its reference: the population stability index, and what chance adds to it.

The index (PSI) is the sum over bins of (q - p) · ln(q / p): 0 for equal distributions; by a convention of
credit scoring 0.1 is worth a look and 0.2 a change (N. Siddiqi, Credit Risk Scorecards, 2006). It never is 0
for samples: where both come from one distribution, PSI · n·m / (n + m) follows a chi-squared distribution
with a degree of freedom less than there are bins (B. Yurdakul, J. Naranjo, Statistical properties of the
population stability index, 2020). So a fixed threshold cries wolf in small windows. `drift` takes away what
chance explains, and is compared with the same threshold whatever the window's size. See docs/adr/0011.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from scipy.stats import chi2

THRESHOLD: Final = 0.2
"""Above it a distribution counts as changed, unless the model's declaration says otherwise."""
FEWEST_ROWS: Final = 100
"""Below it a window says nothing."""
CHANCE: Final = 0.99
"""The share of windows without drift in which chance is to explain all of the index."""
_FEWEST_EXPECTED: Final = 5
_SMOOTHING: Final = 0.5
"""Added to each bin, so that an empty one has a logarithm."""


@dataclass(frozen=True)
class Shift:
    """How far a window is from the reference."""

    index: float
    """The population stability index as counted."""
    chance: float
    """What of it chance explains at these numbers of rows."""

    @property
    def drift(self) -> float:
        """What chance does not explain; 0 is none."""
        return max(0.0, self.index - self.chance)


def compare(reference: Any, current: Any) -> Shift:
    """The shift between two counts over the same bins.

    Bins in which the window would have fewer than five rows are taken together: there the chi-squared
    distribution does not hold.

    Raises:
        ValueError: the counts are of different bins, or of no rows.
    """
    then, now = np.asarray(reference, dtype=float), np.asarray(current, dtype=float)
    if then.shape != now.shape or not then.sum() or not now.sum():
        raise ValueError("both counts must be over the same bins and hold rows")
    seldom = then / then.sum() * now.sum() < _FEWEST_EXPECTED
    then, now = _pooled(then, seldom), _pooled(now, seldom)
    if len(then) == 1:
        return Shift(0.0, 0.0)
    expected = (then + _SMOOTHING) / (then + _SMOOTHING).sum()
    actual = (now + _SMOOTHING) / (now + _SMOOTHING).sum()
    index = float(np.sum((actual - expected) * np.log(actual / expected)))
    chance = float(chi2.ppf(CHANCE, len(then) - 1)) * (1 / then.sum() + 1 / now.sum())
    return Shift(index, chance)


def _pooled(counts: Any, seldom: Any) -> Any:
    if not seldom.any():
        return counts
    return np.append(counts[~seldom], counts[seldom].sum())
