"""Uniform resource names: `urn:pulumi:STACK::PROJECT::[parentQualifiedType$]TYPE::NAME`."""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

STACK_TYPE: Final = "pulumi:pulumi:Stack"
PROVIDER_PREFIX: Final = "pulumi:providers:"
STACK_REFERENCE_TYPE: Final = "pulumi:pulumi:StackReference"
_SCHEME: Final = "urn:pulumi:"


@dataclass(frozen=True)
class Urn:
    """A URN in its parts; `qualified_type` carries the parents' types, joined by `$`."""

    stack: str
    project: str
    qualified_type: str
    name: str

    @staticmethod
    @functools.lru_cache(maxsize=65536)
    def parse(text: str) -> "Urn":
        """Splits a URN; the name may itself contain `::`."""
        if not text.startswith(_SCHEME):
            raise ValueError(f"not a URN: {text!r}")
        parts = text.removeprefix(_SCHEME).split("::", 3)
        if len(parts) != 4:
            raise ValueError(f"not a URN: {text!r}")
        return Urn(*parts)

    @property
    def type(self) -> str:
        """The resource's own type."""
        return self.qualified_type.rsplit("$", 1)[-1]

    def __str__(self) -> str:
        return f"{_SCHEME}{self.stack}::{self.project}::{self.qualified_type}::{self.name}"


def make(stack: str, project: str, parent: str, type_: str, name: str) -> str:
    """The URN of a resource; a parent that is the Stack adds no prefix."""
    qualified = type_
    if parent:
        parent_type = Urn.parse(parent).qualified_type
        if parent_type != STACK_TYPE:
            qualified = f"{parent_type}${type_}"
    return str(Urn(stack, project, qualified, name))


def package_of(type_: str) -> str:
    """The package a type token belongs to: `aws` of `aws:s3/bucket:Bucket`."""
    if type_.startswith(PROVIDER_PREFIX):
        return type_.removeprefix(PROVIDER_PREFIX)
    return type_.split(":", 1)[0]


def is_provider(type_: str) -> bool:
    """Whether a type token is a provider's."""
    return type_.startswith(PROVIDER_PREFIX)


def is_default_provider(urn: str) -> bool:
    """Whether a provider instance is one that the engine registers by itself."""
    parsed = Urn.parse(urn)
    named = parsed.name == "default" or parsed.name.startswith("default_")
    return named and parsed.qualified_type.startswith(PROVIDER_PREFIX)


def split_reference(reference: str) -> tuple[str, str]:
    """A provider reference `URN::ID` in its parts."""
    urn, separator, identity = reference.rpartition("::")
    if not separator:
        raise ValueError(f"not a provider reference: {reference!r}")
    return urn, identity


@dataclass(frozen=True)
class AliasSpec:
    """Where a resource was before: a whole URN, or the parts that were different."""

    urn: str = ""
    name: str = ""
    type: str = ""
    stack: str = ""
    project: str = ""
    parent: str = ""
    no_parent: bool = False


def alias_urns(
    urn: str, parent: str, specs: Iterable[AliasSpec], parent_aliases: Sequence[str], parent_name: str
) -> list[str]:
    """Every URN a resource may have had, its own aliases first, then those it inherits from its parent.

    A child whose name starts with its parent's name is taken to have followed the parent's rename.
    """
    own = Urn.parse(urn)
    found: list[str] = []

    def add(candidate: str) -> None:
        if candidate != urn and candidate not in found:
            found.append(candidate)

    def under(parent_alias: str, name: str, type_: str, spec: AliasSpec) -> str:
        alias_name = Urn.parse(parent_alias).name
        if parent_name and name.startswith(parent_name):
            name = alias_name + name.removeprefix(parent_name)
        return make(spec.stack or own.stack, spec.project or own.project, parent_alias, type_, name)

    plain = AliasSpec()
    for spec in specs:
        if spec.urn:
            add(spec.urn)
            continue
        name, type_ = spec.name or own.name, spec.type or own.type
        stack, project = spec.stack or own.stack, spec.project or own.project
        if spec.no_parent or spec.parent:
            add(make(stack, project, spec.parent, type_, name))
            continue
        add(make(stack, project, parent, type_, name))
        for parent_alias in parent_aliases:
            add(under(parent_alias, name, type_, spec))
    for parent_alias in parent_aliases:
        add(under(parent_alias, own.name, own.type, plain))
    return found
