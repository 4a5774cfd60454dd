"""The resources that the gap fillers keep: plain records by kind, region and name, and their tags by ARN."""

from collections.abc import Iterator
from typing import Any

Record = dict[str, Any]
"""A resource by botocore's member names."""


class RecordStore:
    """All records, in the order they were made; a `Store` of the cloud's state."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str, str], dict[str, Record]] = {}
        self._tags: dict[str, dict[str, str]] = {}
        self._notes: dict[tuple[str, ...], Any] = {}

    def all_of(self, service: str, noun: str, region: str) -> dict[str, Record]:
        """The records of one kind in one region by name; changes to it are changes to the store."""
        return self._records.setdefault((service, noun, region), {})

    def everywhere(self) -> Iterator[tuple[str, str, str, str, Record]]:
        """Every record as service, noun, region, name, record."""
        for (service, noun, region), records in self._records.items():
            for name, record in records.items():
                yield service, noun, region, name, record

    def tags(self, arn: str) -> dict[str, str]:
        """The tags of a record."""
        return self._tags.get(arn, {})

    def set_tags(self, arn: str, tags: dict[str, str]) -> None:
        """Gives the record these tags and no others."""
        if tags:
            self._tags[arn] = tags
        else:
            self._tags.pop(arn, None)

    @property
    def notes(self) -> dict[tuple[str, ...], Any]:
        """What is remembered of moto's own resources: dropped fields, by service, family, region, name."""
        return self._notes

    def dump(self) -> Any:
        """The state as plain values."""
        return self._records, self._tags, self._notes

    def load(self, state: Any) -> None:
        """Takes the place of `dump`'s values."""
        self._records, self._tags, self._notes = state
