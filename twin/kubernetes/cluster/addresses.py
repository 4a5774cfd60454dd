"""Where Services of a cluster answer on this machine, as its kubelet writes it down."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from twin.kubernetes.cluster.files import ClusterFiles


@dataclass(frozen=True)
class AnsweringPod:
    """A pod that is ready."""

    name: str
    url: str
    """Where it alone answers, on loopback."""
    processes: tuple[int, ...]


@dataclass(frozen=True)
class Answering:
    """A Service with a pod that is ready."""

    url: str
    """Where it answers on loopback, by whichever pod's turn it is."""
    pods: tuple[AnsweringPod, ...]


def answering(folder: Path, url: str) -> Answering | None:
    """Who answers at an address inside the cluster, such as `http://churn-live.serving.svc:8080`.

    Returns None while nobody does: there is no cluster, or no pod behind the Service is ready
    and runs for real.
    """
    try:
        told = json.loads(ClusterFiles(folder).addresses.read_text()).get(urlsplit(url).netloc)
    except (OSError, ValueError):
        return None
    return told and Answering(told["url"], tuple(_pod(**each) for each in told["pods"]))


def _pod(name: str, url: str, pids: Sequence[int]) -> AnsweringPod:
    return AnsweringPod(name, url, tuple(pids))
