"""Encryption keys: whether a property names one, and whose it is."""

from typing import Final, Literal

from policies.resources import Resource, Stack
from policies.values import CannotJudge, Props

KEY_TYPES: Final = (
    "aws:kms:Key",
    "aws:kms:Alias",
    "aws:kms:ExternalKey",
    "aws:kms:ReplicaKey",
    "aws:kms:ReplicaExternalKey",
)
"""What a program can make that is a customer's own key."""

Owner = Literal["none", "aws", "customer"]


def key_owner(resource: Resource, stack: Stack, top: str, props: Props, *names: str) -> Owner:
    """Whose key a property names.

    Args:
        resource: What is encrypted.
        stack: Where the key may be made.
        top: The property at the top level that holds it, whose dependencies count.
        props: The block that the property is in.
        names: Its spellings.

    Raises:
        CannotJudge: The key is not known yet, and does not come from a key of this stack.
    """
    if not props.stated(*names):
        return "none"
    if props.unknown(*names):
        made = [stack.by_urn[urn].type for urn in resource.dependencies(top) if urn in stack.by_urn]
        if any(kind in KEY_TYPES for kind in made):
            return "customer"
        raise CannotJudge(f"the key in {top} is not known yet, and no key of this stack")
    return "aws" if "alias/aws/" in props.text(*names) else "customer"
