"""Go modules: their client fetches them and checks them against the public checksum database."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

_SECONDS: Final = 600


def download(module: str, version: str) -> Path:
    """The folder of a module; ends the program with Go's own words when it can not be had."""
    done = subprocess.run(
        ["go", "mod", "download", "-json", f"{module}@{version}"],
        # From the root, where there is no go.mod that could have a say.
        cwd=Path(__file__).anchor,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        said = done.stdout.strip() or done.stderr.strip()
        raise SystemExit(f"{module} {version} can not be fetched: {said}")
    return Path(json.loads(done.stdout)["Dir"])


def without_descriptions(schema: Any) -> Any:
    """The schema without its descriptions, which no server checks; a property of that name stays."""
    if isinstance(schema, dict):
        return {
            key: {name: without_descriptions(item) for name, item in value.items()}
            if key == "properties"
            else without_descriptions(value)
            for key, value in _checked(schema)
        }
    if isinstance(schema, list):
        return [without_descriptions(item) for item in schema]
    return schema


def _checked(mapping: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in mapping.items() if key != "description")
