"""How kwok is told to play nodes and pods."""

from pathlib import Path
from typing import Any, Final

import yaml

_STAGES: Final = Path(__file__).with_name("stages.yaml")
RUN_FOR_REAL: Final = '.metadata.annotations["stagecraft.dev/image"]'
"""The annotation of pods that the twin's kubelet runs, as kwok looks for it."""


def stages(*, runs_pods: bool) -> bytes:
    """Configuration of kwok.

    Args:
        runs_pods: Whether a kubelet runs the pods of the platform's own image: then they are left to it.
    """
    documents = list(yaml.safe_load_all(_STAGES.read_text()))
    if runs_pods:
        for document in documents:
            if document["spec"]["resourceRef"]["kind"] == "Pod":
                _leave(document["spec"])
    return yaml.safe_dump_all(documents, sort_keys=False).encode()


def _leave(spec: dict[str, Any]) -> None:
    spec["selector"]["matchExpressions"].append(
        {"key": RUN_FOR_REAL, "operator": "NotIn", "values": ["platform"]}
    )
