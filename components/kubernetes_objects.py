"""A cluster's own objects: the provider they go through, and the shapes that several components make."""

import importlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import pulumi

if TYPE_CHECKING:
    import pulumi_kubernetes as kubernetes

DOMAIN: Final = "stagecraft.dev"
"""Prefix of our labels, annotations and taints."""
_DNS_PORTS: Final = (("UDP", 53), ("TCP", 53))
_HTTPS: Final = ("TCP", 443)
DIGEST: Final = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")
DIGEST_REMEDY: Final = "must name the image by digest (…@sha256:<64 hex digits>): a tag can be moved"
_BUILT_IN: Final = {
    "DaemonSet": "apps.v1",
    "Deployment": "apps.v1",
    "HorizontalPodAutoscaler": "autoscaling.v2",
    "PodDisruptionBudget": "policy.v1",
    "Service": "core.v1",
}
"""Kind → the module of pulumi-kubernetes that has it, of kinds that are metadata and a spec."""
USER: Final = 10001
"""The platform image's own; other images run with it too, since none may be root."""
CONTAINER_SECURITY: Final[Mapping[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
"""What every container of ours may not do."""
_POD_IDENTITY: Final = ("169.254.170.23/32", 80)
"""Where the Pod Identity agent of a pod's node hands out credentials."""


def kubeconfig(*, cluster: str, endpoint: str, authority: str, region: str) -> str:
    """A kubeconfig that holds no secret: whoever uses it signs in with their own AWS credentials."""
    command = ["eks", "get-token", "--cluster-name", cluster, "--region", region, "--output", "json"]
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": cluster,
                    "cluster": {"server": endpoint, "certificate-authority-data": authority},
                }
            ],
            "users": [
                {
                    "name": cluster,
                    "user": {
                        "exec": {
                            "apiVersion": "client.authentication.k8s.io/v1beta1",
                            "command": "aws",
                            "args": command,
                            "interactiveMode": "Never",
                        }
                    },
                }
            ],
            "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": cluster}}],
            "current-context": cluster,
        },
        sort_keys=True,
    )


def pod_security() -> dict[str, Any]:
    """A pod's, that runs as the platform image's user, and whose volumes are that user's."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def provider(name: str, config: pulumi.Input[str], parent: pulumi.Resource) -> "kubernetes.Provider":
    """The cluster, as what its objects are made through."""
    import pulumi_kubernetes as kubernetes

    return kubernetes.Provider(
        name,
        kubeconfig=config,
        enable_server_side_apply=True,
        opts=pulumi.ResourceOptions(parent=parent),
    )


class Objects:
    """Makes a component's objects in one cluster."""

    def __init__(
        self,
        parent: pulumi.Resource,
        through: "kubernetes.Provider",
        depends_on: Sequence[pulumi.Resource] = (),
    ) -> None:
        self._options = pulumi.ResourceOptions(parent=parent, provider=through, depends_on=list(depends_on))

    def custom(
        self,
        name: str,
        api_version: str,
        kind: str,
        metadata: Mapping[str, Any],
        spec: pulumi.Input[Mapping[str, Any]],
    ) -> pulumi.Resource:
        """An object of an operator's own kind."""
        from pulumi_kubernetes.apiextensions import CustomResource

        return CustomResource(
            name,
            api_version=api_version,
            kind=kind,
            metadata=dict(metadata),
            spec=spec,
            opts=self._options,
        )

    def built_in(
        self,
        name: str,
        kind: str,
        metadata: Mapping[str, Any],
        spec: pulumi.Input[Mapping[str, Any]],
        after: Sequence[pulumi.Resource] = (),
    ) -> pulumi.Resource:
        """An object of one of Kubernetes' own kinds, which is metadata and a spec.

        Raises:
            KeyError: it is no such kind, or one that nothing here has needed so far.
        """
        module = importlib.import_module(f"pulumi_kubernetes.{_BUILT_IN[kind]}")
        options = pulumi.ResourceOptions.merge(self._options, pulumi.ResourceOptions(depends_on=list(after)))
        made: pulumi.Resource = getattr(module, kind)(name, metadata=dict(metadata), spec=spec, opts=options)
        return made

    def priority_class(self, name: str, physical: str, value: int, description: str) -> pulumi.Resource:
        """How much pods matter beside others."""
        from pulumi_kubernetes.scheduling.v1 import PriorityClass

        return PriorityClass(
            name,
            metadata={"name": physical},
            value=value,
            description=description,
            opts=self._options,
        )

    def namespace(
        self, name: str, namespace: str, labels: Mapping[str, str] | None = None
    ) -> pulumi.Resource:
        """A namespace whose pods are held to the `restricted` standard."""
        from pulumi_kubernetes.core.v1 import Namespace

        standard = {
            f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("audit", "enforce", "warn")
        }
        return Namespace(
            name,
            metadata={"name": namespace, "labels": {**standard, **(labels or {})}},
            opts=self._options,
        )

    def network_policy(
        self, name: str, namespace: str, policy: str, spec: Mapping[str, Any], after: pulumi.Resource
    ) -> pulumi.Resource:
        """What pods of a namespace may reach, and who may reach them."""
        from pulumi_kubernetes.networking.v1 import NetworkPolicy

        shape: Any = dict(spec)
        return NetworkPolicy(
            name,
            metadata={"name": policy, "namespace": namespace},
            spec=shape,
            opts=pulumi.ResourceOptions.merge(self._options, pulumi.ResourceOptions(depends_on=[after])),
        )

    def config_map(
        self, name: str, namespace: str, config_map: str, data: Mapping[str, pulumi.Input[str]]
    ) -> pulumi.Resource:
        """Plain settings, for pods and people to read."""
        from pulumi_kubernetes.core.v1 import ConfigMap

        return ConfigMap(
            name,
            metadata={"name": config_map, "namespace": namespace},
            data=dict(data),
            opts=self._options,
        )

    def service_account(
        self, name: str, namespace: str, account: str, after: Sequence[pulumi.Resource] = ()
    ) -> pulumi.Resource:
        """An identity for pods; AWS rights come by Pod Identity, none of the cluster's are mounted."""
        from pulumi_kubernetes.core.v1 import ServiceAccount

        return ServiceAccount(
            name,
            metadata={"name": account, "namespace": namespace},
            automount_service_account_token=False,
            opts=pulumi.ResourceOptions.merge(self._options, pulumi.ResourceOptions(depends_on=list(after))),
        )


def default_deny() -> dict[str, Any]:
    """Nothing in, nothing out, for every pod."""
    return {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def egress_to_aws() -> dict[str, Any]:
    """Names, HTTPS, and the pod's own credentials; for every pod."""
    address, port = _POD_IDENTITY
    return {
        "podSelector": {},
        "policyTypes": ["Egress"],
        "egress": [
            {"ports": [_port(*item) for item in _DNS_PORTS]},
            {"ports": [_port(*_HTTPS)]},
            {"to": [{"ipBlock": {"cidr": address}}], "ports": [_port("TCP", port)]},
        ],
    }


def ingress_on(ports: Sequence[int]) -> dict[str, Any]:
    """Who asks an operator's webhooks and metrics; the API server is no pod, so no selector names it."""
    return {
        "podSelector": {},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [_port("TCP", port) for port in ports]}],
    }


def _port(protocol: str, port: int) -> dict[str, Any]:
    return {"protocol": protocol, "port": port}
