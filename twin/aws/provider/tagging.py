"""Tags: the provider's default tags, and the three calls with which a service's tags are read and changed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from twin.aws.provider.clients import is_missing

if TYPE_CHECKING:
    from twin.aws.provider.operation import Operation


@dataclass(frozen=True)
class Tagging:
    """How a service tags: its calls and the names of their parameters."""

    resource: str = "ResourceArn"
    tags: str = "Tags"
    keys: str = "TagKeys"
    add: str = "tag_resource"
    remove: str = "untag_resource"
    read: str = "list_tags_for_resource"
    answer: str = ""
    pair: tuple[str, str] | None = ("Key", "Value")
    target: str = "arn"
    service: str = ""
    as_list: bool = False
    fixed: Mapping[str, str] = field(default_factory=dict)
    """Parameters that all three calls take besides (SSM's `ResourceType`)."""

    def pairs(self, tags: Mapping[str, str]) -> Any:
        """Tags as the service's calls take them."""
        if self.pair is None:
            return dict(tags)
        return as_pairs(tags, *self.pair)

    def current(self, op: "Operation", target: str) -> dict[str, str]:
        """The tags that the resource has."""
        client = op.client(self.service)
        try:
            answer = getattr(client, self.read)(**self._named(target))
        except ClientError as error:
            if is_missing(error):  # some services know no tags of what has none
                return {}
            raise
        return self.parsed(answer.get(self.answer or self.tags) or ())

    def parsed(self, found: Any) -> dict[str, str]:
        """Tags as the service answers them."""
        if isinstance(found, Mapping):
            return {str(key): str(value) for key, value in found.items()}
        return from_pairs(found, *(self.pair or ("Key", "Value")))

    def change(self, op: "Operation", target: str, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        """Makes the resource's tags what they should be, leaving others alone."""
        client = op.client(self.service)
        gone = sorted(set(old) - set(new))
        if gone:
            getattr(client, self.remove)(**self._named(target), **{self.keys: self._keys(gone)})
        come = {key: value for key, value in sorted(new.items()) if old.get(key) != value}
        if come:
            getattr(client, self.add)(**self._named(target), **{self.tags: self.pairs(come)})

    def _keys(self, gone: list[str]) -> Any:
        """Keys as the service takes them: CloudTrail wants pairs without values."""
        if self.pair is not None and self.keys == self.tags:
            return [{self.pair[0]: key} for key in gone]
        return gone

    def _named(self, target: str) -> dict[str, Any]:
        return {**self.fixed, self.resource: [target] if self.as_list else target}


def as_pairs(tags: Mapping[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Tags as a list of pairs, in the order of keys."""
    return [{key: name, value: tags[name]} for name in sorted(tags)]


def from_pairs(
    pairs: Iterable[Mapping[str, Any]] | None, key: str = "Key", value: str = "Value"
) -> dict[str, str]:
    """A list of pairs as tags; those that AWS keeps for itself are left out."""
    return {
        str(pair[key]): str(pair.get(value) or "")
        for pair in pairs or ()
        if not str(pair[key]).startswith("aws:")
    }
