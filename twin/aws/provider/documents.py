"""JSON documents in properties: comparing them by meaning, and checking IAM policies as AWS does."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from twin.providers.problems import Problems

_LISTS: Final = frozenset({"Action", "NotAction", "Resource", "NotResource"})
_STATEMENT_KEYS: Final = frozenset(
    {
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Condition",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
    }
)
_ACCOUNT: Final = re.compile(r"^\d{12}$")
_ROOT: Final = re.compile(r"^arn:[\w-]+:iam::(\d{12}):root$")
_ACTION: Final = re.compile(r"^(\*|[\w-]+:[\w*?-]+)$")


def dump(document: Any) -> str:
    """The document as compact text in the order given."""
    return json.dumps(document, separators=(",", ":"))


def parse(text: Any) -> Any:
    """The JSON object or list that a text holds; None if it holds none."""
    if isinstance(text, dict | list):
        return text
    if not isinstance(text, str) or text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except ValueError:
        return None


def same(left: Any, right: Any) -> bool:
    """Whether two texts are JSON documents that mean the same."""
    first, second = parse(left), parse(right)
    if first is None or second is None:
        return False
    return bool(normalised(first) == normalised(second))


def normalised(document: Any) -> Any:
    """The document without IAM's freedoms of notation: one item for a list of one, any order."""
    if isinstance(document, Mapping) and "Statement" in document:
        statements = document["Statement"]
        statements = statements if isinstance(statements, list) else [statements]
        return {
            **{key: value for key, value in document.items() if key != "Statement"},
            "Statement": [_statement(item) for item in statements],
        }
    return document


def _statement(statement: Any) -> Any:
    if not isinstance(statement, Mapping):
        return statement
    result: dict[str, Any] = {}
    for key, value in statement.items():
        if key == "Sid" and value == "":
            continue
        if key in _LISTS:
            result[key] = _set(value)
        elif key in ("Principal", "NotPrincipal"):
            result[key] = _principal(value)
        elif key == "Condition" and isinstance(value, Mapping):
            result[key] = {
                operator: {name: _set(items) for name, items in tests.items()}
                for operator, tests in value.items()
                if isinstance(tests, Mapping)
            }
        else:
            result[key] = value
    return result


def _set(value: Any) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return sorted({json.dumps(item) if not isinstance(item, str) else item for item in items})


def _principal(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return {"AWS": ["*"]} if value == "*" else value
    result = {}
    for kind, names in value.items():
        items = names if isinstance(names, list) else [names]
        result[kind] = sorted({_ROOT.sub(r"\1", str(name)) if kind == "AWS" else str(name) for name in items})
    return result


def check_policy(text: Any, path: str, problems: Problems, *, resource_policy: bool = False) -> None:
    """Notes what AWS would refuse in a policy document."""
    document = parse(text)
    if document is None:
        if isinstance(text, str | dict):
            problems.add(path, "is not a JSON object", "give an IAM policy document as JSON")
        return
    if not isinstance(document, dict) or "Statement" not in document:
        problems.add(path, "has no Statement", 'give {"Version": "2012-10-17", "Statement": […]}')
        return
    if document.get("Version", "2012-10-17") not in ("2012-10-17", "2008-10-17"):
        problems.add(path, f"Version {document['Version']!r} does not exist", 'use "2012-10-17"')
    statements = document["Statement"]
    for place, statement in enumerate(statements if isinstance(statements, list) else [statements]):
        _check_statement(statement, f"Statement[{place}]", path, problems, resource_policy)


def _check_statement(
    statement: Any, place: str, path: str, problems: Problems, resource_policy: bool
) -> None:
    if not isinstance(statement, dict):
        problems.add(path, f"{place} is not an object", "give Effect, Action and Resource")
        return
    for key in sorted(set(statement) - _STATEMENT_KEYS):
        problems.add(path, f"{place} has the unknown key {key!r}", "leave it out")
    if statement.get("Effect") not in ("Allow", "Deny"):
        problems.add(path, f"{place}.Effect is {statement.get('Effect')!r}", 'use "Allow" or "Deny"')
    actions = statement.get("Action", statement.get("NotAction"))
    if actions is None:
        problems.add(path, f"{place} has no Action", "give Action or NotAction")
    for action in actions if isinstance(actions, list) else [actions] if actions else []:
        if isinstance(action, str) and not _ACTION.match(action):
            problems.add(path, f"{place}: {action!r} is no action", "write service:Action")
    principal = "Principal" in statement or "NotPrincipal" in statement
    if resource_policy and not principal:
        problems.add(path, f"{place} has no Principal", "a resource's policy names who may act")
    if not resource_policy:
        if principal:
            problems.add(path, f"{place} has a Principal", "an identity's policy must not name one")
        if "Resource" not in statement and "NotResource" not in statement:
            problems.add(path, f"{place} has no Resource", "give Resource or NotResource")
