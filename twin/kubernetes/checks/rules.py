"""The rules that a custom resource's schema states in CEL (`x-kubernetes-validations`), evaluated.

A rule over a value that is not known yet is left to the time when it is, and one that needs a function of
Kubernetes' libraries that is not here is left to the server.
"""

import importlib.util
import ipaddress
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from twin.kubernetes.kinds import Kind
from twin.providers.problems import Problems, index, join
from twin.wire import UNKNOWN

_ESCAPES: Final = (("__", "__underscores__"), (".", "__dot__"), ("-", "__dash__"), ("/", "__slash__"))
_KEYWORDS: Final = frozenset(
    {
        *(
            "as",
            "break",
            "const",
            "continue",
            "else",
            "false",
            "for",
            "function",
            "if",
            "import",
            "in",
            "let",
        ),
        *("loop", "namespace", "null", "package", "return", "true", "var", "void", "while"),
    }
)
"""Words that no field of an expression may be called: they are escaped."""
_MISSING: Final = object()
_ENGINE: Final = threading.Lock()


class Broken(NamedTuple):
    """A rule that a value breaks."""

    path: str
    message: str
    transition: bool
    """Whether the rule is about a change: it compares with the value before."""


def check(kind: Kind, manifest: Mapping[str, Any], problems: Problems) -> None:
    """Notes each rule that the manifest, its defaults set, breaks."""
    for broken in _evaluated(kind, manifest, _MISSING):
        problems.add(broken.path, "breaks a rule of its schema", broken.message)


def forbidden_changes(kind: Kind, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Paths of what may not change from `old` to `new`: a server refuses the update."""
    return [broken.path for broken in _evaluated(kind, new, old) if broken.transition]


def _evaluated(kind: Kind, manifest: Mapping[str, Any], old: Any) -> Iterator[Broken]:
    return _walk(kind.schema, manifest, old, "") if kind.custom else iter(())


def _walk(schema: Mapping[str, Any], value: Any, old: Any, path: str) -> Iterator[Broken]:
    if value is None or value is UNKNOWN:
        return
    rules = schema.get("x-kubernetes-validations", ())
    if rules and not _holds_unknown(value):
        bound = _bound(schema, value)
        for rule in rules:
            yield from _judged(rule, schema, bound, old, path)
    items = schema.get("items")
    if isinstance(value, list) and isinstance(items, Mapping):
        alike = _matching_items(schema, value, old)
        for place, item in enumerate(value):
            yield from _walk(items, item, alike[place], index(path, place))
    elif isinstance(value, dict):
        properties, rest = schema.get("properties", {}), schema.get("additionalProperties")
        for name, item in value.items():
            described = properties.get(name, rest)
            if isinstance(described, Mapping):
                before = old.get(name, _MISSING) if isinstance(old, dict) else _MISSING
                yield from _walk(described, item, before, join(path, name))


def _judged(
    rule: Mapping[str, Any], schema: Mapping[str, Any], bound: Any, old: Any, path: str
) -> Iterator[Broken]:
    source = rule["rule"]
    transition = re.search(r"\boldSelf\b", source) is not None
    variables = {"self": bound}
    if transition:
        if old is _MISSING or old is None or _holds_unknown(old):
            return
        variables["oldSelf"] = _bound(schema, old)
    if _holds(source, variables):
        return
    where = rule.get("fieldPath", "")
    message = rule.get("message") or f"it must hold: {' '.join(source.split())}"
    yield Broken(f"{path}{where}" if path else where.removeprefix("."), message, transition)


def _holds(source: str, variables: Mapping[str, Any]) -> bool:
    # One at a time: the engine is compiled, and promises nothing to threads.
    with _ENGINE:
        return _judge(source, variables)


def _judge(source: str, variables: Mapping[str, Any]) -> bool:
    program = _program(source)
    if program is None:
        return True
    try:
        return program.execute(_engine().Context(variables, _FUNCTIONS)) is not False
    except KeyError:
        # A field that is absent and not asked for with has(): the server takes the rule for broken.
        return False
    except RuntimeError as error:
        # Only a function of a library that is not here excuses a rule; any other failure is a refusal.
        return "Undefined" in str(error)
    except (ValueError, TypeError):
        return True


@cache
def _program(source: str) -> Any:
    try:
        return _engine().compile(source)
    except ValueError:
        return None


@cache
def _engine() -> Any:
    """The compiled part of `cel`; the package around it would load a command line and a terminal."""
    package = importlib.util.find_spec("cel")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("common-expression-language is not installed: install the extra `twin`")
    library = next(
        path
        for path in sorted(Path(package.submodule_search_locations[0]).glob("cel.*"))
        if path.suffix in (".so", ".pyd")
    )
    spec = importlib.util.spec_from_file_location("cel", library)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"{library} can not be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _bound(schema: Mapping[str, Any], value: Any) -> Any:
    """The value as an expression sees it: fields under their escaped names, keys of maps as they are."""
    if isinstance(value, dict):
        properties, rest = schema.get("properties", {}), schema.get("additionalProperties", {})
        return {
            _escaped(name) if name in properties else name: _bound(
                properties.get(name, rest if isinstance(rest, Mapping) else {}), item
            )
            for name, item in value.items()
            if item is not None
        }
    if isinstance(value, list):
        items = schema.get("items", {})
        return [_bound(items, item) for item in value]
    return value


def _escaped(name: str) -> str:
    if name in _KEYWORDS:
        return f"__{name}__"
    for plain, escape in _ESCAPES:
        name = name.replace(plain, escape)
    return name


def _matching_items(schema: Mapping[str, Any], value: list[Any], old: Any) -> list[Any]:
    """What each item was before, by its keys; items of a list without keys have no before."""
    keys = schema.get("x-kubernetes-list-map-keys")
    if not keys or not isinstance(old, list):
        return [_MISSING] * len(value)

    def identity(item: Any) -> str:
        return repr([item.get(key) for key in keys]) if isinstance(item, dict) else repr(item)

    before = {identity(item): item for item in old}
    return [before.get(identity(item), _MISSING) for item in value]


def _holds_unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_unknown, value.values()))
    if isinstance(value, list):
        return any(map(_holds_unknown, value))
    return value is UNKNOWN


def _find(text: str, pattern: str) -> str:
    found = re.search(pattern, text)
    return found.group(0) if found else ""


def _is(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def judge(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return judge


_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "find": _find,
    "findAll": lambda text, pattern: [found.group(0) for found in re.finditer(pattern, text)],
    "split": lambda text, separator: text.split(separator),
    "substring": lambda text, start, end=None: text[start:end],
    "replace": lambda text, old, new: text.replace(old, new),
    "trim": str.strip,
    "lowerAscii": str.lower,
    "upperAscii": str.upper,
    "indexOf": str.find,
    "lastIndexOf": str.rfind,
    "join": lambda parts, separator="": separator.join(parts),
    "isIP": _is(ipaddress.ip_address),
    "isCIDR": _is(ipaddress.ip_interface),
    "isSorted": lambda items: items == sorted(items),
    "sum": sum,
}
"""Of Kubernetes' CEL libraries, what schemas use and the engine lacks; a method gets its receiver first."""
