"""The custom resources that the cluster knows: those of the pinned operators."""

import json
from pathlib import Path
from typing import Any, Final

_FOLDER: Final = Path(__file__).parents[1] / "crds"


def definitions() -> list[dict[str, Any]]:
    """The CustomResourceDefinitions, in the order of their names."""
    return [json.loads(path.read_text()) for path in sorted(_FOLDER.glob("*.*.json"))]
