"""Feature views: the declaration that FeatureStore writes, read and checked.

The declaration's format is in docs/components.md. Keys unknown here are left alone, so that the
declaration can grow without breaking jobs of an older image.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from platform_jobs.errors import JobError
from platform_jobs.hashing import sha256

if TYPE_CHECKING:
    from platform_jobs.aws import Clients
    from platform_jobs.settings import S3Location

TYPES: Final = ("string", "int", "float", "bool", "timestamp")
NUMERIC: Final = ("int", "float")
DUPLICATES: Final = ("quarantine", "fail")
DEFAULT_BAD_FRACTION: Final = 0.05


@dataclass(frozen=True)
class Field:
    """One column of a view. `minimum` and `maximum` are inclusive."""

    name: str
    type: str
    nullable: bool = False
    max_null_fraction: float = 1.0
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[Any, ...] | None = None
    label: bool = False


@dataclass(frozen=True)
class View:
    """A feature view as declared."""

    name: str
    join_keys: tuple[str, ...]
    event_time: str
    fields: tuple[Field, ...]
    ttl_days: float | None
    max_bad_fraction: float | None
    duplicates: str
    version: str
    """Hash of the declaration: what a version of data or model was made under."""

    @property
    def features(self) -> tuple[Field, ...]:
        """The fields that models may take as input: all but labels."""
        return tuple(field for field in self.fields if not field.label)

    @property
    def labels(self) -> tuple[Field, ...]:
        """The outcomes to predict."""
        return tuple(field for field in self.fields if field.label)

    @property
    def columns(self) -> tuple[Field, ...]:
        """Every column of the view's tables: join keys, event time, fields."""
        keys = tuple(Field(name, "string") for name in self.join_keys)
        return (*keys, Field(self.event_time, "timestamp"), *self.fields)


def parse_view(declaration: Mapping[str, Any]) -> View:
    """A view from its declaration.

    Raises:
        JobError: reason `bad-declaration`, naming everything that is wrong.
    """
    problems: list[str] = []
    name = _text(declaration, "name", problems)
    keys = _names(declaration, "joinKeys", problems)
    event_time = _text(declaration, "eventTime", problems)
    raw_fields = declaration.get("fields")
    if not isinstance(raw_fields, Sequence) or not raw_fields:
        problems.append("fields must be a list of at least one field")
        raw_fields = []
    # Join keys and the event time may be listed as fields too: they are columns already.
    own = [event_time, *keys]
    fields = [
        _field(item, index, problems)
        for index, item in enumerate(raw_fields)
        if not (isinstance(item, Mapping) and item.get("name") in own)
    ]
    names = [*own, *(field.name for field in fields)]
    twice = sorted({item for item in names if item and names.count(item) > 1})
    problems.extend(f"column {item!r} is declared twice" for item in twice)
    duplicates = declaration.get("duplicates", "quarantine")
    if duplicates not in DUPLICATES:
        problems.append(f"duplicates={duplicates!r} must be one of {', '.join(DUPLICATES)}")
    ttl = _number(declaration, "ttlDays", "ttlDays", problems)
    bad = _number(declaration, "maxBadFraction", "maxBadFraction", problems, low=0, high=1)
    if problems:
        raise JobError(
            "bad-declaration",
            f"the declaration of view {name or '?'} is wrong: {'; '.join(problems)}",
        )
    return View(
        name=name,
        join_keys=keys,
        event_time=event_time,
        fields=tuple(fields),
        ttl_days=ttl,
        max_bad_fraction=bad,
        duplicates=duplicates,
        version=declaration_version(declaration),
    )


def declaration_version(declaration: Mapping[str, Any]) -> str:
    """A short hash of a declaration's content, whatever the order of its keys."""
    text = json.dumps(declaration, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode())[:16]


def load_view(clients: "Clients", prefix: "S3Location", name: str) -> View:
    """Reads `<prefix><name>.json`.

    Raises:
        JobError: reason `no-declaration` or `bad-declaration`.
    """
    bucket = clients.bucket(prefix.bucket)
    key = f"{prefix.prefix}{name}.json"
    body = bucket.get(key)
    if body is None:
        raise JobError(
            "no-declaration",
            f"feature view {name} is not declared: {bucket.uri(key)} is not there; "
            "add it to the stack's views and deploy",
        )
    try:
        declaration = json.loads(body)
    except ValueError:
        declaration = None
    if not isinstance(declaration, dict):
        raise JobError("bad-declaration", f"{bucket.uri(key)} is not a JSON object")
    return parse_view(declaration)


def load_views(clients: "Clients", prefix: "S3Location", names: Iterable[str]) -> list[View]:
    """Reads several views, in the order given."""
    return [load_view(clients, prefix, name) for name in names]


def _text(source: Mapping[str, Any], key: str, problems: list[str]) -> str:
    value = source.get(key)
    if not isinstance(value, str) or not value:
        problems.append(f"{key} must be a name")
        return ""
    return value


def _names(source: Mapping[str, Any], key: str, problems: list[str]) -> tuple[str, ...]:
    value = source.get(key)
    if (
        not isinstance(value, Sequence)
        or isinstance(value, str)
        or not value
        or not all(isinstance(item, str) and item for item in value)
    ):
        problems.append(f"{key} must be a list of at least one name")
        return ()
    return tuple(value)


def _number(
    source: Mapping[str, Any],
    key: str,
    path: str,
    problems: list[str],
    *,
    low: float = -math.inf,
    high: float = math.inf,
) -> float | None:
    value = source.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        problems.append(
            f"{path}={value!r} must be a number" + (f" from {low} to {high}" if high == 1 else "")
        )
        return None
    return value


def _field(item: Any, index: int, problems: list[str]) -> Field:
    if not isinstance(item, Mapping) or not isinstance(item.get("name"), str) or not item["name"]:
        problems.append(f"fields[{index}] must be an object with a name")
        return Field("", "string")
    name = item["name"]
    kind = item.get("type")
    if kind not in TYPES:
        problems.append(f"field {name}: type={kind!r} must be one of {', '.join(TYPES)}")
        kind = "string"
    minimum = _number(item, "min", f"field {name}: min", problems)
    maximum = _number(item, "max", f"field {name}: max", problems)
    if minimum is not None and maximum is not None and minimum > maximum:
        problems.append(f"field {name}: min={minimum} is above max={maximum}")
    if (minimum is not None or maximum is not None) and kind not in NUMERIC:
        problems.append(f"field {name}: min and max are for int and float, not {kind}")
    allowed = item.get("allowed")
    if allowed is not None and (not isinstance(allowed, Sequence) or isinstance(allowed, str) or not allowed):
        problems.append(f"field {name}: allowed must be a list of at least one value")
        allowed = None
    share = _number(item, "maxNullFraction", f"field {name}: maxNullFraction", problems, low=0, high=1)
    return Field(
        name=name,
        type=kind,
        # A bound on the share of missing values makes no sense for a column that may have none.
        nullable=bool(item.get("nullable", share is not None)),
        max_null_fraction=1.0 if share is None else share,
        minimum=minimum,
        maximum=maximum,
        allowed=None if allowed is None else tuple(allowed),
        label=bool(item.get("label", False)),
    )
