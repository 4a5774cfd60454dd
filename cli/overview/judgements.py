"""What jobs that judge a model's answers left (docs/jobs.md): groups, explanations, business figures."""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from cli.overview.facts import (
    BiasHistory,
    Explanation,
    Figure,
    Form,
    Group,
    Importance,
    VariantWorth,
    Worth,
)
from cli.overview.results import BROKEN, Result, Stored, number, read
from components.watch import metrics

_FIGURES: Final = (
    ("conversionRate", metrics.CONVERSION_RATE, "conversion", Form.SHARE, "no conversion was told"),
    ("retentionRate", metrics.RETENTION_RATE, "retention", Form.SHARE, "no retention was told"),
    (
        "revenuePerPrediction",
        metrics.REVENUE_PER_PREDICTION,
        "revenue of a prediction",
        Form.DOLLARS,
        "no revenue was told",
    ),
    (
        "",
        metrics.COST_PER_THOUSAND,
        "cost of 1,000 predictions",
        Form.DOLLARS,
        "no prediction, or no known price of what serves it",
    ),
    ("returnOnCost", metrics.RETURN_ON_COST, "return on cost", Form.TIMES, "no revenue, or no known cost"),
)
"""What declarations call it, the metric, what people call it, and why there may be nothing."""


def bias_history(
    stored: Iterable[Stored], *, attribute: str, limit: float | None
) -> tuple[BiasHistory | None, tuple[str, ...]]:
    """What the `bias` job found of an attribute's groups, and what could not be read; None if it never ran.

    Args:
        stored: Its results; those of another attribute are left out.
        attribute: The declared one.
        limit: The widest gap that is declared fine.
    """
    results, unreadable = read(stored, _check_bias)
    results = [result for result in results if result.told["attribute"] == attribute]
    if not results:
        return None, unreadable
    newest = results[-1].told
    shares: Mapping[str, Any] = newest.get("told") or {}
    sizes = {**newest["groups"], **newest["small"]}
    found = BiasHistory(
        attribute=attribute,
        limit=limit,
        ends=tuple(result.end for result in results),
        disparity=tuple(number(result.told.get("disparity")) for result in results),
        parity=number(newest.get("demographic_parity")),
        odds=number(newest.get("equalised_odds")),
        positive=str(newest.get("positive") or ""),
        groups=tuple(Group(str(name), int(size), number(shares.get(name))) for name, size in sizes.items()),
    )
    return found, unreadable


def explanation(body: bytes | None, before: bytes | None) -> Explanation | None:
    """A version's explanation, beside that of the version before it; None where it has none.

    Raises:
        ValueError: the body is no explanation. One that is none of the version before is as good as none.
    """
    if body is None:
        return None
    try:
        earlier = {} if before is None else {item.feature: item.mean for item in _parsed(before).importances}
    except BROKEN:
        earlier = {}
    try:
        found = _parsed(body)
    except BROKEN:
        raise ValueError("no result of the job explain") from None
    importances = tuple(replace(item, before=earlier.get(item.feature)) for item in found.importances)
    agreement = _agreement([(item.mean, item.before) for item in importances])
    return replace(found, importances=importances, agreement=agreement)


def worth(
    stored: Iterable[Stored], *, floors: Mapping[str, float | None], most_usd: float | None
) -> tuple[Worth | None, tuple[str, ...]]:
    """What the `kpis` job found, and what could not be read; None if it never ran.

    Args:
        stored: Its results.
        floors: Declared figure → the least that is good, if that is declared.
        most_usd: What 1,000 predictions may cost, if that is declared.
    """
    results, unreadable = read(stored, _check_worth)
    if not results:
        return None, unreadable
    figures = tuple(
        Figure(
            name=spoken,
            form=form,
            values=tuple(number(result.told.get(metric.name)) for result in results),
            limit=floors.get(declared) if declared else most_usd,
            less_is_good=not declared,
            missing=missing,
        )
        for declared, metric, spoken, form, missing in _FIGURES
    )
    found = Worth(
        ends=tuple(result.end for result in results),
        predictions=tuple(int(result.told["predictions"]) for result in results),
        figures=figures,
        variants=_variants(results[-1]),
    )
    return found, unreadable


def _variants(newest: Result) -> tuple[VariantWorth, ...]:
    found = []
    for name, told in sorted(newest.told["variants"].items()):
        revenue, predictions = number(told.get("revenue")), int(told["predictions"])
        each = None if revenue is None or not predictions else revenue / predictions
        found.append(
            VariantWorth(
                str(name),
                predictions,
                number(told.get("conversion_rate")),
                number(told.get("retention_rate")),
                each,
            )
        )
    return tuple(found)


def _parsed(body: bytes) -> Explanation:
    """One explanation by itself. Raises one of `BROKEN`."""
    told = json.loads(body)
    found = []
    for item in told["importances"]:
        mean, deviation = number(item["mean"]), number(item["deviation"])
        if not isinstance(item["feature"], str) or mean is None or deviation is None or deviation < 0:
            raise ValueError("an importance is none")
        found.append(Importance(item["feature"], mean, deviation))
    score = number(told["score"])
    if score is None:
        raise ValueError("the score is no number")
    return Explanation(
        metric=str(told["metric"]),
        score=score,
        rows=int(told["rows"]),
        same_data=told["trained_on_this_data"] is True,
        importances=tuple(sorted(found, key=lambda item: (-item.mean, item.feature))),
    )


def _agreement(pairs: Sequence[tuple[float, float | None]]) -> float | None:
    """Spearman's rank correlation of two explanations; None with fewer than three features in common."""
    both = [(now, then) for now, then in pairs if then is not None]
    if len(both) < 3:
        return None
    try:
        return statistics.correlation(*(_ranks(values) for values in zip(*both, strict=True)))
    except statistics.StatisticsError:  # all of one rank
        return None


def _ranks(values: Sequence[float]) -> list[float]:
    """Places by size; equal values share the middle of theirs."""
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2
        for value in values
    ]


def _check_bias(told: Mapping[str, Any]) -> None:
    if not isinstance(told["attribute"], str):
        raise TypeError("the attribute is no name")
    for size in (*told["groups"].values(), *told["small"].values()):
        int(size)
    for share in (told.get("told") or {}).values():
        known = number(share)
        if known is None or not 0 <= known <= 1:
            raise ValueError("a share is none")


def _check_worth(told: Mapping[str, Any]) -> None:
    int(told["predictions"])
    for variant in told["variants"].values():
        int(variant["predictions"])
