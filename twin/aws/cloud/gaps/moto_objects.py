"""moto's own objects, for operations that moto lacks on resources that it has."""

from typing import Any

from twin.aws.cloud.gaps.context import Context


def backend(context: Context, service: str) -> Any:
    """Moto's backend of a service, where the request looks."""
    from moto.backends import get_backend

    regions = get_backend(service)[context.account]  # type: ignore[call-overload]
    return regions[context.region if context.region in regions else "aws"]
