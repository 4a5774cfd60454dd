"""`python -m twin.kubernetes.crds.renew`: fetches the pinned modules and writes their CRDs anew.

Needs Go, whose client fetches a module and checks it against the public checksum database.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

_HERE: Final = Path(__file__).parent
_SOURCES: Final = _HERE / "sources.json"
_SECONDS: Final = 300


def main() -> int:
    """Writes every file; one that no source names any more is removed."""
    written = set()
    for source in json.loads(_SOURCES.read_text()):
        folder = _download(f"{source['module']}@{source['version']}")
        for name in source["files"]:
            manifest = _without_descriptions(yaml.safe_load((folder / name).read_text()))
            path = _HERE / f"{manifest['metadata']['name']}.json"
            # The server builds it; controller-gen's empty one is no part of a manifest.
            manifest.pop("status", None)
            path.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
            written.add(path)
    for path in _HERE.glob("*.*.json"):
        if path not in written:
            path.unlink()
    sys.stdout.write(f"{len(written)} definitions\n")
    return 0


def _download(module: str) -> Path:
    # From this folder's root, where there is no go.mod that could have a say.
    done = subprocess.run(
        ["go", "mod", "download", "-json", module],
        cwd=_HERE.anchor,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{module} can not be fetched: {done.stdout.strip() or done.stderr.strip()}")
    return Path(json.loads(done.stdout)["Dir"])


def _without_descriptions(manifest: Any) -> Any:
    """The manifest without the descriptions of its schemas; a property called `description` stays."""
    if isinstance(manifest, dict):
        return {
            key: {name: _without_descriptions(item) for name, item in value.items()}
            if key == "properties"
            else _without_descriptions(value)
            for key, value in _told(manifest)
        }
    if isinstance(manifest, list):
        return [_without_descriptions(item) for item in manifest]
    return manifest


def _told(mapping: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in mapping.items() if key != "description")


if __name__ == "__main__":
    sys.exit(main())
