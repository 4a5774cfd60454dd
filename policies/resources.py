"""Resources as rules see them, one at a time and as a stack in which one refers to another."""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, Final, TypeVar

from pulumi_policy import PolicyResource, ResourceValidationArgs

from policies.decoding import props_of
from policies.values import CannotJudge, Props, plain

T = TypeVar("T")

_SAME: Final[Mapping[str, str]] = {
    "aws:ec2:SecurityGroupIngressRule": "aws:vpc:SecurityGroupIngressRule",
    "aws:s3:BucketV2": "aws:s3:Bucket",
    "aws:s3:BucketAclV2": "aws:s3:BucketAcl",
    "aws:s3:BucketCorsConfigurationV2": "aws:s3:BucketCorsConfiguration",
    "aws:s3:BucketLifecycleConfigurationV2": "aws:s3:BucketLifecycleConfiguration",
    "aws:s3:BucketLoggingV2": "aws:s3:BucketLogging",
    "aws:s3:BucketObjectLockConfigurationV2": "aws:s3:BucketObjectLockConfiguration",
    "aws:s3:BucketServerSideEncryptionConfigurationV2": "aws:s3:BucketServerSideEncryptionConfiguration",
    "aws:s3:BucketVersioningV2": "aws:s3:BucketVersioning",
    "aws:s3:BucketWebsiteConfigurationV2": "aws:s3:BucketWebsiteConfiguration",
}
"""Types that are one thing under two names."""

_IDENTITIES: Final = ("id", "arn", "bucket", "name", "url", "keyId", "targetKeyId")
"""Properties by whose value another resource may refer to one."""

_INTERPOLATION: Final = re.compile(r"\$\{([^}]*)\}")
_BARE: Final = re.compile(r"aws_[a-z0-9_]+\.[\w-]+(?:\[[^]]*\])?(?:\.\w+)*")
"""A Terraform reference without its braces; no name in AWS looks like that."""


@lru_cache(maxsize=4096)
def short_type(token: str) -> str:
    """A type token without its module path or API group: `aws:s3:Bucket`, `kubernetes:Deployment`."""
    package, _, rest = token.partition(":")
    module, _, name = rest.rpartition(":")
    if package == "kubernetes":
        return f"{package}:{name}"
    short = f"{package}:{module.partition('/')[0]}:{name}"
    return _SAME.get(short, short)


def interpolated_names(text: str) -> list[str]:
    """What a text refers to that a template left as it is: `raw` of `${raw.id}` or `aws_s3_bucket.raw.id`."""
    references = [text] if _BARE.fullmatch(text) else _INTERPOLATION.findall(text)
    return [part for reference in references for part in re.split(r"[.\[\]\"' ]+", reference) if part]


class Resource:
    """One resource: what it is and what it is given."""

    def __init__(
        self,
        source: PolicyResource | ResourceValidationArgs,
        *,
        rewritten: bool = False,
    ) -> None:
        """Describes a resource.

        Args:
            source: As the SDK hands it over.
            rewritten: Its properties may have been rewritten since they were last read.
        """
        self._source = source
        self._rewritten = rewritten
        self.token: str = source.resource_type
        self.type = short_type(source.resource_type)
        self.name: str = source.name
        self.urn: str = source.urn
        self.protected: bool = bool(source.opts.protect)

    @cached_property
    def props(self) -> Props:
        """Its inputs (in a stack: its outputs)."""
        return Props(plain(self._source.props)) if self._rewritten else props_of(self._source.props)

    @cached_property
    def provider_props(self) -> Props:
        """Its provider's settings; empty if they are not told."""
        provider = self._source.provider
        return props_of(provider.props) if provider is not None else Props(None)

    @property
    def parent_urn(self) -> str:
        """The resource it belongs to; empty at the top."""
        return self._source.opts.parent or ""

    @property
    def provider_reference(self) -> str | None:
        """Its provider as state files name it, `URN::ID`; the id is not told."""
        provider = self._source.provider
        return f"{provider.urn}::" if provider is not None and provider.urn else None

    def all_property_dependencies(self) -> dict[str, list[str]]:
        """Property → URNs that its value comes from."""
        if not isinstance(self._source, PolicyResource):
            return {}
        return {
            prop: [item.urn for item in found] for prop, found in self._source.property_dependencies.items()
        }

    def dependencies(self, prop: str | None = None) -> list[str]:
        """URNs of what a property (None: the resource as a whole) depends on; known in a stack only."""
        if not isinstance(self._source, PolicyResource):
            return []
        if prop is None:
            return [item.urn for item in self._source.dependencies]
        return [item.urn for item in self._source.property_dependencies.get(prop, [])]

    def __repr__(self) -> str:
        return f"{self.type} {self.name}"


class Stack:
    """All resources, and who refers to whom."""

    def __init__(self, resources: Iterable[PolicyResource]) -> None:
        self.resources = [Resource(item) for item in resources]
        self.by_urn = {resource.urn: resource for resource in self.resources}
        self._by_type: dict[str, list[Resource]] = defaultdict(list)
        for resource in self.resources:
            self._by_type[resource.type].append(resource)
        self._identities: dict[str, dict[str, list[Resource]]] = {}
        self._referrers: dict[tuple[str, str, str], dict[str, list[Resource]]] = {}
        self._remembered: dict[Hashable, Any] = {}

    def remember(self, key: Hashable, find_out: Callable[[], T]) -> T:
        """What is found out about the stack once and asked for often; what raises is not remembered."""
        if key not in self._remembered:
            self._remembered[key] = find_out()
        found: T = self._remembered[key]
        return found

    def of(self, *types: str) -> list[Resource]:
        """The resources of these types."""
        return [resource for kind in types for resource in self._by_type.get(kind, [])]

    def has(self, *types: str) -> bool:
        """Whether there is any of these types."""
        return any(self._by_type.get(kind) for kind in types)

    def targets(
        self, resource: Resource, prop: str, types: Sequence[str], value: Any = None
    ) -> list[Resource]:
        """The resources of these types that a property refers to, by dependency or else by value.

        Args:
            resource: Who refers.
            prop: Its property at the top level, whose dependencies count.
            types: What it may refer to.
            value: The reference itself, if it lies deeper than the property.
        """
        found = [
            self.by_urn[urn]
            for urn in resource.dependencies(prop)
            if urn in self.by_urn and self.by_urn[urn].type in types
        ]
        if len(found) == 1:
            return found
        known = value if value is not None else _known(resource, prop)
        if isinstance(known, str):
            named = [item for kind in types for item in self._named(kind, known)]
            if found:
                return [item for item in found if item in named] or found
            return named
        if not found and resource.props.unknown(prop):
            whole = [
                self.by_urn[urn]
                for urn in resource.dependencies()
                if urn in self.by_urn and self.by_urn[urn].type in types
            ]
            return whole if len(whole) == 1 else []
        return found

    def referrers(self, target: Resource, kind: str, prop: str) -> list[Resource]:
        """The resources of a type whose property refers to this one: a bucket's versioning, say."""
        key = (target.type, kind, prop)
        if key not in self._referrers:
            index: dict[str, list[Resource]] = defaultdict(list)
            for resource in self.of(kind):
                for found in self.targets(resource, prop, (target.type,)):
                    index[found.urn].append(resource)
            self._referrers[key] = index
        return self._referrers[key].get(target.urn, [])

    def matching(self, kind: str, text: str) -> list[Resource]:
        """The resources of a type that a text names, by any of the properties that tell it."""
        return self._named(kind, text)

    def _named(self, kind: str, text: str) -> list[Resource]:
        if kind not in self._identities:
            self._identities[kind] = self._identify(kind)
        index = self._identities[kind]
        candidates = [text, *interpolated_names(text), text.rpartition(":::")[2]]
        return next((index[item] for item in candidates if item and item in index), [])

    def _identify(self, kind: str) -> dict[str, list[Resource]]:
        index: dict[str, list[Resource]] = defaultdict(list)
        for resource in self.of(kind):
            names = {resource.urn}
            for prop in _IDENTITIES:
                value = _known(resource, prop)
                if isinstance(value, str):
                    names.add(value)
            for name in sorted(names):
                index[name].append(resource)
        for resource in self.of(kind):
            # Its name in the program, unless that is another's name in the cloud.
            index.setdefault(resource.name, [resource])
        return index


def _known(resource: Resource, prop: str) -> Any:
    try:
        return resource.props.get(prop)
    except CannotJudge:
        return None
