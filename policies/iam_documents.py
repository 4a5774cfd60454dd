"""Reading IAM policy documents in whatever form: text or object, one statement or many, scalar or list."""

import fnmatch
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from policies.values import UNKNOWN, CannotJudge

_TRAILING_COMMA: Final = re.compile(r",(\s*[\]}])")


@dataclass(frozen=True)
class Statement:
    """One statement; every list is a tuple of strings, however it was written."""

    effect: str
    sid: str = ""
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    principals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Kind (`AWS`, `Service`, `Federated`; `*` for a bare star) → names."""
    not_principals: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    """Operator → key (lower case) → values."""

    @property
    def allows(self) -> bool:
        """Whether it grants."""
        return self.effect.lower() == "allow"

    @property
    def denies(self) -> bool:
        """Whether it forbids."""
        return self.effect.lower() == "deny"

    @property
    def label(self) -> str:
        """Its name in messages."""
        return f"statement {self.sid!r}" if self.sid else "a statement"

    def condition_values(self, key: str, *operators: str) -> list[str]:
        """The values a condition key is held to, under these operators (lower case; none: under any)."""
        return [
            value
            for operator, keys in self.conditions.items()
            if not operators or base_operator(operator) in operators
            for name, values in keys.items()
            if name == key.lower()
            for value in values
        ]

    def covers_action(self, action: str) -> bool:
        """Whether it speaks of this action (`service:Name`)."""
        if self.not_actions:
            return not any(matches(action, pattern) for pattern in self.not_actions)
        return any(matches(action, pattern) for pattern in self.actions)

    @property
    def everyone(self) -> bool:
        """Whether its principal is anyone at all: `*`, `{"AWS": "*"}`, or all but some."""
        if self.not_principals:
            return True
        return "*" in self.principals.get("*", ()) or "*" in self.principals.get("AWS", ())


def base_operator(operator: str) -> str:
    """A condition operator without its set prefix and `IfExists`, in lower case."""
    plain = operator.lower().rpartition(":")[2]
    return plain.removesuffix("ifexists")


def matches(text: str, pattern: str) -> bool:
    """IAM's own wildcards, without regard to case."""
    return fnmatch.fnmatchcase(text.lower(), pattern.lower().replace("[", "[[]"))


def statements(document: Any, path: str) -> tuple[Statement, ...]:
    """The statements of a document.

    Raises:
        CannotJudge: It is not known, or no policy document.
    """
    if document is None or document == "":
        return ()
    if document is UNKNOWN:
        raise CannotJudge(f"{path} is not known yet")
    if isinstance(document, str):
        parsed = _parse(document)
        if isinstance(parsed, str):
            raise CannotJudge(f"{path} is no policy document: {parsed}")
        return parsed
    return tuple(_read(document, path))


@lru_cache(maxsize=2048)
def _parse(text: str) -> tuple[Statement, ...] | str:
    """A document's statements, or what is wrong with it. Kept, because many rules read the same document."""
    try:
        return tuple(_read(_loads(text), "it"))
    except CannotJudge as error:
        return error.because
    except RecursionError:
        return "it is nested too deep"
    except ValueError as error:
        return f"it is not JSON ({error})"


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        # Written by hand, often with a comma too many; what it means is clear all the same.
        return json.loads(_TRAILING_COMMA.sub(r"\1", text))


def _read(document: Any, path: str) -> Iterator[Statement]:
    if isinstance(document, list):
        items: Iterable[Any] = document
    elif isinstance(document, dict):
        entry = _field(document, "Statement", "Statements")
        items = entry if isinstance(entry, list) else [] if entry is None else [entry]
    else:
        raise CannotJudge(f"{path} is a {type(document).__name__} where a policy document belongs")
    for item in items:
        if isinstance(item, dict):
            yield _statement(item, path)
        elif item is UNKNOWN:
            raise CannotJudge(f"a statement of {path} is not known yet")
        else:
            raise CannotJudge(f"a statement of {path} is a {type(item).__name__} where an object belongs")


def _statement(item: Mapping[str, Any], path: str) -> Statement:
    return Statement(
        effect=str(_field(item, "Effect") or "Allow"),
        sid=str(_field(item, "Sid") or ""),
        actions=_strings(_field(item, "Action", "Actions"), path),
        not_actions=_strings(_field(item, "NotAction", "NotActions"), path),
        resources=_strings(_field(item, "Resource", "Resources"), path),
        not_resources=_strings(_field(item, "NotResource", "NotResources"), path),
        principals=_principals(_field(item, "Principal", "Principals"), path),
        not_principals=_principals(_field(item, "NotPrincipal", "NotPrincipals"), path),
        conditions=_conditions(_field(item, "Condition", "Conditions"), path),
    )


def _field(item: Mapping[str, Any], *names: str) -> Any:
    """IAM's keys are capitalised; objects made by a program may spell them in lower camel case."""
    for name in names:
        for spelling in (name, name[0].lower() + name[1:]):
            if item.get(spelling) is not None:
                return item[spelling]
    return None


def _strings(value: Any, path: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if value is UNKNOWN:
        raise CannotJudge(f"part of {path} is not known yet")
    if isinstance(value, list):
        return tuple(text for item in value for text in _strings(item, path))
    if isinstance(value, dict):
        # A template function that nobody resolved, such as {"Fn::Sub": "…"}: what it stands for is its text.
        return tuple(text for item in value.values() for text in _strings(item, path))
    if isinstance(value, bool):
        return ("true" if value else "false",)
    return (str(value),)


def _principals(value: Any, path: str) -> dict[str, tuple[str, ...]]:
    if value is None:
        return {}
    if isinstance(value, dict):
        return {str(kind): _strings(names, path) for kind, names in value.items()}
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        # As get_policy_document spells it: [{type, identifiers}].
        merged: dict[str, tuple[str, ...]] = {}
        for item in value:
            kind = str(_field(item, "Type") or "*")
            merged[kind] = merged.get(kind, ()) + _strings(_field(item, "Identifiers"), path)
        return merged
    return {"*": _strings(value, path)}


def _conditions(value: Any, path: str) -> dict[str, dict[str, tuple[str, ...]]]:
    if value is None:
        return {}
    if value is UNKNOWN:
        raise CannotJudge(f"a condition of {path} is not known yet")
    if not isinstance(value, dict):
        raise CannotJudge(f"a condition of {path} is a {type(value).__name__} where an object belongs")
    return {
        str(operator): {str(key).lower(): _strings(values, path) for key, values in keys.items()}
        for operator, keys in value.items()
        if isinstance(keys, dict)
    }
