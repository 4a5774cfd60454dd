"""Plain inputs are checked first; every problem is told at once, with its path, its value and the remedy."""

import difflib
import re
import typing
from collections.abc import Collection, Mapping
from typing import Any, Final

import pulumi
from pulumi.errors import InputPropertyErrorDetails

NAME: Final = re.compile(r"(?=.{1,63}$)[a-z][a-z0-9]*(-[a-z0-9]+)*")
"""Names of models and jobs, as SageMaker and Batch agree on them."""

NAME_REMEDY: Final = "must be lower case letters, digits and single hyphens, and start with a letter"

COLUMN: Final = re.compile(r"^[a-z_][a-z0-9_]{0,126}$")
"""Names of columns, as Glue, Athena and Parquet agree on them."""


class Problems:
    """Collects what is wrong with a component's plain inputs; outputs are not known yet."""

    def __init__(self, component: str, name: str) -> None:
        self._component = component
        self._name = name
        self._found: list[InputPropertyErrorDetails] = []

    def add(self, path: str, value: object, remedy: str) -> None:
        """One problem."""
        self._found.append({"property_path": path, "reason": f"{_shown(value)}: {remedy}"})

    def shape(self, args: object, shape: type) -> bool:
        """Required keys are there and no key is unknown, at every depth; whether that holds."""
        before = len(self._found)
        self._shape("", args, shape)
        return len(self._found) == before

    def matches(self, path: str, value: object, pattern: re.Pattern[str], remedy: str) -> None:
        """A plain text matches the whole pattern."""
        if isinstance(value, str) and not pattern.fullmatch(value):
            self.add(path, value, remedy)

    def between(self, path: str, value: object, low: float, high: float, unit: str = "") -> None:
        """A plain number lies in a closed range."""
        if isinstance(value, int | float) and not isinstance(value, bool) and not low <= value <= high:
            self.add(path, value, f"must be from {low:g} to {high:g}{unit and ' ' + unit}")

    def one_of(self, path: str, value: object, choices: Collection[str]) -> None:
        """A plain text is one of the choices."""
        if isinstance(value, str) and value not in choices:
            self.add(path, value, f"must be one of {', '.join(sorted(choices))}{_suggestion(value, choices)}")

    def distinct(self, path: str, values: list[str]) -> None:
        """No value stands there twice."""
        for index, value in enumerate(values):
            if value in values[:index]:
                self.add(f"{path}[{index}]", value, "stands there twice; names must differ")

    def raise_if_any(self) -> None:
        """Raises all problems as one `pulumi.InputPropertiesError`."""
        if not self._found:
            return
        lines = [f"  {problem['property_path']}: {problem['reason']}" for problem in self._found]
        raise pulumi.InputPropertiesError(
            f"{self._component} {self._name!r} has {len(lines)} bad input{'s' if len(lines) > 1 else ''}:\n"
            + "\n".join(lines),
            self._found,
        )

    def _shape(self, path: str, value: object, shape: Any) -> None:
        shape = _unwrapped(shape)
        if typing.get_origin(shape) is list and isinstance(value, list):
            for index, item in enumerate(value):
                self._shape(f"{path}[{index}]", item, typing.get_args(shape)[0])
        if not typing.is_typeddict(shape):
            return
        if not isinstance(value, Mapping):
            self.add(path, value, f"must be an object with the keys of {shape.__name__}")
            return
        # Not get_type_hints: it would look up the names inside `pulumi.Input`, which are not ours.
        hints = shape.__annotations__
        for key in sorted(set(value) - set(hints)):
            self.add(_joined(path, key), value[key], f"is no input{_suggestion(str(key), hints)}")
        for key in hints:
            if key in value:
                self._shape(_joined(path, key), value[key], hints[key])
            elif key in shape.__required_keys__:
                self.add(_joined(path, key), None, "is required")


def _joined(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _unwrapped(shape: Any) -> Any:
    while typing.get_origin(shape) in (typing.NotRequired, typing.Required):
        shape = typing.get_args(shape)[0]
    return shape


def _shown(value: object) -> str:
    return (
        "missing" if value is None else repr(value) if not isinstance(value, pulumi.Output) else "an output"
    )


def _suggestion(word: str, choices: Collection[str]) -> str:
    close = difflib.get_close_matches(word, sorted(choices), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
