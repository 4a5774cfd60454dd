"""Which sub-resource of a bucket or object an S3 request is about, by its query."""

from typing import Final

FILLED: Final = frozenset(
    {"analytics", "intelligent-tiering", "lifecycle", "metrics", "notification", "requestPayment"}
)
"""What the gap fillers look at."""
_MOTO: Final = frozenset(
    [
        "accelerate",
        "acl",
        "attributes",
        "cors",
        "delete",
        "encryption",
        "inventory",
        "legal-hold",
        "location",
        "logging",
        "object-lock",
        "ownershipControls",
        "policy",
        "policyStatus",
        "publicAccessBlock",
        "replication",
        "restore",
        "retention",
        "select",
        "tagging",
        "uploads",
        "versioning",
        "versions",
        "website",
    ]
)


def sub_resources(target: str) -> list[str]:
    """The query's names without a value."""
    query = target.partition("?")[2]
    return [part for part in query.split("&") if part and "=" not in part]


def is_filled(target: str) -> bool:
    """Whether a gap filler looks at the request."""
    return any(name in FILLED for name in sub_resources(target))


def is_unknown(target: str) -> bool:
    """Whether neither moto nor a gap filler has the sub-resource.

    moto would take the PUT of one for the creation of the bucket.
    """
    return any(name not in FILLED and name not in _MOTO for name in sub_resources(target))
