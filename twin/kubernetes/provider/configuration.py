"""The provider's configuration, and which cluster it means."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from twin.kubernetes.provider import kubeconfig
from twin.kubernetes.provider.kubeconfig import Access
from twin.providers.problems import Problems
from twin.wire import UNKNOWN

KUBECONFIG_VARIABLE: Final = "STAGECRAFT_KUBECONFIG"
FOLDER_VARIABLE: Final = "STAGECRAFT_KUBERNETES"
_HOME_VARIABLE: Final = "STAGECRAFT_HOME"
_NAMESPACE: Final = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
_FLAGS: Final = ("enableConfigMapMutable", "enableSecretMutable", "enablePatchForce", "upsertExistingObjects")
_IGNORED: Final = frozenset(
    {
        # How a real cluster is reached, how Helm runs, and what a real provider says or does not say.
        "alwaysRender",
        "clusterIdentifier",
        "deleteUnreachable",
        "helmReleaseSettings",
        "kubeClientSettings",
        "skipUpdateUnreachable",
        "strictMode",
        "suppressDeprecationWarnings",
        "suppressHelmHookWarnings",
        "pluginDownloadURL",
        "version",
    }
)
_HONOURED: Final = frozenset(
    {
        "kubeconfig",
        "context",
        "cluster",
        "namespace",
        "enableServerSideApply",
        "renderYamlToDirectory",
        *_FLAGS,
    }
)


@dataclass(frozen=True)
class Configuration:
    """What of the provider's inputs matters in the twin."""

    namespace: str = "default"
    access: Access | None = None
    """The cluster of the kubeconfig; None if there is none, or if it is not known yet."""
    known: bool = True
    config_maps_change: bool = False
    secrets_change: bool = False
    force: bool = False
    """Whether fields that somebody else manages are taken over."""
    adopt: bool = False
    """Whether an object that is there already is taken over."""

    @property
    def identity(self) -> str:
        """What tells one cluster from another."""
        return self.access.host if self.access else "default"


def parse(inputs: Mapping[str, Any], problems: Problems) -> Configuration:
    """The provider's inputs (anything but text arrives as JSON) as a configuration."""
    values = {key: _decoded(key, value) for key, value in inputs.items() if value not in (None, "")}
    for key in sorted(set(values) - _HONOURED - _IGNORED):
        if not key.startswith("__"):
            problems.add(key, "is no setting that the twin's Kubernetes provider knows", "leave it out")
    if values.get("enableServerSideApply") is False:
        problems.add(
            "enableServerSideApply", "is off", "the twin applies on the server's side only: leave it out"
        )
    if values.get("renderYamlToDirectory") is not None:
        problems.add("renderYamlToDirectory", "is not emulated", "leave it out of the local stack")
    for key in _FLAGS:
        if not isinstance(values.get(key, False), bool) and values[key] is not UNKNOWN:
            problems.add(key, f"{values[key]!r} is neither true nor false", "give one of them")
    config = values.get("kubeconfig")
    access = None
    if config is not None and config is not UNKNOWN:
        try:
            access = kubeconfig.parse(
                config, context=_text(values, "context"), cluster=_text(values, "cluster")
            )
        except ValueError as error:
            problems.add("kubeconfig", str(error))
    namespace = values.get("namespace") or (access.namespace if access else "default")
    if namespace is not UNKNOWN and not (isinstance(namespace, str) and _NAMESPACE.match(namespace)):
        problems.add("namespace", f"{namespace!r} is no name of a namespace", 'give one such as "default"')
    flags = {key: values.get(key) is True for key in _FLAGS}
    return Configuration(
        namespace=namespace if isinstance(namespace, str) else "default",
        access=access,
        known=config is not UNKNOWN,
        config_maps_change=flags["enableConfigMapMutable"],
        secrets_change=flags["enableSecretMutable"],
        force=flags["enablePatchForce"],
        adopt=flags["upsertExistingObjects"],
    )


def named_access(environment: Mapping[str, str]) -> Access | None:
    """The cluster that `STAGECRAFT_KUBECONFIG` names, which must be on this machine.

    Raises:
        ValueError: it can not be read, or its server is elsewhere.
    """
    named = environment.get(KUBECONFIG_VARIABLE)
    if not named:
        return None
    try:
        access = kubeconfig.parse(named)
    except ValueError as error:
        raise ValueError(f"{KUBECONFIG_VARIABLE}: {error}") from error
    if not access.local:
        raise ValueError(
            f"{KUBECONFIG_VARIABLE}: {access.server} is not on this machine; the twin talks to no other: "
            "for a real cluster use the pulumi CLI"
        )
    return access


def records_folder(environment: Mapping[str, str], identity: str) -> Path:
    """Where the objects of a cluster are recorded that no server keeps."""
    named, home = environment.get(FOLDER_VARIABLE), environment.get(_HOME_VARIABLE)
    if named:
        root = Path(named)
    else:
        root = (Path(home).absolute() if home else Path(__file__).parents[3] / ".stagecraft") / "kubernetes"
    return root / re.sub(r"[^A-Za-z0-9.-]", "_", identity)


def _text(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""


def _decoded(key: str, value: Any) -> Any:
    if key != "kubeconfig" and isinstance(value, str) and value[:1] in ("{", "[", "t", "f"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
