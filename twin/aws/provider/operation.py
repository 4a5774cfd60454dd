"""What an adapter has at hand while it carries out one RPC."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from twin.aws.provider.clients import Cloud


@dataclass
class Operation:
    """One RPC on one resource: where it happens and how the cloud is reached.

    An adapter's `create` sets `id` as soon as the resource exists; what fails after that is reported as a
    resource that exists but is not complete.
    """

    cloud: Cloud
    region: str
    service: str
    urn: str = ""
    id: str = ""
    made: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str = "", region: str = "") -> Any:
        """A boto3 client; by default for the adapter's service in the resource's region."""
        return self.cloud.client(service or self.service, region or self.region)

    def call(self, operation: str, params: Mapping[str, Any], service: str = "") -> dict[str, Any]:
        """Calls an API operation by its name in the service's model."""
        answer: dict[str, Any] = self.client(service)._make_api_call(operation, dict(params))
        return answer

    @property
    def account(self) -> str:
        """The account's number."""
        return self.cloud.account

    @cached_property
    def partition(self) -> str:
        """The partition that the region belongs to."""
        if self.region.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"

    @property
    def dns_suffix(self) -> str:
        """What the partition's host names end in."""
        return "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"

    def arn(
        self, service: str, resource: str, *, region: str | None = None, account: str | None = None
    ) -> str:
        """An ARN in this account and region; pass an empty string to leave one out."""
        where = self.region if region is None else region
        who = self.account if account is None else account
        return f"arn:{self.partition}:{service}:{where}:{who}:{resource}"
