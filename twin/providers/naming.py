"""What the engine says about the name of a resource whose program gives none."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pulumi.runtime.proto import provider_pb2

_MODE: Final = provider_pb2.CheckRequest.AutonamingOptions.Mode


@dataclass(frozen=True)
class Naming:
    """The seed of a name's digits, the project's rule, and what the resource was before."""

    name: str
    olds: Mapping[str, Any] = field(default_factory=dict)
    seed: bytes = b""
    proposed: str = ""
    mode: str = ""

    @classmethod
    def asked(cls, request: Any, olds: Mapping[str, Any]) -> "Naming":
        """What a Check request says."""
        return cls(
            olds=olds,
            name=request.name or request.urn.rsplit("::", 1)[-1],
            seed=request.randomSeed,
            proposed=request.autonaming.proposed_name,
            mode=_MODE.Name(request.autonaming.mode) if request.HasField("autonaming") else "",
        )
