"""JSON from anywhere, as deep as it may be."""

import json
import re
from typing import Any, Final

_MAX_DEPTH: Final = 200
"""Deeper than any resource is, and than the packs are shown."""
_TOO_DEEP: Final = '"04da6b54-80e4-46f7-96ec-b56ff0331ba9"'
"""Pulumi's unknown, in the place of what lies deeper: a rule that needs it cannot judge, and says so."""
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def loads(source: str | bytes, **options: Any) -> Any:
    """`json.loads`, with what is nested too deep for it cut off and left unknown.

    Raises:
        ValueError: It is no JSON.
    """
    try:
        return json.loads(source, **options)
    except RecursionError:
        text = source if isinstance(source, str) else source.decode(json.detect_encoding(source))
        return json.loads(_cut_off(text), **options)


def _cut_off(text: str) -> str:
    kept: list[str] = []
    depth = start = 0
    for token in _TOKEN.finditer(text):
        mark = token.group()
        if mark in "[{":
            depth += 1
            if depth == _MAX_DEPTH:
                kept += [text[start : token.start()], _TOO_DEEP]
        elif mark in "]}":
            if depth == _MAX_DEPTH:
                start = token.end()
            depth -= 1
    return "".join([*kept, text[start:] if depth < _MAX_DEPTH else ""])
