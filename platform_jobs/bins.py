"""Bins that a distribution is counted in: learnt once from reference data, then filled a chunk at a time.

Counting needs a pass over the data and a few numbers of memory, however many rows there are. The last bin is
always that of missing values, so a burst of them is a change like any other.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Counts = np.ndarray[tuple[int], np.dtype[np.int64]]

PARTS: Final = 10
"""Bins of a number, of about equally many reference rows each."""
MOST_CATEGORIES: Final = 30
"""Categories that have bins of their own, the most frequent ones; all others share one, new ones too."""


@dataclass(frozen=True)
class NumberBins:
    """Bin `i` holds `edges[i - 1] < value <= edges[i]`; the first and the last are open."""

    edges: tuple[float, ...]

    @classmethod
    def learn(cls, column: Any) -> "NumberBins":
        """Edges at the deciles. A value that fills a whole part by itself gets a bin of its own."""
        values = _numbers(column)
        values = values[np.isfinite(values)]
        if not len(values):
            return cls(())
        shares = np.arange(1, PARTS) / PARTS
        # An edge is a value that occurs, so that equal values stay together.
        found = np.quantile(values, shares, method="inverted_cdf")
        unique, times = np.unique(found, return_counts=True)
        below = np.nextafter(unique[times > 1], -np.inf)
        return cls(tuple(np.unique(np.concatenate([unique, below])).tolist()))

    @property
    def size(self) -> int:
        """Number of bins, with that of missing values."""
        return len(self.edges) + 2

    def count(self, column: Any) -> Counts:
        """How many values of an Arrow column fall into each bin."""
        values = _numbers(column)
        missing = np.isnan(values)
        places = np.searchsorted(np.asarray(self.edges), values[~missing], side="left")
        counts = np.bincount(places, minlength=self.size)
        counts[-1] = int(missing.sum())
        return counts.astype(np.int64)

    def names(self) -> list[str]:
        """What each bin holds, for people."""
        if not self.edges:
            return ["any", "missing"]
        texts = [f"{edge:.6g}" for edge in self.edges]
        inner = [f"{low} … {high}" for low, high in itertools.pairwise(texts)]
        return [f"up to {texts[0]}", *inner, f"above {texts[-1]}", "missing"]

    def to_json(self) -> dict[str, Any]:
        """For `bins_of`."""
        return {"kind": "number", "edges": list(self.edges)}


@dataclass(frozen=True)
class CategoryBins:
    """A bin for each value, one for all others, one for missing ones."""

    values: tuple[str, ...]

    @classmethod
    def learn(cls, column: Any) -> "CategoryBins":
        """The most frequent values; of equally frequent ones the first by name."""
        counted = pc.value_counts(_texts(column).drop_null()).to_pylist()
        counted.sort(key=lambda item: (-item["counts"], item["values"]))
        return cls(tuple(sorted(item["values"] for item in counted[:MOST_CATEGORIES])))

    @property
    def size(self) -> int:
        """Number of bins, with that of other and of missing values."""
        return len(self.values) + 2

    def count(self, column: Any) -> Counts:
        """How many values of an Arrow column fall into each bin."""
        texts = _texts(column)
        places = pc.index_in(texts, value_set=pa.array(self.values, pa.string()))
        known = places.drop_null().to_numpy(zero_copy_only=False)
        counts = np.bincount(known, minlength=self.size)
        counts[-1] = texts.null_count
        counts[-2] = len(texts) - len(known) - texts.null_count
        return counts.astype(np.int64)

    def names(self) -> list[str]:
        """What each bin holds, for people."""
        return [*self.values, "other", "missing"]

    def to_json(self) -> dict[str, Any]:
        """For `bins_of`."""
        return {"kind": "category", "values": list(self.values)}


Bins = NumberBins | CategoryBins


def learn(kind: str, column: Any) -> Bins:
    """Bins for values of a view's type (`string`, `int`, `float`, `bool`)."""
    return NumberBins.learn(column) if kind in {"int", "float"} else CategoryBins.learn(column)


def bins_of(value: Mapping[str, Any]) -> Bins:
    """Bins as `to_json` wrote them."""
    if value["kind"] == "number":
        return NumberBins(tuple(value["edges"]))
    return CategoryBins(tuple(value["values"]))


def _flat(column: Any) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _numbers(column: Any) -> Any:
    return _flat(column).cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def _texts(column: Any) -> Any:
    return _flat(column).cast(pa.string())
