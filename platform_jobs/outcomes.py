"""The outcome log: what became of predictions, as JSON lines in the artifacts bucket.

A label that came true, a conversion, a customer kept, money earned. It lies by the hour in which the thing
happened, next to the prediction log; docs/jobs.md describes the format for everyone who writes it.
"""

import datetime
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from platform_jobs import times
from platform_jobs.hashing import sha256
from platform_jobs.prediction_log import hour_folder

if TYPE_CHECKING:
    from platform_jobs.aws import Bucket

FORMAT: Final = 1
LABEL: Final = "label"
CONVERSION: Final = "conversion"
RETENTION: Final = "retention"
REVENUE: Final = "revenue"
KINDS: Final = (LABEL, CONVERSION, RETENTION, REVENUE)
_KNOWN: Final = ("format", "id", "at", "kind", "prediction", "entity", "label", "value")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One thing that happened after a prediction."""

    at: datetime.datetime
    """When it happened."""
    kind: str
    """One of `KINDS`."""
    prediction: str | None = None
    """The id of the prediction that it belongs to; or else `entity`."""
    entity: Mapping[str, str] | None = None
    """Join key → value; it belongs to the entity's last prediction before it."""
    label: str | None = None
    """For `label`: the class that came true, as text."""
    value: float | None = None
    """For `label` of a regression the amount, for `retention` 1 or 0, for `revenue` US dollars."""
    id: str = ""
    """What makes it one and the same if it is told twice. Default: a hash of the rest."""

    def to_line(self) -> bytes:
        """The outcome as one line, with its end."""
        known = self if self.id else replace(self, id=self._hash())
        return json.dumps(known._plain(), separators=(",", ":"), sort_keys=True).encode() + b"\n"

    def _hash(self) -> str:
        return sha256(json.dumps(self._plain(), sort_keys=True).encode())[:32]

    def _plain(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "id": self.id,
            "at": times.iso(self.at),
            "kind": self.kind,
            "prediction": self.prediction,
            "entity": None if self.entity is None else dict(self.entity),
            "label": self.label,
            "value": self.value,
        }


def prefix(model: str) -> str:
    """Artifacts bucket: the outcomes of a model's predictions."""
    return f"outcomes/{model}/"


def write(bucket: "Bucket", model: str, outcomes: Iterable[Outcome]) -> list[str]:
    """Writes outcomes, one object an hour, named by content: told twice, it is there once."""
    bodies: dict[str, list[bytes]] = {}
    for outcome in outcomes:
        bodies.setdefault(hour_folder(prefix(model), outcome.at), []).append(outcome.to_line())
    keys = []
    for place in sorted(bodies):
        body = b"".join(bodies[place])
        keys.append(f"{place}{sha256(body)[:32]}.jsonl")
        bucket.put(keys[-1], body, content_type="application/jsonl")
    return keys


def class_text(value: Any) -> str:
    """A class as the logs' readers compare it: texts as they are, others as JSON spells them."""
    return value if isinstance(value, str) else json.dumps(value)


def parse(value: Any) -> Outcome:
    """An outcome from a JSON object.

    Raises:
        ValueError: with everything that is wrong with it, in one line.
    """
    if not isinstance(value, dict):
        raise ValueError("is not a JSON object")
    problems: list[str] = []
    unknown = [name for name in value if name not in _KNOWN]
    if unknown:
        problems.append(f"{', '.join(unknown)}: no such field; there are {', '.join(_KNOWN)}")
    if value.get("format", FORMAT) != FORMAT:
        problems.append(f"format={value['format']!r} must be {FORMAT}")
    kind = value.get("kind")
    if kind not in KINDS:
        problems.append(f"kind={kind!r} must be one of {', '.join(KINDS)}")
    found = Outcome(
        at=_time(value.get("at"), problems),
        kind=str(kind),
        prediction=_reference(value, problems),
        entity=_entity(value, problems),
        label=_label(value, problems),
        value=_amount(value, problems),
        id=str(value.get("id") or ""),
    )
    if problems:
        raise ValueError("; ".join(problems))
    return found


def _time(value: Any, problems: list[str]) -> datetime.datetime:
    try:
        return times.parse(str(value))
    except ValueError as error:
        problems.append(f"at={value!r}: {error}")
        return datetime.datetime.now(datetime.UTC)


def _reference(value: Mapping[str, Any], problems: list[str]) -> str | None:
    found = value.get("prediction")
    if (found is None) == (value.get("entity") is None):
        problems.append("name either the prediction's id in `prediction` or join keys in `entity`")
    elif found is not None and not (isinstance(found, str) and found):
        problems.append("prediction must be the id that came with the answer")
    return found


def _entity(value: Mapping[str, Any], problems: list[str]) -> dict[str, str] | None:
    found = value.get("entity")
    if found is None:
        return None
    if not isinstance(found, dict) or not found or not all(isinstance(item, str) for item in found.values()):
        problems.append("entity must be an object of join keys, each with a text")
        return None
    return found


def _label(value: Mapping[str, Any], problems: list[str]) -> str | None:
    found = value.get("label")
    if found is None:
        if value.get("kind") == LABEL and value.get("value") is None:
            problems.append("a label needs `label` (a class) or `value` (an amount)")
        return None
    if value.get("kind") != LABEL:
        problems.append(f"`label` goes with kind {LABEL} only")
    if not isinstance(found, str | int | bool):
        problems.append(f"label={found!r} must be a class: a text, a whole number, true or false")
    return class_text(found)


def _amount(value: Mapping[str, Any], problems: list[str]) -> float | None:
    kind, found = value.get("kind"), value.get("value")
    if found is None:
        if kind in {RETENTION, REVENUE}:
            problems.append(f"{kind} needs a `value`")
        return None
    if isinstance(found, bool):
        found = int(found)
    if not isinstance(found, int | float) or found != found or abs(found) == float("inf"):  # noqa: PLR0124
        problems.append(f"value={found!r} must be a number")
        return None
    if kind == RETENTION and found not in {0, 1}:
        problems.append(f"value={found!r} must be 1 (kept) or 0 (lost)")
    return float(found)


def parse_lines(text: str, source: str) -> tuple[list[Outcome], list[str]]:
    """The outcomes of JSON lines, and what is wrong with the others, each with its place."""
    found: list[Outcome] = []
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            found.append(parse(json.loads(line)))
        except ValueError as error:
            cause = "is not JSON" if isinstance(error, json.JSONDecodeError) else str(error)
            problems.append(f"{source}, line {number}: {cause}")
    return found, problems
