"""What a cluster does for the provider, whichever it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from twin.kubernetes.kinds import Kind

Object = dict[str, Any]


class Place(NamedTuple):
    """Where an object is: its kind, its namespace (empty for none), its name."""

    kind: Kind
    namespace: str
    name: str

    @property
    def id(self) -> str:
        """The id that Pulumi's provider gives such an object."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True)
class Apply:
    """How a manifest is applied."""

    manager: str
    """Who owns the fields."""
    force: bool = False
    """Whether fields of others are taken over."""
    adopt: bool = False
    """Whether an object that is there already, made by somebody else, is taken over."""
    creates: bool = False
    seconds: float = 600.0
    """How long to wait until it is ready."""


class NotReadyError(Exception):
    """The object is there, but did not become what it should in time."""

    def __init__(self, live: Object, reason: str) -> None:
        super().__init__(reason)
        self.live, self.reason = live, reason


class Cluster(Protocol):
    """A cluster."""

    def get(self, place: Place) -> Object | None:
        """The object as it is; None if there is none."""

    def apply(self, place: Place, manifest: Mapping[str, Any], how: Apply) -> tuple[Object, list[str]]:
        """Makes the object so, waits until it is ready; returns it, and what the server warns of.

        Raises:
            NotReadyError: it was applied, but is not ready.
            ValueError: it was refused.
        """

    def delete(self, place: Place, seconds: float) -> None:
        """Removes the object, waits until it is gone; one that is gone is deleted."""
