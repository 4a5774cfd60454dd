"""Functions of the provider: what the SDK's YAML components call."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import yaml


def decode(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`kubernetes:yaml:decode`: the objects of a YAML text, lists taken apart.

    Raises:
        ValueError: it is no YAML, or holds something that is no object.
    """
    text = str(arguments.get("text") or "")
    namespace = arguments.get("defaultNamespace")
    try:
        documents = list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise ValueError(f"text: is no YAML: {' '.join(str(error).split())}") from error
    found = list(_objects(documents))
    for place, item in enumerate(found):
        for name in ("apiVersion", "kind"):
            if not isinstance(item.get(name), str):
                raise ValueError(f"text: object {place + 1} has no {name}; give one")
        if namespace:
            item["metadata"] = {"namespace": namespace, **(item.get("metadata") or {})}
    return {"result": found}


def _objects(documents: list[Any]) -> Iterator[dict[str, Any]]:
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, dict):
            raise ValueError(f"text: {document!r} is no object of Kubernetes")
        if str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
            yield from _objects(document["items"])
        else:
            yield document


FUNCTIONS: Final[Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]]] = {
    "kubernetes:yaml:decode": decode
}
