"""What of an object can not change: another value takes another object."""

from collections.abc import Mapping
from typing import Any, Final

from twin.kubernetes.checks import rules
from twin.kubernetes.kinds import Kind
from twin.kubernetes.provider.configuration import Configuration

_ALWAYS: Final = ("apiVersion", "kind", "metadata.name", "metadata.namespace")
_SELECTOR: Final = ("spec.selector",)
_BINDING: Final = ("roleRef",)
_DATA: Final = ("binaryData", "data", "stringData")
_POD: Final = ("spec",)
_CLASS: Final = ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode")
_IMMUTABLE: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("apps", "DaemonSet"): _SELECTOR,
    ("apps", "Deployment"): _SELECTOR,
    ("apps", "ReplicaSet"): _SELECTOR,
    ("apps", "StatefulSet"): (
        *_SELECTOR,
        "spec.podManagementPolicy",
        "spec.serviceName",
        "spec.volumeClaimTemplates",
    ),
    ("batch", "Job"): ("spec.completionMode", "spec.completions", "spec.selector", "spec.template"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _BINDING,
    ("rbac.authorization.k8s.io", "RoleBinding"): _BINDING,
    ("storage.k8s.io", "StorageClass"): _CLASS,
    ("scheduling.k8s.io", "PriorityClass"): ("globalDefault", "preemptionPolicy", "value"),
    ("", "PersistentVolume"): ("spec.csi", "spec.hostPath", "spec.local", "spec.nfs", "spec.volumeMode"),
    ("", "PersistentVolumeClaim"): (
        "spec.accessModes",
        "spec.dataSource",
        "spec.selector",
        "spec.storageClassName",
        "spec.volumeMode",
        "spec.volumeName",
    ),
    ("", "Pod"): _POD,
    ("", "ResourceQuota"): ("spec.scopes", "spec.scopeSelector"),
    ("", "Secret"): ("type",),
    ("", "Service"): ("spec.clusterIP", "spec.clusterIPs"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"): (
        "spec.group",
        "spec.names.kind",
        "spec.names.plural",
        "spec.scope",
    ),
}
_POD_CHANGES: Final = ("spec.activeDeadlineSeconds", "spec.tolerations")
"""What may change of a running pod; its containers' images too."""


class Immutable:
    """Says of a path whether it can change, for one change of one object."""

    def __init__(
        self, kind: Kind, configuration: Configuration, old: Mapping[str, Any], new: Mapping[str, Any]
    ) -> None:
        self._changes = kind.name == "Pod" and not kind.group
        self._paths = [*_ALWAYS, *_IMMUTABLE.get((kind.group, kind.name), ())]
        changeable = {"ConfigMap": configuration.config_maps_change, "Secret": configuration.secrets_change}
        # Pulumi replaces them, so that pods which name one roll with its content.
        if not kind.group and kind.name in changeable and not changeable[kind.name]:
            self._paths += _DATA
        self._paths += rules.forbidden_changes(kind, old, new)

    def __call__(self, path: str) -> bool:
        """Whether another value at the path takes another object."""
        changes = self._changes and (
            path.startswith(_POD_CHANGES) or (path.startswith("spec.") and path.endswith("].image"))
        )
        # A rule at the top of an object is broken by whatever changed.
        return not changes and any(
            each in ("", path) or path.startswith((f"{each}.", f"{each}[")) for each in self._paths
        )
