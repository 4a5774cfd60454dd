"""Real questions: entities that are in the online store, with their features."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from platform_jobs.aws import Clients
from platform_jobs.online import KEY, SEPARATOR, Features, OnlineReader
from platform_jobs.predict import instance_of
from platform_jobs.settings import S3Location
from platform_jobs.views import View, load_view

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_ENTITIES: Final = 200
_AT_ONCE: Final = 20
"""The reader waits a second at most, as serving does; the twin on a busy machine is slower than DynamoDB."""


def question_bodies(clients: Clients, outputs: Mapping[str, Any], model: str) -> list[bytes]:
    """Bodies of requests, one an entity; empty if none is online.

    Args:
        clients: The stack's cloud.
        outputs: The stack's plain outputs.
        model: One of its models.
    """
    names: list[str] = outputs["models"][model]["views"]
    views = [_declared(clients, outputs["views"][name]["declarationUri"], name) for name in names]
    tables = {name: str(outputs["views"][name]["table"]) for name in names}
    entities = list(_entities(clients, views[0], tables[views[0].name]))
    if not entities:
        return []
    reader = OnlineReader(clients, views, tables)
    return [
        json.dumps({"entity": entity, "features": instance_of(views, features)}).encode()
        for start in range(0, len(entities), _AT_ONCE)
        for entity, features in _read(reader, entities[start : start + _AT_ONCE])
        if not features.stale_or_unknown
    ]


def _read(
    reader: OnlineReader, entities: Sequence[Mapping[str, str]]
) -> "Iterator[tuple[Mapping[str, str], Features]]":
    yield from zip(entities, reader.read(entities), strict=True)


def _declared(clients: Clients, uri: str, name: str) -> View:
    return load_view(clients, S3Location.parse(f"{uri.rpartition('/')[0]}/"), name)


def _entities(clients: Clients, view: View, table: str) -> "Iterator[dict[str, str]]":
    scanned = clients.dynamodb.scan(
        TableName=table,
        ProjectionExpression="#key",
        ExpressionAttributeNames={"#key": KEY},
        Limit=MOST_ENTITIES,
    )
    for key in sorted(item[KEY]["S"] for item in scanned["Items"]):
        values = key.split(SEPARATOR) if len(view.join_keys) > 1 else [key]
        yield dict(zip(view.join_keys, values, strict=True))
