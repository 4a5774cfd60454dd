"""What jobs that watch data, drift and accuracy left (docs/jobs.md), as the page shows it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from cli.overview.facts import Distribution, DriftHistory, DriftLine, Measure, ViewFacts
from cli.overview.results import Result, Stored, number, read

DEFAULT_THRESHOLD: Final = 0.2
"""docs/jobs.md, `STAGECRAFT_DRIFT_THRESHOLD`."""


def drift_history(stored: Iterable[Stored], *, threshold: float | None) -> DriftHistory | None:
    """What the `drift` job found; None if it never ran.

    Args:
        stored: Its results.
        threshold: The declared one; default: what the newest result was measured by.
    """
    results, unreadable = read(stored, _check_drift)
    if not results and not unreadable:
        return None
    measured = float(results[-1].told.get("threshold", DEFAULT_THRESHOLD)) if results else DEFAULT_THRESHOLD
    return DriftHistory(
        ends=tuple(result.end for result in results),
        predictions=tuple(int(result.told["predictions"]) for result in results),
        threshold=measured if threshold is None else threshold,
        features=_lines(results, "features"),
        answers=_lines(results, "answers"),
        unreadable=unreadable,
    )


def measures(
    stored: Iterable[Stored], *, names: Mapping[str, str], declared: str | None, limit: float | None
) -> tuple[tuple[Measure, ...], tuple[str, ...]]:
    """What the `accuracy` job found, the declared measure first; and what could not be read.

    Args:
        stored: Its results.
        names: What declarations call a measure, where results call it something else.
        declared: The measure that is declared.
        limit: What of it is declared good enough.
    """
    results, unreadable = read(stored, _check_measures)
    windows = [
        {names.get(name, name): value for name, value in result.told["measures"].items()}
        for result in results
    ]
    shown = sorted({name for window in windows for name in window}, key=lambda name: (name != declared, name))
    found = tuple(
        Measure(
            name,
            tuple(number(window.get(name)) for window in windows),
            limit if name == declared else None,
        )
        for name in shown
    )
    return found, unreadable


def view_facts(name: str, stored: Iterable[Stored]) -> tuple[ViewFacts, tuple[str, ...]]:
    """What the `silent-failures` job found last; and what could not be read."""
    results, unreadable = read(stored, _check_health)
    if not results:
        return ViewFacts(name), unreadable
    newest, told = results[-1], results[-1].told
    problems = [
        f"{word}: {', '.join(map(str, told.get(key) or ()))}"
        for key, word in (
            ("constant", "constant"),
            ("appeared", "new columns"),
            ("disappeared", "lost columns"),
            ("retyped", "changed type"),
        )
        if told.get(key)
    ]
    facts = ViewFacts(
        name,
        newest.end,
        int(told["rows"]),
        number(told.get("usual_rows")),
        number(told.get("age_seconds")),
        tuple(problems),
    )
    return facts, unreadable


def _check_drift(told: Mapping[str, Any]) -> None:
    int(told["predictions"])
    for column in (*told["features"], *told["answers"]):
        if not isinstance(column["name"], str) or number(column["drift"]) is None:
            raise ValueError("a column has no drift")
        counts = [column[key] for key in ("bins", "reference", "current")]
        if len({len(each) for each in counts}) != 1:
            raise ValueError("a column's counts are of different bins")
        if not all(
            (number(count) or 0.0) >= 0 and number(count) is not None for count in counts[1] + counts[2]
        ):
            raise ValueError("a count is no number of rows")


def _check_measures(told: Mapping[str, Any]) -> None:
    if not all(number(value) is not None for value in told["measures"].values()):
        raise ValueError("a measure is no number")


def _check_health(told: Mapping[str, Any]) -> None:
    int(told["rows"])


def _lines(results: Sequence[Result], key: str) -> tuple[DriftLine, ...]:
    by_window = [{column["name"]: column for column in result.told[key]} for result in results]
    names = sorted({name for columns in by_window for name in columns})
    lines = []
    for name in names:
        columns = [window.get(name) for window in by_window]
        said = [column for column in columns if column is not None]
        lines.append(
            DriftLine(
                name,
                tuple(None if column is None else float(column["drift"]) for column in columns),
                _distribution(said[-1]),
            )
        )
    # What the newest window says nothing of comes last.
    return tuple(sorted(lines, key=lambda line: (-1.0 if line.last is None else line.last) * -1))


def _distribution(column: Mapping[str, Any]) -> Distribution:
    return Distribution(
        tuple(str(name) for name in column["bins"]), _shares(column["reference"]), _shares(column["current"])
    )


def _shares(counts: Sequence[float]) -> tuple[float, ...]:
    whole = sum(counts)
    return tuple(count / whole if whole else 0.0 for count in counts)
