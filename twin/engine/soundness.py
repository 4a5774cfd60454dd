"""Whether a document is a deployment that may be worked with; if not, every reason."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from twin.engine import urns
from twin.wire import SECRET

VERSION: Final = 3
"""The one version of Pulumi's deployment format that is read and written."""
_KINDS: Final[Mapping[str, type]] = {
    "urn": str,
    "type": str,
    "custom": bool,
    "id": str,
    "parent": str,
    "provider": str,
    "inputs": dict,
    "outputs": dict,
    "dependencies": list,
    "propertyDependencies": dict,
    "protect": bool,
    "external": bool,
    "delete": bool,
    "pendingReplacement": bool,
    "retainOnDelete": bool,
    "deletedWith": str,
    "customTimeouts": dict,
}


def check(document: Any, stack: str | None = None) -> list[str]:
    """Every reason why a document is not a deployment to work with; empty when it is sound.

    Stricter than the CLI's import, which takes missing ids, dates and dependencies: a state that is wrong
    here would be acted on.
    """
    if not isinstance(document, dict) or "version" not in document:
        return ["the document is not a Pulumi deployment: it has no `version`"]
    if document["version"] != VERSION:
        return [f"deployment version {document['version']!r}: only version {VERSION} is read"]
    body = document.get("deployment")
    if not isinstance(body, dict):
        return ["the document has no `deployment`"]
    problems = [
        f"`{name}` is not an object"
        for name in ("manifest", "secrets_providers", "metadata")
        if not isinstance(body.get(name) or {}, dict)
    ]
    for name in ("resources", "pending_operations"):
        listed = body.get(name) or []
        if not isinstance(listed, list) or not all(isinstance(raw, dict) for raw in listed):
            problems.append(f"`{name}` is not a list of objects")
    if problems:
        return problems
    manifest = body.get("manifest") or {}
    magic = sha256(str(manifest.get("version", "")).encode()).hexdigest()
    if manifest.get("magic") and manifest["magic"] != magic:
        problems.append("the manifest's magic does not fit its version: the document was damaged or edited")
    provider = body.get("secrets_providers") or {}
    if provider and provider.get("type") != "passphrase":
        problems.append(f"secrets provider {provider.get('type')!r}: only `passphrase` is read")
    resources = body.get("resources") or []
    if not provider and SECRET in json.dumps(resources) and '"ciphertext"' in json.dumps(resources):
        problems.append("secrets are encrypted, but `secrets_providers` does not say how")
    problems += _check_resources(resources, stack)
    for index, operation in enumerate(body.get("pending_operations") or []):
        where = f"pending_operations[{index}]"
        if not isinstance(operation.get("resource"), dict) or not isinstance(operation.get("type"), str):
            problems.append(f"{where} is not an operation")
        else:
            problems += _check_shape(operation["resource"], f"{where}.resource")
    return problems


def _check_resources(resources: list[dict[str, Any]], stack: str | None) -> list[str]:
    problems: list[str] = []
    seen: set[str] = set()
    everywhere = {raw["urn"] for raw in resources if isinstance(raw.get("urn"), str)}
    for index, raw in enumerate(resources):
        where = f"resources[{index}]"
        misshapen = _check_shape(raw, where)
        if misshapen:
            problems += misshapen
            continue
        urn = raw["urn"]
        parsed = urns.Urn.parse(urn)
        if raw.get("type") != parsed.type:
            problems.append(f"{where}: type {raw.get('type')!r} is not the URN's {parsed.type!r}")
        if stack is not None and parsed.stack != stack:
            problems.append(f"{where}: belongs to stack {parsed.stack!r}, not {stack!r}")
        if raw.get("custom") and not raw.get("id") and not raw.get("pendingReplacement"):
            problems.append(f"{where}: {urn} has no id")
        if not raw.get("delete"):
            if urn in seen:
                problems.append(f"{where}: {urn} stands twice")
            seen.add(urn)
        needs = [raw.get("parent"), *(raw.get("dependencies") or ())]
        reference = raw.get("provider")
        if reference:
            needs.append(urns.split_reference(reference)[0])
        for need in needs:
            if need and need not in seen:
                missing = "which is not in the state" if need not in everywhere else "which stands after it"
                problems.append(f"{where}: {urn} depends on {need}, {missing}")
    return problems


def _check_shape(raw: Mapping[str, Any], where: str) -> list[str]:
    """What of a record is not of the kind that it must be."""
    problems = [
        f"{where}: `{name}` is {raw[name]!r}, which is no {kind.__name__}"
        for name, kind in _KINDS.items()
        if raw.get(name) is not None and not isinstance(raw[name], kind)
    ]
    if isinstance(raw.get("dependencies"), list) and not all(isinstance(u, str) for u in raw["dependencies"]):
        problems.append(f"{where}: `dependencies` is not a list of URNs")
    try:
        urns.Urn.parse(raw["urn"] if isinstance(raw.get("urn"), str) else "")
    except ValueError:
        problems.append(f"{where}: {raw.get('urn')!r} is not a URN")
    try:
        if raw.get("provider"):
            urns.split_reference(str(raw["provider"]))
    except ValueError as error:
        problems.append(f"{where}: {error}")
    return problems
