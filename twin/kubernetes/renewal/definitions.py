"""Renews `crds/`: the operators' CustomResourceDefinitions, at the versions of `crds/sources.json`."""

import json
from pathlib import Path
from typing import Final

import yaml

from twin.kubernetes.renewal.modules import download, without_descriptions

_FOLDER: Final = Path(__file__).parents[1] / "crds"


def renew() -> int:
    """Writes every definition; one that no source names any more is removed. Returns how many there are."""
    written = set()
    for source in json.loads((_FOLDER / "sources.json").read_text()):
        folder = download(source["module"], source["version"])
        for name in source["files"]:
            manifest = without_descriptions(yaml.safe_load((folder / name).read_text()))
            # The server makes it; controller-gen's empty one is no part of a manifest.
            manifest.pop("status", None)
            path = _FOLDER / f"{manifest['metadata']['name']}.json"
            path.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n")
            written.add(path)
    for path in _FOLDER.glob("*.*.json"):
        if path not in written:
            path.unlink()
    return len(written)
