"""The objects that a trace's load consists of, as Kubernetes takes them under Pod Security `restricted`."""

from typing import Any, Final

from twin.kubernetes.simulation.pools import Group
from twin.kubernetes.simulation.trace import Job, Serving, Shape

NAMESPACE: Final = "simulation"
JOB_LABEL: Final = "stagecraft.dev/job"
_RUNS_FOR: Final = "stagecraft.dev/runs-for"
_DO_NOT_DISRUPT: Final = "karpenter.sh/do-not-disrupt"
# Nothing pulls it: pods are played. A digest, as the policies ask of every image.
_IMAGE: Final = "registry.invalid/stagecraft/load@sha256:" + "0" * 64


def namespace() -> dict[str, Any]:
    """The namespace of the load, which admits nothing that is not `restricted`."""
    level = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "audit", "warn")}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": level}}


def job(item: Job, group: Group) -> dict[str, Any]:
    """A Job whose pods run until the simulation says that their work is done."""
    labels = {JOB_LABEL: item.name}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": item.name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "parallelism": item.workers,
            "completions": item.workers,
            "backoffLimit": 1000,  # an instance that is taken back is no failure of the job
            "template": {
                "metadata": {"labels": labels, "annotations": {_DO_NOT_DISRUPT: "true", _RUNS_FOR: "held"}},
                "spec": {**_pod(item.shape, group), "restartPolicy": "Never"},
            },
        },
    }


def deployment(item: Serving, group: Group) -> dict[str, Any]:
    """A Deployment without replicas yet."""
    labels = {"app": item.name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": item.name, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": _pod(item.shape, group)},
        },
    }


def succeeded(pod: dict[str, Any]) -> dict[str, Any]:
    """The change of a pod's status that says its work is done."""
    containers = [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": False,
            "started": False,
            "restartCount": 0,
            "state": {"terminated": {"exitCode": 0, "reason": "Completed"}},
        }
        for container in pod["spec"]["containers"]
    ]
    return {"status": {"phase": "Succeeded", "containerStatuses": containers}}


def _pod(shape: Shape, group: Group) -> dict[str, Any]:
    return {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "nodeSelector": group.labels,
        "tolerations": [
            {"key": key, "operator": "Exists", "effect": effect} for key, _, effect in group.pools[0].taints
        ],
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "load",
                "image": _IMAGE,
                "resources": _resources(shape, group),
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
            }
        ],
    }


def _resources(shape: Shape, group: Group) -> dict[str, Any]:
    asked = {"cpu": f"{round(shape.cpus * 1000)}m", "memory": f"{round(shape.memory_gib * 1024)}Mi"}
    accelerator = group.pools[0].accelerator
    if shape.gpus and accelerator is not None:
        asked[accelerator] = str(shape.gpus)
    return {"requests": asked, "limits": asked}
