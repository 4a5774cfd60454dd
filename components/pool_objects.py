"""The Kubernetes objects of a training pool, as pure functions: Karpenter's, Kueue's, and the jobs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from components import kubernetes_objects
from components.kubernetes_objects import DOMAIN

NVIDIA: Final = "nvidia.com/gpu"
NEURON: Final = "aws.amazon.com/neuron"
RESOURCES: Final = ("", NEURON, NVIDIA)
KUEUE: Final = "kueue.x-k8s.io/v1beta2"
POOL: Final = f"{DOMAIN}/pool"
"""Label and taint of a pool's nodes."""
CHECKPOINT_URI: Final = f"{DOMAIN}/checkpoint-uri"
CAPACITY_TYPE: Final = "karpenter.sh/capacity-type"
WEIGHTS: Final = {"spot": 50, "on_demand": 10}
"""Karpenter tries the heavier first."""
EMPTY_AFTER: Final = "2m"
EXPIRES_AFTER: Final = "336h"
"""Fourteen days, the longest that a job may run: nodes do not outlive a month's security fixes."""
_STOP_NOW: Final = ("/bin/sh", "-c", "kill -TERM 1")


@dataclass(frozen=True)
class Request:
    """An amount of machines."""

    vcpus: int
    memory_mib: int
    accelerators: int


@dataclass(frozen=True)
class Contract:
    """The spot contract's numbers."""

    minutes: int
    grace_seconds: int


@dataclass(frozen=True)
class Pool:
    """One pool's shape."""

    name: str
    instance_types: tuple[str, ...]
    resource: str
    """How its accelerators are called; empty for a CPU pool."""
    zones: tuple[str, ...]
    contract: Contract | None
    quotas: bool = True
    """Whether Kueue decides when a job starts."""

    def node_pool_name(self, kind: str) -> str:
        """The name of its node pool for a kind of capacity."""
        return f"{self.name}-{kind.replace('_', '-')}"

    @property
    def families(self) -> list[str]:
        """Every family by name: a bare `p5` means neither `p5e` nor `p5en`."""
        return sorted({item.partition(".")[0] for item in self.instance_types})

    @property
    def taints(self) -> list[dict[str, str]]:
        """The accelerator's own taint, which its drivers expect, and the pool's, which keeps others off."""
        own = [{"key": POOL, "value": self.name, "effect": "NoSchedule"}]
        if self.resource:
            own.insert(0, {"key": self.resource, "value": "present", "effect": "NoSchedule"})
        return own

    @property
    def tolerations(self) -> list[dict[str, str]]:
        """What lets the pool's jobs in."""
        return [{**taint, "operator": "Equal"} for taint in self.taints]

    def annotations(self, kind: str) -> dict[str, str]:
        """The contract that a spot pool was made under, for people and policies to read."""
        if kind != "spot" or self.contract is None:
            return {}
        return {
            f"{DOMAIN}/checkpoint-minutes": str(self.contract.minutes),
            f"{DOMAIN}/grace-seconds": str(self.contract.grace_seconds),
        }

    def node_pool(self, kind: str, limits: Request) -> dict[str, Any]:
        """A Karpenter NodePool's spec."""
        return {
            "weight": WEIGHTS[kind],
            "limits": self._amounts(limits),
            "disruption": {
                # Training is not moved to save a little: a node goes when nothing runs on it.
                "consolidationPolicy": "WhenEmpty",
                "consolidateAfter": EMPTY_AFTER,
                "budgets": [
                    {"nodes": "100%", "reasons": ["Empty"]},
                    {"nodes": "0", "reasons": ["Drifted", "Underutilized"]},
                ],
            },
            "template": {
                "metadata": {"labels": {POOL: self.name}},
                "spec": {
                    "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": self.name},
                    "expireAfter": EXPIRES_AFTER,
                    "taints": self.taints,
                    "requirements": self._requirements(kind),
                },
            },
        }

    def _requirements(self, kind: str) -> list[dict[str, Any]]:
        wanted: dict[str, list[str]] = {
            CAPACITY_TYPE: [kind.replace("_", "-")],
            "karpenter.k8s.aws/instance-family": self.families,
            "kubernetes.io/arch": ["amd64"],
            "kubernetes.io/os": ["linux"],
            "node.kubernetes.io/instance-type": sorted(self.instance_types),
        }
        if self.zones:
            wanted["topology.kubernetes.io/zone"] = sorted(self.zones)
        return [{"key": key, "operator": "In", "values": values} for key, values in sorted(wanted.items())]

    def flavor(self, kind: str) -> dict[str, Any]:
        """A Kueue ResourceFlavor's spec.

        Spot's names the pool only, not the kind of capacity: its jobs prefer spot by Karpenter's weights and
        may run on the fall-back when there is none. On-demand's is for jobs that spot's quota has no room
        for.
        """
        labels = {POOL: self.name}
        if kind == "on_demand":
            labels[CAPACITY_TYPE] = "on-demand"
        return {"nodeLabels": labels, "nodeTaints": self.taints, "tolerations": self.tolerations}

    def cluster_queue(self, quotas: Mapping[str, Request], namespace: str) -> dict[str, Any]:
        """A Kueue ClusterQueue's spec: what one may count on, and in the pool's cohort borrow beside it."""
        amounts = {kind: self._amounts(quota) for kind, quota in quotas.items()}
        covered = list(next(iter(amounts.values())))
        return {
            "cohortName": self.name,
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "queueingStrategy": "BestEffortFIFO",
            # Who lends takes back what is theirs: the borrower goes on from its checkpoint.
            "preemption": {"reclaimWithinCohort": "Any", "withinClusterQueue": "LowerPriority"},
            "resourceGroups": [
                {
                    "coveredResources": covered,
                    "flavors": [
                        {
                            "name": self.node_pool_name(kind),
                            "resources": [{"name": name, "nominalQuota": amount[name]} for name in covered],
                        }
                        for kind, amount in amounts.items()
                    ],
                }
            ],
        }

    def job(
        self,
        *,
        queue: str,
        namespace: str,
        image: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        request: Request,
        timeout_minutes: int,
        pre_stop: Sequence[str] | None,
    ) -> str:
        """The Job of a queue, as JSON: started when Kueue admits it, never moved, told before it stops."""
        amounts = self._amounts(request)
        labels = {POOL: self.name, **({"kueue.x-k8s.io/queue-name": queue} if self.quotas else {})}
        container = {
            "name": "job",
            "image": image,
            "args": list(command),
            "env": [{"name": key, "value": value} for key, value in sorted(environment.items())],
            "resources": {"requests": amounts, "limits": amounts},
            "lifecycle": {"preStop": {"exec": {"command": list(pre_stop or _STOP_NOW)}}},
            "securityContext": dict(kubernetes_objects.CONTAINER_SECURITY),
            "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],  # noqa: S108  # in the container
        }
        pod: dict[str, Any] = {
            "serviceAccountName": queue,
            "automountServiceAccountToken": False,
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "tolerations": self.tolerations,
            "nodeSelector": {POOL: self.name},
            "containers": [container],
            "volumes": [{"name": "scratch", "emptyDir": {}}],
        }
        if self.contract is not None:
            pod["terminationGracePeriodSeconds"] = self.contract.grace_seconds
        manifest = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"generateName": f"{queue}-", "namespace": namespace, "labels": labels},
            "spec": {
                # Kueue starts it.
                "suspend": self.quotas,
                "activeDeadlineSeconds": timeout_minutes * 60,
                "backoffLimit": 5,
                "podFailurePolicy": {
                    "rules": [
                        # A reclaimed machine is the spot market's doing, and costs no attempt.
                        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
                        {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [143]}},
                    ]
                },
                "template": {
                    "metadata": {"labels": labels, "annotations": {"karpenter.sh/do-not-disrupt": "true"}},
                    "spec": pod,
                },
            },
        }
        return json.dumps(manifest, sort_keys=True)

    def _amounts(self, request: Request) -> dict[str, str]:
        """Quantities by resource; a CPU pool names no accelerator."""
        amounts = {"cpu": str(request.vcpus), "memory": f"{request.memory_mib}Mi"}
        if self.resource:
            amounts[self.resource] = str(request.accelerators)
        return amounts


def node_class(
    *,
    ami: str,
    scratch_gib: int,
    subnets: Sequence[str],
    security_group: str,
    instance_profile: str,
    tags: Mapping[str, str],
) -> dict[str, Any]:
    """An EC2NodeClass's spec: pinned image, encrypted volumes, metadata for the machine itself only."""
    bottlerocket = ami.startswith("bottlerocket")
    term = {"id": ami} if ami.startswith("ami-") else {"alias": ami}
    # Bottlerocket keeps its system on a small volume of its own.
    volumes = {"/dev/xvda": 4, "/dev/xvdb": scratch_gib} if bottlerocket else {"/dev/xvda": scratch_gib}
    spec: dict[str, Any] = {
        "amiSelectorTerms": [term],
        "associatePublicIPAddress": False,
        "blockDeviceMappings": [
            {
                "deviceName": device,
                "ebs": {
                    "deleteOnTermination": True,
                    "encrypted": True,
                    "volumeSize": f"{size}Gi",
                    "volumeType": "gp3",
                },
            }
            for device, size in volumes.items()
        ],
        "instanceProfile": instance_profile,
        "metadataOptions": {
            "httpEndpoint": "enabled",
            "httpProtocolIPv6": "disabled",
            "httpPutResponseHopLimit": 1,
            "httpTokens": "required",
        },
        "securityGroupSelectorTerms": [{"id": security_group}],
        "subnetSelectorTerms": [{"id": subnet} for subnet in subnets],
        "tags": dict(sorted(tags.items())),
    }
    if "id" in term:
        # An AMI by its id does not say what it is.
        spec["amiFamily"] = "AL2023"
    return spec
