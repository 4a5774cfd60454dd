"""A real data set to try the platform with: scikit-learn's breast cancer measurements (569 samples).

`python -m platform_jobs demo-data` writes it as a CSV that `ingest` takes: an id, an event time, the 30
measurements and the outcome. `--bad-rows` adds rows such as real sources send, for the quality gate to find.
"""

import argparse
import csv
import datetime
import io
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

VIEW: Final = "cell_measurements"
KEY: Final = "sample_id"
EVENT_TIME: Final = "measured_at"
LABEL: Final = "malignant"
DAYS: Final = 28
"""The measurements are spread over the days before the anchor."""


def columns() -> list[str]:
    """The measurements' names, in snake case."""
    return [name.replace(" ", "_") for name in _bunch().feature_names]


def samples(anchor: datetime.date | None = None) -> list[dict[str, Any]]:
    """The data set's rows; the same anchor gives the same rows.

    Args:
        anchor: the day after the last measurement. Default: today (UTC), so that the features are fresh.
    """
    bunch = _bunch()
    end = datetime.datetime.combine(
        anchor or datetime.datetime.now(datetime.UTC).date(), datetime.time(), datetime.UTC
    )
    step = datetime.timedelta(seconds=DAYS * 24 * 3600 // len(bunch.data))
    names = columns()
    rows = []
    for number, (values, target) in enumerate(zip(bunch.data, bunch.target, strict=True)):
        measured = end - step * (len(bunch.data) - number)
        rows.append(
            {
                KEY: f"s{number + 1:04d}",
                EVENT_TIME: measured.isoformat().replace("+00:00", "Z"),
                **{name: float(value) for name, value in zip(names, values, strict=True)},
                LABEL: int(target == 0),  # scikit-learn: 0 is malignant
            }
        )
    return rows


def with_bad_rows(rows: list[dict[str, Any]], count: int, seed: int = 7) -> list[dict[str, Any]]:
    """The rows with `count` bad ones among them, of the kinds that sources really send."""
    chance = random.Random(seed)  # noqa: S311 - repeatable data, not a secret
    result = [dict(row) for row in rows]
    for number in range(count):
        row = dict(chance.choice(rows))
        row[KEY] = f"x{number + 1:04d}"
        _DEFECTS[number % len(_DEFECTS)](row)
        result.insert(chance.randrange(len(result) + 1), row)
    return result


def _negative(row: dict[str, Any]) -> None:
    row["mean_radius"] = -abs(row["mean_radius"])


def _not_a_number(row: dict[str, Any]) -> None:
    row["mean_texture"] = "n/a"


def _missing(row: dict[str, Any]) -> None:
    row["mean_area"] = ""


def _wrong_label(row: dict[str, Any]) -> None:
    row[LABEL] = 9


def _no_key(row: dict[str, Any]) -> None:
    row[KEY] = ""


def _bad_time(row: dict[str, Any]) -> None:
    row[EVENT_TIME] = "31/12/2025 25:00"


def _shifted_comma(row: dict[str, Any]) -> None:
    row["mean_perimeter"] = str(row["mean_perimeter"]).replace(".", ",")


_DEFECTS: Final = (_negative, _not_a_number, _missing, _wrong_label, _no_key, _bad_time, _shifted_comma)


def declaration() -> dict[str, Any]:
    """The feature view of the data set, as FeatureStore would write it."""
    fields: list[dict[str, Any]] = [{"name": name, "type": "float", "min": 0} for name in columns()]
    fields.append({"name": LABEL, "type": "int", "allowed": [0, 1], "label": True})
    return {
        "name": VIEW,
        "entity": "sample",
        "joinKeys": [KEY],
        "eventTime": EVENT_TIME,
        "ttlDays": 365,
        "retentionDays": 730,
        "fields": fields,
    }


def to_csv(rows: list[dict[str, Any]]) -> str:
    """The rows as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write(path: Path, *, anchor: datetime.date | None = None, bad_rows: int = 0) -> Path:
    """Writes the data set to a file."""
    path.write_text(to_csv(with_bad_rows(samples(anchor), bad_rows)), encoding="utf-8")
    return path


def _bunch() -> Any:
    from sklearn.datasets import load_breast_cancer

    return load_breast_cancer()


def main(argv: Sequence[str]) -> int:
    """`demo-data [--bad-rows N] [--anchor DATE] [FILE]`: without a file, to stdout."""
    parser = argparse.ArgumentParser(prog="platform_jobs demo-data", description=__doc__)
    parser.add_argument("--bad-rows", type=int, default=0, metavar="N", help="bad rows to add")
    parser.add_argument(
        "--anchor", type=datetime.date.fromisoformat, help="day after the last measurement; default today"
    )
    parser.add_argument("file", nargs="?", type=Path, help="default: stdout")
    arguments = parser.parse_args(argv)
    if arguments.file:
        write(arguments.file, anchor=arguments.anchor, bad_rows=arguments.bad_rows)
    else:
        sys.stdout.write(to_csv(with_bad_rows(samples(arguments.anchor), arguments.bad_rows)))
    return 0
