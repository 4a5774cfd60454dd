"""A pod's spec as what runs on this machine: command, environment and files of each container."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

IMAGE: Final = "stagecraft.dev/image"
"""Annotation of a pod: whose image its containers run."""
PLATFORM: Final = "platform"
"""The platform's own, the only one that this machine can run."""
_PORT_VARIABLES: Final = {"serve": "SAGEMAKER_BIND_TO_PORT", "gateway": "STAGECRAFT_GATEWAY_PORT"}
"""Command → where it is told its port: here, all pods share one loopback."""
_SERVICE: Final = re.compile(
    r"http://(?P<name>[a-z0-9-]+)\.(?P<namespace>[a-z0-9-]+)\.svc(?:\.cluster\.local)?(?::(?P<port>\d+))?"
)
_DEFAULT_GRACE: Final = 30


@dataclass(frozen=True)
class Probe:
    """How a container is asked."""

    path: str
    period: float
    timeout: float
    failures: int

    @classmethod
    def of(cls, declared: Mapping[str, Any] | None) -> "Probe | None":
        """An HTTP probe; None if there is none."""
        if not declared or "httpGet" not in declared:
            return None
        return cls(
            path=str(declared["httpGet"].get("path", "/")),
            period=float(declared.get("periodSeconds", 10)),
            timeout=float(declared.get("timeoutSeconds", 1)),
            failures=int(declared.get("failureThreshold", 3)),
        )


@dataclass(frozen=True)
class ContainerSpec:
    """One container."""

    name: str
    image: str
    arguments: tuple[str, ...]
    variables: Mapping[str, str]
    mounts: Mapping[str, str]
    """Path in the container → volume."""
    port: int | None
    """The port that it declares; None for one that only runs to its end."""
    startup: Probe | None
    readiness: Probe | None
    liveness: Probe | None
    linger: float
    """Seconds between being told to go, and SIGTERM (`preStop`)."""

    @classmethod
    def of(cls, declared: Mapping[str, Any]) -> "ContainerSpec":
        """As a manifest has it."""
        ports = declared.get("ports") or ()
        pause = ((declared.get("lifecycle") or {}).get("preStop") or {}).get("sleep") or {}
        return cls(
            name=str(declared["name"]),
            image=str(declared.get("image", "")),
            arguments=tuple(declared.get("args") or ()),
            variables={item["name"]: str(item.get("value", "")) for item in declared.get("env") or ()},
            mounts={item["mountPath"]: item["name"] for item in declared.get("volumeMounts") or ()},
            port=int(ports[0]["containerPort"]) if ports else None,
            startup=Probe.of(declared.get("startupProbe")),
            readiness=Probe.of(declared.get("readinessProbe")),
            liveness=Probe.of(declared.get("livenessProbe")),
            linger=float(pause.get("seconds", 0)),
        )

    def environment(
        self, folder: Path, port: int | None, address_of: Callable[[str, int], str]
    ) -> dict[str, str]:
        """What it is told, as it is true on this machine.

        Args:
            folder: Where the pod's volumes are.
            port: Where it listens here.
            address_of: `<service>.<namespace>`, port → where that service is on this machine.
        """
        told = {name: self._here(value, folder, address_of) for name, value in self.variables.items()}
        told["TMPDIR"] = str(self._local("/tmp", folder) or folder)  # noqa: S108  # in the container
        variable = _PORT_VARIABLES.get(self.arguments[0]) if self.arguments else None
        if variable is not None and port is not None:
            told[variable] = str(port)
        return told

    def _here(self, value: str, folder: Path, address_of: Callable[[str, int], str]) -> str:
        local = self._local(value, folder) if value.startswith("/") else None
        if local is not None:
            return str(local)
        return _SERVICE.sub(
            lambda found: address_of(f"{found['name']}.{found['namespace']}", int(found["port"] or 80)), value
        )

    def _local(self, path: str, folder: Path) -> Path | None:
        """Where a path of the container lies on this machine, if it is in a volume."""
        for mount, volume in sorted(self.mounts.items(), reverse=True):
            if PurePosixPath(path).is_relative_to(mount):
                return folder / volume / PurePosixPath(path).relative_to(mount)
        return None


@dataclass(frozen=True)
class PodSpec:
    """One pod."""

    namespace: str
    name: str
    uid: str
    init: Sequence[ContainerSpec]
    containers: Sequence[ContainerSpec]
    volumes: Sequence[str]
    grace: float

    @property
    def path(self) -> str:
        """Where the API server has it."""
        return f"/api/v1/namespaces/{self.namespace}/pods/{self.name}"

    @classmethod
    def of(cls, pod: Mapping[str, Any]) -> "PodSpec":
        """As the API server has it."""
        spec, metadata = pod["spec"], pod["metadata"]
        return cls(
            namespace=metadata["namespace"],
            name=metadata["name"],
            uid=metadata["uid"],
            init=[ContainerSpec.of(each) for each in spec.get("initContainers") or ()],
            containers=[ContainerSpec.of(each) for each in spec["containers"]],
            volumes=[each["name"] for each in spec.get("volumes") or ()],
            grace=float(spec.get("terminationGracePeriodSeconds", _DEFAULT_GRACE)),
        )


def runs_here(pod: Mapping[str, Any]) -> bool:
    """Whether a pod is run for real, and not played."""
    return (pod["metadata"].get("annotations") or {}).get(IMAGE) == PLATFORM
