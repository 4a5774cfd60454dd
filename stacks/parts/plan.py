"""What every part is given: the stack's settings, its name, and the labels that follow from them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pulumi

from stacks.labels import Tags, model_tags, tags_of
from stacks.pools import DEFAULT_REGION, SizedPool, sized_pools
from stacks.settings import Model, Settings

Outputs = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """One stack, as declared."""

    settings: Settings
    stack: str

    @cached_property
    def tags(self) -> Tags:
        """What every resource of the stack carries."""
        return tags_of(self.settings, self.stack)

    @cached_property
    def region(self) -> str:
        """Where the stack is, as its configuration says."""
        return pulumi.Config("aws").get("region") or DEFAULT_REGION

    @cached_property
    def pools(self) -> list[SizedPool]:
        """The training pools that follow from the models; the shared one first."""
        return sized_pools(self.settings, self.region)

    def tags_of(self, model: Model) -> Tags:
        """What a model's own resources carry beside them, and in their place."""
        return model_tags(self.settings, self.stack, model.name)

    def has(self, capability: str) -> bool:
        """Whether a capability is on."""
        return capability in self.settings.enabled


def joined(*parts: Mapping[str, Any]) -> Outputs:
    """The outputs of several parts as one; what two parts group under one name is told together.

    Raises:
        ValueError: two parts tell the same thing.
    """
    whole: Outputs = {}
    for part in parts:
        for name, value in part.items():
            if name not in whole:
                whole[name] = value
            elif isinstance(value, Mapping) and isinstance(whole[name], Mapping):
                whole[name] = joined(whole[name], value)
            else:
                raise ValueError(f"two parts tell the output {name}")
    return whole
