"""What the tests of the real cluster do again and again."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from twin.kubernetes.cluster.api import Api, ApiError
from twin.kubernetes.cluster.files import ClusterFiles, write_json

NAMESPACE = "trial"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
CLAIMS = "/apis/karpenter.sh/v1/nodeclaims"
GPU = "nvidia.com/gpu"
RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}


def eventually(what: str, check: Callable[[], Any], seconds: float = 60) -> Any:
    """Waits until the check is true and returns what it returned."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.2)
    return found


def pod_spec(*, gpus: int = 0, cpu: str = "1", tolerates: bool = True) -> dict[str, Any]:
    """A pod that Pod Security `restricted` admits."""
    asked = {"cpu": cpu, "memory": "1Gi", **({GPU: str(gpus)} if gpus else {})}
    return {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "tolerations": [{"key": GPU, "operator": "Exists"}] if tolerates else [],
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "main",
                "image": "registry.invalid/trial@sha256:" + "0" * 64,
                "resources": {"requests": asked, "limits": asked},
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    }


def job(name: str, *, pods: int, runs_for: str = "held", gpus: int = 1) -> dict[str, Any]:
    """A training job as a TrainingPool's contract has it: its pods are not to be disrupted."""
    annotations = {"karpenter.sh/do-not-disrupt": "true", "stagecraft.dev/runs-for": runs_for}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "parallelism": pods,
            "completions": pods,
            "template": {
                "metadata": {"annotations": annotations, "labels": {"trial": name}},
                "spec": {**pod_spec(gpus=gpus), "restartPolicy": "Never"},
            },
        },
    }


def pod(name: str, **options: Any) -> dict[str, Any]:
    """A pod alone."""
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec(**options)}


def running(api: Api, name: str) -> list[dict[str, Any]]:
    """A job's pods that run."""
    found = api.items(PODS, labelSelector=f"trial={name}")
    return [item for item in found if item["status"]["phase"] == "Running"]


def nodes(api: Api) -> list[dict[str, Any]]:
    """The nodes."""
    return api.items("/api/v1/nodes")


def label(item: Mapping[str, Any], name: str) -> str:
    """A label, by the end of its key."""
    return next(
        (str(value) for key, value in item["metadata"]["labels"].items() if key.endswith(f"/{name}")), ""
    )


def sell_out(files: ClusterFiles, *rules: dict[str, str]) -> None:
    """Says what cannot be bought."""
    write_json(files.capacity, {"bootSeconds": 0.2, "soldOut": list(rules)})


def clear(api: Api) -> None:
    """Removes every load, and waits until Karpenter has removed every node."""
    for path in (f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs", PODS):
        api.delete(path)
    eventually("every pod is gone", lambda: not api.items(PODS))
    eventually("every node is gone", lambda: not nodes(api) and not api.items(CLAIMS))


def refusal(call: Callable[[], Any]) -> str:
    """What the API server says when it refuses."""
    try:
        call()
    except ApiError as error:
        return str(error)
    raise AssertionError("the API server took it")
