"""Renews `openapi/`: the schemas that Kubernetes publishes, and the enumerations that it does not."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from twin.kubernetes.renewal.modules import download, without_descriptions

_FOLDER: Final = Path(__file__).parents[1] / "openapi"
_PUBLISHED: Final = "api/openapi-spec/v3"
_GENERATED: Final = "pkg/generated/openapi/zz_generated.openapi.go"
_SERVED: Final = re.compile(r"^apis?__(?P<name>.+)_openapi\.json$")
_OBJECT: Final = re.compile(
    r"^/apis?/(?:[^/]+/)?[^/]+/(?P<scope>namespaces/\{namespace\}/)?(?P<plural>[^/{]+)$"
)
_INTERNAL: Final = "internal.apiserver.k8s.io"
_FUNCTION: Final = re.compile(r"^func schema_k8sio_api_([a-z0-9]+)_(v[0-9a-z]+)_(\w+)\(")
_PROPERTY: Final = re.compile(r'^\t{5}"([^"]+)": \{$')
_ENUM: Final = re.compile(r"^(\t+)Enum: +\[\]interface\{\}\{(.*)\},$")
_OF_PROPERTY: Final = 7
"""Tabs before an enumeration of the property itself; one of a list's items stands deeper."""

Enumerations = Mapping[str, Mapping[str, tuple[bool, list[str]]]]
"""Schema → property → (of the items, values)."""


def renew() -> int:
    """Writes every group and version that has kinds. Returns how many there are."""
    source = json.loads((_FOLDER / "source.json").read_text())
    folder = download(source["module"], source["version"])
    enumerations = _enumerations((folder / _GENERATED).read_text().splitlines())
    for old in _FOLDER.glob("*__*.json"):
        old.unlink()
    count = 0
    for path in sorted((folder / _PUBLISHED).glob("*.json")):
        named = _SERVED.match(path.name)
        if named is None or _INTERNAL in path.name:
            continue
        document = json.loads(path.read_text())
        schemas = document.get("components", {}).get("schemas", {})
        kinds = dict(sorted(_kinds(document["paths"], schemas)))
        if not kinds:
            continue
        content = {"kinds": kinds, "schemas": _with_enumerations(without_descriptions(schemas), enumerations)}
        group, _, version = named["name"].rpartition("__")
        text = json.dumps(content, separators=(",", ":"), sort_keys=True)
        (_FOLDER / f"{group or 'core'}__{version}.json").write_text(text + "\n")
        count += 1
    return count


def _kinds(paths: Mapping[str, Any], schemas: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Kind → where the server serves it: what can be created, at the path of its list."""
    by_kind = {
        (item["group"], item["version"], item["kind"]): name
        for name, schema in schemas.items()
        for item in schema.get("x-kubernetes-group-version-kind", ())
    }
    for path, operations in paths.items():
        found = _OBJECT.match(path)
        post = operations.get("post", {})
        told = post.get("x-kubernetes-group-version-kind")
        if found is None or told is None:
            continue
        schema = by_kind.get((told["group"], told["version"], told["kind"]))
        if schema is not None:
            yield (
                told["kind"],
                {"plural": found["plural"], "namespaced": bool(found["scope"]), "schema": schema},
            )


def _enumerations(lines: list[str]) -> Enumerations:
    """The enumerations of the generated Go, which the published schemas leave out."""
    found: dict[str, dict[str, tuple[bool, list[str]]]] = defaultdict(dict)
    schema = name = ""
    for line in lines:
        if function := _FUNCTION.match(line):
            schema = "io.k8s.api." + ".".join(function.groups())
        elif line.startswith("func "):
            schema = ""
        elif named := _PROPERTY.match(line):
            name = named[1]
        elif (enum := _ENUM.match(line)) and schema:
            found[schema][name] = (len(enum[1]) > _OF_PROPERTY, json.loads(f"[{enum[2]}]"))
    return found


def _with_enumerations(schemas: dict[str, Any], enumerations: Enumerations) -> dict[str, Any]:
    for schema, properties in enumerations.items():
        for name, (of_items, values) in properties.items():
            described = schemas.get(schema, {}).get("properties", {}).get(name)
            if described is not None and of_items:
                described = described.get("items", described.get("additionalProperties"))
            if described is not None:
                described["enum"] = values
    return schemas
