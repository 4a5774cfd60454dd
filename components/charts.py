"""The charts that a cluster's operators come from, each at one version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pulumi

if TYPE_CHECKING:
    import pulumi_kubernetes as kubernetes


@dataclass(frozen=True)
class Chart:
    """One chart, pinned."""

    name: str
    repository: str
    """`oci://…` with the chart's own name left out, or an `https://` index."""
    version: str
    namespace: str


KARPENTER: Final = Chart("karpenter", "oci://public.ecr.aws/karpenter", "1.14.0", "kube-system")
"""In kube-system, where the API server gives its requests priority."""
KUEUE: Final = Chart("kueue", "oci://registry.k8s.io/kueue/charts", "0.17.0", "kueue-system")
KEDA: Final = Chart("keda", "https://kedacore.github.io/charts", "2.21.0", "keda")
METRICS_SERVER: Final = Chart(
    "metrics-server", "https://kubernetes-sigs.github.io/metrics-server", "3.13.1", "kube-system"
)
DCGM_EXPORTER: Final = Chart(
    "dcgm-exporter", "https://nvidia.github.io/dcgm-exporter/helm-charts", "4.8.3", "kube-system"
)
TIMEOUT_SECONDS: Final = 600


def release(
    name: str,
    chart: Chart,
    values: Mapping[str, pulumi.Input[Any]],
    *,
    parent: pulumi.Resource,
    provider: "kubernetes.Provider",
    depends_on: Sequence[pulumi.Resource] = (),
) -> "kubernetes.helm.v3.Release":
    """Installs a chart; one that fails half-way is taken back."""
    from pulumi_kubernetes.helm.v3 import Release, RepositoryOptsArgs

    in_registry = chart.repository.startswith("oci://")
    return Release(
        name,
        name=chart.name,
        chart=f"{chart.repository}/{chart.name}" if in_registry else chart.name,
        repository_opts=None if in_registry else RepositoryOptsArgs(repo=chart.repository),
        version=chart.version,
        namespace=chart.namespace,
        values=dict(values),
        atomic=True,
        timeout=TIMEOUT_SECONDS,
        opts=pulumi.ResourceOptions(parent=parent, provider=provider, depends_on=list(depends_on)),
    )
