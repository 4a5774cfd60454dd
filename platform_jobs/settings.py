"""Settings come from environment variables, as typed dataclasses that name every problem at once."""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_type_hints
from urllib.parse import urlsplit

from platform_jobs.errors import SettingsError

_Settings = TypeVar("_Settings")


@dataclasses.dataclass(frozen=True)
class Env:
    """Annotates a settings field: the variable it is read from, and how; `parse` raises ValueError.

    A field without a default is required.
    """

    name: str
    parse: Callable[[str], Any] = str


def load(settings: type[_Settings], environ: Mapping[str, str] | None = None) -> _Settings:
    """Reads a settings dataclass, every field of which is `Annotated[type, Env(...)]`.

    An empty variable counts as missing.

    Raises:
        SettingsError: with one line for each missing or wrong variable.
    """
    source = os.environ if environ is None else environ
    hints = get_type_hints(settings, include_extras=True)
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field in dataclasses.fields(settings):  # type: ignore[arg-type]  # any dataclass
        variable = next(item for item in hints[field.name].__metadata__ if isinstance(item, Env))
        text = source.get(variable.name, "").strip()
        if not text:
            if field.default is dataclasses.MISSING:
                problems.append(f"{variable.name} is not set")
            continue
        try:
            values[field.name] = variable.parse(text)
        except ValueError as error:
            problems.append(f"{variable.name}={_shown(text)}: {error}")
    if problems:
        raise SettingsError(problems)
    return settings(**values)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")


def positive_int(text: str) -> int:
    """A whole number of at least 1."""
    try:
        value = int(text)
    except ValueError:
        raise ValueError("expected a whole number") from None
    if value < 1:
        raise ValueError("expected a whole number of at least 1")
    return value


def fraction(text: str) -> float:
    """A number from 0 to 1."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError("expected a number from 0 to 1, such as 0.05") from None
    if not 0 <= value <= 1:
        raise ValueError("expected a number from 0 to 1, such as 0.05")
    return value


def positive_float(text: str) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        raise ValueError("expected a number above 0") from None
    if not 0 < value < float("inf"):
        raise ValueError("expected a number above 0")
    return value


def not_negative(text: str) -> float:
    """A number of at least 0."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < float("inf"):
        raise ValueError("expected a number of at least 0")
    return value


def http_url(text: str) -> str:
    """An `http://` address within the network.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(text)
    if parts.scheme != "http" or not parts.hostname or parts.username:
        raise ValueError("expected http://host:port/path, without credentials")
    return text


def truth(text: str) -> bool:
    """`true` or `false`."""
    if text not in {"true", "false"}:
        raise ValueError("expected true or false")
    return text == "true"


def name_list(text: str) -> tuple[str, ...]:
    """A JSON list of at least one name, none of them twice."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, list) or not value or not all(isinstance(item, str) and item for item in value):
        raise ValueError('expected a JSON list of names, such as ["customer_activity"]')
    if len(set(value)) != len(value):
        raise ValueError("names a value twice")
    return tuple(value)


def name_map(text: str) -> dict[str, str]:
    """A JSON object from name to name."""
    value = _json_object(text)
    if not all(isinstance(item, str) and item for item in value.values()):
        raise ValueError('expected a JSON object of names, such as {"customer_activity": "table"}')
    return value


def number_map(text: str) -> dict[str, float]:
    """A JSON object from name to number."""
    value = _json_object(text)
    if not all(isinstance(item, int | float) and not isinstance(item, bool) for item in value.values()):
        raise ValueError('expected a JSON object of numbers, such as {"f1": 0.8}')
    return {name: float(item) for name, item in value.items()}


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError("expected a JSON object")
    return value


def one_of(*choices: str) -> Callable[[str], str]:
    """One of the named choices."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return text

    return parse


@dataclasses.dataclass(frozen=True)
class S3Location:
    """A bucket and a key prefix; the prefix is empty or ends with a slash."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, text: str) -> "S3Location":
        """Reads `s3://bucket/prefix/`."""
        bucket, _, prefix = text.removeprefix("s3://").partition("/")
        if not text.startswith("s3://") or not bucket:
            raise ValueError("expected s3://<bucket>/<prefix>/")
        return cls(bucket, prefix.rstrip("/") + "/" if prefix.strip("/") else "")
