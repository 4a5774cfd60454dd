"""Property paths as resource options use them: `tags.team`, `rules[0].days`, `tags["a.b"]`, `rules[*]`."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

Path = tuple[str | int, ...]
_ABSENT: Final = object()


def parse(text: str) -> Path:
    """A property path in its parts; `*` stays a string. Raises ValueError with the text and the place."""
    parts: list[str | int] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character == ".":
            position += 1
            if position == len(text):
                raise ValueError(f"property path {text!r} ends with a dot")
        elif character == "[":
            end, part = _bracket(text, position)
            parts.append(part)
            position = end
        else:
            end = position
            while end < len(text) and text[end] not in ".[":
                end += 1
            parts.append(text[position:end])
            position = end
    if not parts:
        raise ValueError("a property path is empty")
    return tuple(parts)


def _bracket(text: str, position: int) -> tuple[int, str | int]:
    if text[position + 1 : position + 2] == '"':
        end = position + 2
        key: list[str] = []
        while end < len(text) and text[end] != '"':
            if text[end] == "\\" and end + 1 < len(text):
                end += 1
            key.append(text[end])
            end += 1
        if text[end : end + 2] != '"]':
            raise ValueError(f"property path {text!r}: a quoted key is not closed")
        return end + 2, "".join(key)
    end = text.find("]", position)
    inner = text[position + 1 : end] if end > 0 else ""
    if inner == "*":
        return end + 1, "*"
    if not inner.isdigit():
        raise ValueError(f"property path {text!r}: expected an index, a quoted key or * in brackets")
    return end + 1, int(inner)


def covers(pattern: Path, path: Path) -> bool:
    """Whether a change at `path` is a change of what `pattern` names: one is a prefix of the other."""
    return all(want in ("*", have) for want, have in zip(pattern, path, strict=False))


def keep_old(new: Mapping[str, Any], old: Mapping[str, Any], patterns: Iterable[str]) -> dict[str, Any]:
    """`new` with everything that the patterns name set back to what `old` has (ignoreChanges)."""
    result = copy.deepcopy(dict(new))
    for pattern in patterns:
        path = parse(pattern)
        _copy(result, old, path)
    return result


def _copy(target: Any, source: Any, path: Path) -> None:
    head, rest = path[0], path[1:]
    if head == "*":
        for key in dict.fromkeys((*_keys(source), *_keys(target))):
            _copy(target, source, (key, *rest))
        return
    value = _get(source, head)
    if rest:
        inner = _get(target, head)
        if inner is not _ABSENT and value is not _ABSENT:
            _copy(inner, value, rest)
        return
    _set(target, head, value)


def _keys(value: Any) -> Sequence[Any]:
    if isinstance(value, Mapping):
        return list(value)
    return range(len(value)) if isinstance(value, list) else ()


def _get(value: Any, key: str | int) -> Any:
    if isinstance(value, Mapping) and isinstance(key, str):
        return value.get(key, _ABSENT)
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return value[key]
    return _ABSENT


def _set(target: Any, key: str | int, value: Any) -> None:
    if isinstance(target, dict) and isinstance(key, str):
        if value is _ABSENT:
            target.pop(key, None)
        else:
            target[key] = copy.deepcopy(value)
    elif isinstance(target, list) and isinstance(key, int) and key < len(target) and value is not _ABSENT:
        target[key] = copy.deepcopy(value)


def changed(old: Any, new: Any, at: Path = ()) -> list[Path]:
    """The paths at which two values differ, sorted; a list that grew or shrank differs at its ends."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        found: list[Path] = []
        for key in sorted(set(old) | set(new)):
            found += changed(old.get(key), new.get(key), (*at, key))
        return found
    if isinstance(old, list) and isinstance(new, list):
        found = []
        for index in range(max(len(old), len(new))):
            before = old[index] if index < len(old) else _ABSENT
            after = new[index] if index < len(new) else _ABSENT
            found += changed(before, after, (*at, index))
        return found
    return [] if old == new else [at]


def render(path: Path) -> str:
    """A path as text, the way Pulumi writes it."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif "." in part or "[" in part or '"' in part:
            escaped = part.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{escaped}"]'
        else:
            text += f".{part}" if text else part
    return text
