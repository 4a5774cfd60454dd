"""The Kubernetes objects of GPU telemetry, as pure functions: what reads the GPUs, and what tells of them."""

from typing import Any, Final

from components import kubernetes_objects
from components.kubernetes_objects import DOMAIN
from components.pool_objects import NVIDIA, POOL

NAMESPACE: Final = "gpu-telemetry"
ACCOUNT: Final = "gpu-telemetry"
EXPORTER: Final = "dcgm-exporter"
EXPORTER_NAMESPACE: Final = "kube-system"
EXPORTER_PORT: Final = 9400
EXPORTER_URL: Final = f"http://{EXPORTER}.{EXPORTER_NAMESPACE}.svc:{EXPORTER_PORT}/metrics"
"""Answers from the machine that asks, since its traffic is `Local`."""
ALIVE: Final = "/tmp/gpu-telemetry-alive"  # noqa: S108  # in the container
"""`platform_jobs/gpu_telemetry.py` touches it each round."""
ALIVE_SECONDS: Final = 300
_GPU_NODES: Final = {"karpenter.k8s.aws/instance-gpu-manufacturer": "nvidia"}
_LABEL: Final = f"{DOMAIN}/gpu-telemetry"


def exporter_values() -> dict[str, Any]:
    """Values of NVIDIA's chart: on every machine with GPUs, whichever pool it is of.

    Bottlerocket lets a container that asks for no GPU see them only if it is privileged; so this one, in
    kube-system, is, and nothing else.
    """
    return {
        "nodeSelector": dict(_GPU_NODES),
        "tolerations": [{"key": key, "operator": "Exists"} for key in (NVIDIA, POOL)],
        "securityContext": {"privileged": True},
        "service": {"internalTrafficPolicy": "Local"},
        # Nobody has said that Prometheus' operator is there.
        "serviceMonitor": {"enabled": False},
        "resources": {
            "requests": {"cpu": "100m", "memory": "256Mi"},
            "limits": {"cpu": "500m", "memory": "512Mi"},
        },
    }


def egress_to_exporter() -> dict[str, Any]:
    """What lets a machine's teller ask its exporter."""
    return {
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [
            {
                "to": [
                    {
                        "namespaceSelector": {
                            "matchLabels": {"kubernetes.io/metadata.name": EXPORTER_NAMESPACE}
                        },
                        "podSelector": {"matchLabels": {"app.kubernetes.io/name": EXPORTER}},
                    }
                ],
                "ports": [{"protocol": "TCP", "port": EXPORTER_PORT}],
            }
        ],
    }


def teller(*, pool: str, cluster: str, image: str, region: str) -> dict[str, Any]:
    """A DaemonSet's spec: on each machine of a pool, what its GPUs do goes to CloudWatch."""
    labels = {_LABEL: pool}
    environment = {
        "AWS_DEFAULT_REGION": region,
        "STAGECRAFT_CLUSTER": cluster,
        "STAGECRAFT_GPU_EXPORTER_URL": EXPORTER_URL,
        "STAGECRAFT_POOL": pool,
    }
    return {
        "selector": {"matchLabels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "serviceAccountName": ACCOUNT,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "securityContext": kubernetes_objects.pod_security(),
                "nodeSelector": {POOL: pool},
                "tolerations": [
                    {"key": NVIDIA, "operator": "Equal", "value": "present", "effect": "NoSchedule"},
                    {"key": POOL, "operator": "Equal", "value": pool, "effect": "NoSchedule"},
                ],
                "containers": [
                    {
                        "name": "gpu-telemetry",
                        "image": image,
                        "args": ["gpu-telemetry"],
                        "env": [{"name": name, "value": value} for name, value in environment.items()],
                        "resources": {
                            "requests": {"cpu": "50m", "memory": "192Mi"},
                            "limits": {"cpu": "250m", "memory": "192Mi"},
                        },
                        "securityContext": dict(kubernetes_objects.CONTAINER_SECURITY),
                        **_probes(),
                        "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],  # noqa: S108
                    }
                ],
                "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "16Mi"}}],
            },
        },
    }


def _probes() -> dict[str, Any]:
    """It is well while its rounds go on; it answers nobody, so nobody waits for it to be ready."""
    fresh = f'test "$(($(date +%s) - $(stat -c %Y {ALIVE})))" -lt {ALIVE_SECONDS}'
    well = {"exec": {"command": ["/bin/sh", "-c", fresh]}, "periodSeconds": 60, "timeoutSeconds": 5}
    return {
        "livenessProbe": {**well, "initialDelaySeconds": 60, "failureThreshold": 3},
        "readinessProbe": {**well, "initialDelaySeconds": 10},
    }
