"""`aws.iam.get_policy_document`: statements and other documents put together, as AWS's provider does it."""

import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from twin.providers.problems import Problems, index

_VERSION: Final = "2012-10-17"
_FIELDS: Final = frozenset(
    {
        "actions",
        "conditions",
        "effect",
        "notActions",
        "notPrincipals",
        "notResources",
        "principals",
        "resources",
        "sid",
    }
)

Statement = dict[str, Any]


def policy_document(arguments: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """The document as JSON, indented and minified, with the function's arguments.

    The statements of the sources come first; a statement given here takes the place of a source's with the
    same sid; an override takes the place of any with its sid, else it comes last.
    """
    sources = list(arguments.get("sourcePolicyDocuments") or ())
    if arguments.get("sourceJson"):
        sources.append(arguments["sourceJson"])
    overrides = list(arguments.get("overridePolicyDocuments") or ())
    if arguments.get("overrideJson"):
        overrides.append(arguments["overrideJson"])

    document: dict[str, Any] = {"Version": _VERSION, "Statement": []}
    for place, text in enumerate(sources):
        parsed = _parsed(text, index("sourcePolicyDocuments", place), problems)
        _merge(document, parsed, problems, unique=index("sourcePolicyDocuments", place))
    own: dict[str, Any] = {
        "Statement": [
            _statement(each, index("statements", place), problems)
            for place, each in enumerate(arguments.get("statements") or ())
        ]
    }
    _check_unique(own["Statement"], problems)
    if arguments.get("version"):
        own["Version"] = arguments["version"]
    if arguments.get("policyId"):
        own["Id"] = arguments["policyId"]
    _merge(document, own, problems)
    for place, text in enumerate(overrides):
        _merge(document, _parsed(text, index("overridePolicyDocuments", place), problems), problems)

    ordered = {
        key: document[key] for key in ("Version", "Id", "Statement") if document.get(key) not in (None, [])
    }
    text = json.dumps(ordered, indent=2, ensure_ascii=False)
    return {
        **arguments,
        "version": document["Version"],
        "json": text,
        "minifiedJson": json.dumps(ordered, separators=(",", ":"), ensure_ascii=False),
        "id": str(zlib.crc32(text.encode())),
    }


def _parsed(text: Any, path: str, problems: Problems) -> dict[str, Any]:
    if not text:
        return {}
    try:
        document = json.loads(text)
    except (TypeError, ValueError):
        document = None
    if not isinstance(document, dict):
        problems.add(path, "is not a JSON object", "give a policy document as JSON")
        return {}
    statements = document.get("Statement") or []
    return {**document, "Statement": statements if isinstance(statements, list) else [statements]}


def _merge(
    document: dict[str, Any], other: Mapping[str, Any], problems: Problems, *, unique: str = ""
) -> None:
    for key in ("Version", "Id"):
        if other.get(key):
            document[key] = other[key]
    statements: list[Statement] = document["Statement"]
    for statement in other.get("Statement", ()):
        sid = statement.get("Sid")
        place = next((i for i, each in enumerate(statements) if sid and each.get("Sid") == sid), None)
        if place is None:
            statements.append(statement)
        elif unique:
            problems.add(unique, f"the sid {sid!r} is in an earlier source too", "give each its own sid")
        else:
            statements[place] = statement


def _check_unique(statements: Iterable[Statement], problems: Problems) -> None:
    seen = set()
    for place, statement in enumerate(statements):
        sid = statement.get("Sid")
        if sid and sid in seen:
            problems.add(f"statements[{place}].sid", f"{sid!r} is used twice", "give each its own sid")
        seen.add(sid)


def _statement(given: Mapping[str, Any], path: str, problems: Problems) -> Statement:
    for name in sorted(set(given) - _FIELDS):
        problems.add(f"{path}.{name}", "there is no such field", f"known: {', '.join(sorted(_FIELDS))}")
    effect = given.get("effect") or "Allow"
    if effect not in ("Allow", "Deny"):
        problems.add(f"{path}.effect", f"{effect!r} is not allowed", "use Allow or Deny")
    statement: Statement = {
        "Sid": given.get("sid"),
        "Effect": effect,
        "Action": _one_or_many(given.get("actions")),
        "NotAction": _one_or_many(given.get("notActions")),
        "Resource": _one_or_many(_variables(given.get("resources"))),
        "NotResource": _one_or_many(_variables(given.get("notResources"))),
        "Principal": _principals(given.get("principals")),
        "NotPrincipal": _principals(given.get("notPrincipals")),
        "Condition": _conditions(given.get("conditions")),
    }
    return {key: value for key, value in statement.items() if value not in (None, "", {}, [])}


def _variables(texts: Iterable[str] | None) -> list[str]:
    """`&{…}` stands for `${…}`, which the program's language would take for its own."""
    return [text.replace("&{", "${") for text in texts or ()]


def _one_or_many(items: Iterable[str] | None) -> Any:
    """One item as a text; more in the order in which AWS's provider writes them: descending."""
    found = sorted(set(items or ()), reverse=True)
    return found[0] if len(found) == 1 else found


def _principals(given: Iterable[Mapping[str, Any]] | None) -> Any:
    found: dict[str, list[str]] = {}
    for each in given or ():
        found.setdefault(each["type"], []).extend(_variables(each["identifiers"]))
    if found == {"*": ["*"]}:
        return "*"
    return {kind: _one_or_many(names) for kind, names in sorted(found.items())}


def _conditions(given: Iterable[Mapping[str, Any]] | None) -> dict[str, Any]:
    found: dict[str, dict[str, list[str]]] = {}
    for each in given or ():
        values = found.setdefault(each["test"], {}).setdefault(each["variable"], [])
        values.extend(_variables(each["values"]))
    return {
        test: {
            variable: items[0] if len(items) == 1 else list(dict.fromkeys(items))
            for variable, items in sorted(tests.items())
        }
        for test, tests in sorted(found.items())
    }
