"""Writes `schema.json`: what pulumi_aws says of each resource type that the provider emulates.

A development tool: `python -m twin.aws.provider.schema_generator`. Importing pulumi_aws takes long and
its Python classes are not meant for validation, so the provider reads this extract instead: property names,
types, which are required, which AWS chooses when they are left out, which the documentation says force a
replacement, which outputs are secret.
"""

import ast
import enum
import importlib
import inspect
import json
import re
import sys
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pulumi
import pulumi_aws
from pulumi import _types as sdk_types

TARGET: Final = Path(__file__).with_name("schema.json")
_REPLACES: Final = re.compile(
    r"forces (?:the )?(?:creation of )?(?:a )?(?:new resource|replacement|new)|forces? new resource",
    re.IGNORECASE,
)
_CONDITIONAL: Final = re.compile(
    r"to an empty string forces|after it has been|subsequent disabling", re.IGNORECASE
)
_SECRETS: Final = re.compile(r"additional_secret_outputs=\[([^\]]*)\]")
_SCALARS: Final[Mapping[Any, str]] = {str: "string", int: "integer", float: "number", bool: "boolean"}


class Generator:
    """Collects the types reachable from the resources it is asked for."""

    def __init__(self) -> None:
        self.types: dict[str, Any] = {}
        self._modules = _resource_modules()

    def resource(self, token: str) -> dict[str, Any]:
        """The description of one resource type."""
        module_name, class_name = self._modules[token]
        module = importlib.import_module(module_name)
        resource = getattr(module, class_name)
        source = inspect.getmodule(resource)
        if source is None:
            raise TypeError(f"{token}: its class has no module")
        # The name with "Init" is taken when a nested type already has the plain one.
        arguments = getattr(source, f"{class_name}InitArgs", None) or getattr(source, f"{class_name}Args")
        described = self._properties(arguments)
        described["outputs"] = {
            name: self._type(hint) for name, hint in sorted(sdk_types.resource_types(resource).items())
        }
        described["secret"] = sorted(
            name.strip("\"' ")
            for found in _SECRETS.findall(Path(str(source.__file__)).read_text())
            for name in found.split(",")
        )
        described["computed"] = sorted(
            name
            for name in described["properties"]
            if name not in described["required"] and name in _never_absent(resource)
        )
        return {"inputs": described.pop("properties"), **described}

    def _properties(self, arguments: type) -> dict[str, Any]:
        names = sdk_types.input_type_py_to_pulumi_names(arguments)
        hints = sdk_types.input_type_types(arguments)
        parameters = inspect.signature(arguments).parameters
        required = sorted(
            names[python] for python, p in parameters.items() if p.default is inspect.Parameter.empty
        )
        replaces = []
        for python, pulumi_name in names.items():
            text = getattr(arguments, python).__doc__ or ""
            if _REPLACES.search(text) and not _CONDITIONAL.search(text):
                replaces.append(pulumi_name)
        return {
            "properties": {name: self._type(hint) for name, hint in sorted(hints.items())},
            "required": required,
            "replaces": sorted(replaces),
        }

    def _type(self, hint: Any) -> Any:
        alternatives = _alternatives(hint)
        if len(alternatives) > 1:
            if any(inspect.isclass(item) and issubclass(item, pulumi.Archive) for item in alternatives):
                return "asset"
            if str in alternatives:
                objects = [item for item in alternatives if sdk_types.is_input_type(item)]
                return "json" if objects else "string"
            if sorted(map(str, alternatives)) == sorted(map(str, (int, float))):
                return "number"
            raise TypeError(f"a union the generator does not know: {alternatives}")
        (only,) = alternatives
        if only in _SCALARS:
            return _SCALARS[only]
        origin = typing.get_origin(only)
        if origin is not None and issubclass(origin, Mapping):
            return {"map": self._type(typing.get_args(only)[1])}
        if origin is not None and issubclass(origin, Sequence):
            return {"list": self._type(typing.get_args(only)[0])}
        if only is Any:
            return "any"
        if inspect.isclass(only):
            if issubclass(only, enum.Enum):
                return "string"
            if issubclass(only, pulumi.Archive):
                return "archive"
            if issubclass(only, pulumi.Asset):
                return "asset"
            if issubclass(only, pulumi.Resource):
                return "string"
            return {"object": self._object(only)}
        raise TypeError(f"a type the generator does not know: {only!r}")

    def _object(self, described: type) -> str:
        output = sdk_types.is_output_type(described)
        name = f"{described.__module__.removeprefix('pulumi_aws.').split('.')[0]}."
        name += described.__name__ if output else described.__name__.removesuffix("Args")
        counterpart = self._input_counterpart(described) if output else described
        if counterpart is None:
            name += "Output"
        if name not in self.types:
            self.types[name] = {}
            self.types[name] = (
                self._properties(counterpart)
                if counterpart is not None
                else {
                    "properties": {
                        key: self._type(hint)
                        for key, hint in sorted(sdk_types.output_type_types(described).items())
                    },
                    "required": [],
                    "replaces": [],
                }
            )
        return name

    def _input_counterpart(self, output: type) -> type | None:
        package = importlib.import_module(".".join(output.__module__.split(".")[:2]))
        found = getattr(package, f"{output.__name__}Args", None)
        return found if inspect.isclass(found) else None


def _alternatives(hint: Any) -> list[Any]:
    """The plain types of a (possibly `Input`) annotation."""
    origin = typing.get_origin(hint)
    if origin is typing.Union:
        found: list[Any] = []
        for item in typing.get_args(hint):
            item_origin = typing.get_origin(item) or item
            if item is type(None) or (
                inspect.isclass(item_origin)
                and (issubclass(item_origin, pulumi.Output) or item_origin.__name__ == "Awaitable")
            ):
                continue
            for alternative in _alternatives(item):
                if alternative not in found:
                    found.append(alternative)
        return found
    return [hint]


def _never_absent(resource: type) -> set[str]:
    """The outputs that always have a value: an input among them that is left out is chosen by AWS."""
    found = set()
    for getter in vars(resource).values():
        name = getattr(getattr(getter, "fget", None), "_pulumi_name", None)
        if name is not None:
            (held,) = typing.get_args(getter.fget.__annotations__["return"])
            if type(None) not in typing.get_args(held):
                found.add(name)
    return found


def _resource_modules() -> dict[str, tuple[str, str]]:
    """Token → (package, class), from the registration table at the end of pulumi_aws."""
    tree = ast.parse(Path(str(pulumi_aws.__file__)).read_text())
    for node in tree.body:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            for keyword in node.value.keywords:
                if keyword.arg == "resource_modules" and isinstance(keyword.value, ast.Constant):
                    return {
                        token: (entry["fqn"], name)
                        for entry in json.loads(str(keyword.value.value))
                        for token, name in entry["classes"].items()
                    }
    raise LookupError("pulumi_aws has no registration table")


def generate(tokens: Iterable[str]) -> str:
    """The whole file for these resource types."""
    generator = Generator()
    resources = {token: generator.resource(token) for token in sorted(tokens)}
    version = json.loads(Path(str(pulumi_aws.__file__)).with_name("pulumi-plugin.json").read_text())[
        "version"
    ]
    content = {"version": version, "resources": resources, "types": dict(sorted(generator.types.items()))}
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    from twin.aws.provider.registry import all_tokens

    TARGET.write_text(generate(sys.argv[1:] or all_tokens()))
