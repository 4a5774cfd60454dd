"""How each process of the cluster is started."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from twin.kubernetes.cluster.files import SOCKET, ClusterFiles

SERVICE_ADDRESS: Final = "10.96.0.1"
"""The first address of the services' network, which the API server takes for itself."""
PYTHON: Final = "python"
"""The program that this very process runs on."""
_CHECKOUT: Final = Path(__file__).resolve().parents[3]
_SERVICE_NETWORK: Final = "10.96.0.0/16"
_SYSTEM_NAMESPACE: Final = "kube-system"


@dataclass(frozen=True)
class Ports:
    """The ports on 127.0.0.1 that the cluster listens on."""

    api: int
    karpenter_health: int


@dataclass(frozen=True)
class Component:
    """One process: its program, its arguments, and what its environment has beyond the common part."""

    name: str
    program: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)


def components(
    files: ClusterFiles, ports: Ports, *, region: str, speed: float, cloud: Path | None
) -> tuple[Component, ...]:
    """Every process, in the order they are started; they end in the opposite order.

    Args:
        files: The cluster's files.
        ports: Where to listen.
        region: Where the cluster is.
        speed: How many times faster than a wall clock Karpenter's own waits end.
        cloud: Folder of the twin's cloud, for pods that run for real; without one, all are played.
    """
    played = _played(files, ports, speed=speed)
    return played if cloud is None else (*played, _kubelet(cloud, region))


def _played(files: ClusterFiles, ports: Ports, *, speed: float) -> tuple[Component, ...]:
    return (
        Component("etcd", "control-plane", ("etcd", "--data-dir=etcd", f"--socket={SOCKET}")),
        _api_server(ports),
        _controller_manager(),
        Component(
            "kube-scheduler",
            "control-plane",
            (
                "kube-scheduler",
                "--kubeconfig=kube-scheduler.kubeconfig",
                "--leader-elect=false",
                "--secure-port=0",
                "--profiling=false",
            ),
        ),
        Component(
            "kwok",
            "kwok",
            (
                "--kubeconfig=kwok.kubeconfig",
                f"--config={files.stages.name}",
                "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node",
                "--node-lease-duration-seconds=40",
            ),
        ),
        Component(
            "karpenter",
            "karpenter",
            (),
            {
                "KUBECONFIG": "karpenter.kubeconfig",
                "SYSTEM_NAMESPACE": _SYSTEM_NAMESPACE,
                "CLUSTER_NAME": "twin",
                "DISABLE_LEADER_ELECTION": "true",
                "DISABLE_CLUSTER_STATE_OBSERVABILITY": "true",
                "KUBERNETES_MIN_VERSION": "1.19.0-0",
                "HEALTH_PROBE_PORT": str(ports.karpenter_health),
                "INSTANCE_TYPES_FILE_PATH": files.catalogue.name,
                "STAGECRAFT_CAPACITY_FILE": files.capacity.name,
                "STAGECRAFT_SPEED": str(speed),
            },
        ),
    )


def _kubelet(cloud: Path, region: str) -> Component:
    return Component(
        "kubelet",
        PYTHON,
        ("-P", "-m", "twin.kubernetes.kubelet", f"--cloud={cloud.absolute()}", f"--region={region}"),
        {"PYTHONPATH": str(_CHECKOUT), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"},
    )


def environment_of(component: Component, files: ClusterFiles) -> dict[str, str]:
    """All that a process sees of the environment: no settings of the user's, nothing that leads elsewhere."""
    common = {"HOME": str(files.folder), "PATH": os.environ.get("PATH", os.defpath), "TZ": "UTC"}
    return common | dict(component.environment)


def _api_server(ports: Ports) -> Component:
    return Component(
        "kube-apiserver",
        "control-plane",
        (
            "kube-apiserver",
            f"--etcd-servers=unix://{SOCKET}",
            "--bind-address=127.0.0.1",
            f"--secure-port={ports.api}",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--service-cluster-ip-range={_SERVICE_NETWORK}",
            "--authorization-mode=RBAC",
            "--anonymous-auth=false",
            "--allow-privileged=true",  # as EKS has it: namespaces decide, by Pod Security
            "--profiling=false",
            "--client-ca-file=certificates/ca.crt",
            "--tls-cert-file=certificates/apiserver.crt",
            "--tls-private-key-file=certificates/apiserver.key",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=certificates/accounts.key",
            "--service-account-signing-key-file=certificates/accounts.key",
        ),
    )


def _controller_manager() -> Component:
    return Component(
        "kube-controller-manager",
        "control-plane",
        (
            "kube-controller-manager",
            "--kubeconfig=kube-controller-manager.kubeconfig",
            "--leader-elect=false",
            "--secure-port=0",
            "--profiling=false",
            "--use-service-account-credentials=true",
            "--service-account-private-key-file=certificates/accounts.key",
            "--root-ca-file=certificates/ca.crt",
            # A simulation makes and loses nodes in seconds.
            "--node-monitor-period=1s",
        ),
    )


Say = Callable[[str], None]
"""Told, in words, what is being done."""
