"""What a gap filler has at hand while it answers one operation."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from twin.aws.cloud import clock
from twin.aws.cloud.gaps.store import RecordStore
from twin.aws.cloud.http import HttpResponse
from twin.aws.cloud.protocol import AwsError, Operation


@dataclass(frozen=True)
class Context:
    """One operation being answered."""

    operation: Operation
    store: RecordStore
    forward: Callable[[], HttpResponse]

    @property
    def parameters(self) -> dict[str, Any]:
        """The request's parameters by botocore's names."""
        return self.operation.parameters

    @property
    def region(self) -> str:
        """Where the request was sent."""
        return self.operation.call.region

    @property
    def account(self) -> str:
        """Whose request it is."""
        return self.operation.call.account

    def required(self, name: str) -> Any:
        """A parameter that AWS insists on."""
        value = self.parameters.get(name)
        if value is None:
            raise AwsError("ValidationException", f"missing required parameter {name}")
        return value


def utc_now() -> datetime:
    """The instant of the request, as moto's parsers and serialisers have it: UTC, without a zone."""
    return datetime.fromtimestamp(clock.now(), UTC).replace(tzinfo=None)


Answer = Callable[[Context], dict[str, Any] | None]
"""Answers an operation with its result by botocore's names."""
