"""How a price file is laid out on disk: JSON a reviewer can read line by line, written all or nothing."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

_WIDTH: Final = 108


def render(document: Mapping[str, Any]) -> str:
    """The document as text: what fits on a line stays on one, so that a new price is one changed line."""
    return _render(document, 0) + "\n"


def write_atomically(path: Path, document: Mapping[str, Any]) -> None:
    """Write the document so that a reader sees the old file or the new one, never half of either."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(render(document))
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes files that only the owner reads; a data file is as readable as its neighbours.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _render(value: Any, depth: int) -> str:
    compact = json.dumps(value, ensure_ascii=False)
    if len(compact) + 2 * depth <= _WIDTH and depth > 0:
        return compact
    inner, outer = "  " * (depth + 1), "  " * depth
    if isinstance(value, Mapping) and value:
        entries = [
            f"{inner}{json.dumps(key, ensure_ascii=False)}: {_render(item, depth + 1)}"
            for key, item in value.items()
        ]
        return "{\n" + ",\n".join(entries) + f"\n{outer}}}"
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return "[\n" + ",\n".join(f"{inner}{_render(item, depth + 1)}" for item in value) + f"\n{outer}]"
    return compact
