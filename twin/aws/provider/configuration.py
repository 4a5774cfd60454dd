"""The provider's configuration: what is honoured, what is ignored, what is refused."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from twin.loopback import require_loopback
from twin.providers.problems import Problems, join
from twin.wire import UNKNOWN

DEFAULT_REGION: Final = "us-east-1"
CLOUD_VARIABLE: Final = "STAGECRAFT_CLOUD"
HOME_VARIABLE: Final = "STAGECRAFT_HOME"
_REGION: Final = re.compile(r"^[a-z]{2}(-[a-z]+)+-\d$")

_IGNORED: Final = frozenset(
    {
        # Credentials and where they come from: the twin has none.
        "accessKey",
        "secretKey",
        "token",
        "profile",
        "sharedConfigFiles",
        "sharedCredentialsFiles",
        "assumeRoles",
        "assumeRoleWithWebIdentity",
        "ec2MetadataServiceEndpoint",
        "ec2MetadataServiceEndpointMode",
        "stsRegion",
        # How a real endpoint is reached.
        "customCaBundle",
        "httpProxy",
        "httpsProxy",
        "noProxy",
        "insecure",
        "maxRetries",
        "retryMode",
        "tokenBucketRateLimiterCapacity",
        "useDualstackEndpoint",
        "useFipsEndpoint",
        "s3UsePathStyle",
        "s3UsEast1RegionalEndpoint",
        "skipCredentialsValidation",
        "skipMetadataApiCheck",
        "skipRegionValidation",
        "skipRequestingAccountId",
        "userAgents",
        "version",
        "pluginDownloadURL",
    }
)
_HONOURED: Final = frozenset(
    {"region", "defaultTags", "ignoreTags", "allowedAccountIds", "forbiddenAccountIds", "endpoints"}
)
_TAGS_VARIABLE: Final = "TF_AWS_DEFAULT_TAGS_"


@dataclass(frozen=True)
class Configuration:
    """What of the provider's inputs matters in the twin."""

    region: str = DEFAULT_REGION
    default_tags: Mapping[str, str] = field(default_factory=dict)
    ignored_tags: frozenset[str] = frozenset()
    ignored_prefixes: tuple[str, ...] = ()
    allowed_accounts: frozenset[str] = frozenset()
    forbidden_accounts: frozenset[str] = frozenset()

    def merged_tags(self, tags: Mapping[str, Any]) -> dict[str, Any]:
        """A resource's tags on top of the default tags."""
        return {**self.default_tags, **tags}

    def visible_tags(self, tags: Mapping[str, str]) -> dict[str, str]:
        """Tags as read, without those that the provider is told to ignore."""
        return {
            key: value
            for key, value in sorted(tags.items())
            if key not in self.ignored_tags and not key.startswith(self.ignored_prefixes or ("\0",))
        }


def parse(inputs: Mapping[str, Any], problems: Problems) -> Configuration:
    """The provider's inputs (objects may be JSON text, as the engine sends them) as a configuration."""
    values = {key: _decoded(value) for key, value in inputs.items() if value is not None and value != ""}
    for key in sorted(set(values) - _HONOURED - _IGNORED):
        if not key.startswith("__"):
            problems.add(key, "is no setting that the twin's AWS provider knows", "leave it out")
    region = values.get("region", os.environ.get("STAGECRAFT_REGION", DEFAULT_REGION))
    if region is UNKNOWN:
        region = DEFAULT_REGION
    if not isinstance(region, str) or not _REGION.match(region):
        problems.add("region", f"{region!r} is no region", 'give one such as "us-east-1"')
        region = DEFAULT_REGION
    _check_endpoints(values.get("endpoints"), problems)
    default_tags = values.get("defaultTags") or {}
    tags = default_tags.get("tags") or {} if isinstance(default_tags, dict) else {}
    ignored = values.get("ignoreTags") or {}
    ignored = ignored if isinstance(ignored, dict) else {}
    return Configuration(
        region=region,
        default_tags={str(key): value for key, value in sorted(tags.items())},
        ignored_tags=frozenset(ignored.get("keys") or ()),
        ignored_prefixes=tuple(ignored.get("keyPrefixes") or ()),
        allowed_accounts=frozenset(map(str, values.get("allowedAccountIds") or ())),
        forbidden_accounts=frozenset(map(str, values.get("forbiddenAccountIds") or ())),
    )


def _decoded(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("{", "[", "t", "f"):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _check_endpoints(endpoints: Any, problems: Problems) -> None:
    for place, entry in enumerate(endpoints if isinstance(endpoints, list) else []):
        for service, address in sorted(entry.items()) if isinstance(entry, dict) else []:
            try:
                if isinstance(address, str) and address:
                    require_loopback(address)
            except ValueError as error:
                problems.add(join(f"endpoints[{place}]", service), str(error))


def cloud_endpoint(environment: Mapping[str, str]) -> str:
    """The endpoint of the cloud to use: the one named, else one of its own under `STAGECRAFT_HOME`.

    Raises:
        ValueError: the named one is not on this machine.
    """
    named = environment.get(CLOUD_VARIABLE)
    if named:
        try:
            return require_loopback(named)
        except ValueError as error:
            raise ValueError(f"{CLOUD_VARIABLE}: {error}") from error
    from twin.aws.cloud.client import ensure_cloud

    named_home = environment.get(HOME_VARIABLE)
    home = Path(named_home).absolute() if named_home else Path(__file__).parents[3] / ".stagecraft"
    return str(ensure_cloud(home / "cloud").endpoint)
