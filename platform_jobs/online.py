"""The online feature store: an entity's newest features in DynamoDB, read in one round trip."""

import datetime
import math
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from platform_jobs.aws import Clients, error_code, in_parallel
from platform_jobs.errors import JobError
from platform_jobs.times import iso
from platform_jobs.views import Field, View

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

KEY: Final = "entity_id"
EVENT_TIME: Final = "event_time"
EXPIRES_AT: Final = "expires_at"
SEPARATOR: Final = "|"
_KEYS_PER_READ: Final = 100
_READ_ATTEMPTS: Final = 6
_SMALLEST: Final = 1e-130
_LARGEST: Final = 9.9e125
"""DynamoDB's numbers are narrower than IEEE doubles."""


def entity_id(view: View, entity: Mapping[str, Any]) -> str:
    """An entity's key in the view's table: its join keys' values in declared order.

    Raises:
        JobError: reason `bad-entity` if a join key is missing or would be ambiguous.
    """
    missing = [name for name in view.join_keys if entity.get(name) in {None, ""}]
    if missing:
        raise JobError("bad-entity", f"view {view.name} needs the join keys {', '.join(missing)}")
    parts = [str(entity[name]) for name in view.join_keys]
    if len(parts) > 1 and any(SEPARATOR in part for part in parts):
        raise JobError("bad-entity", f"a join key of view {view.name} must not contain {SEPARATOR!r}")
    return SEPARATOR.join(parts)


def to_item(view: View, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as DynamoDB keeps it. Missing values are left out; labels never go online."""
    moment: datetime.datetime = row[view.event_time]
    item: dict[str, Any] = {KEY: {"S": entity_id(view, row)}, EVENT_TIME: {"S": iso(moment)}}
    if view.ttl_days is not None:
        expiry = moment + datetime.timedelta(days=view.ttl_days)
        item[EXPIRES_AT] = {"N": str(math.floor(expiry.timestamp()))}
    for field in view.features:
        value = _to_attribute(field, row.get(field.name))
        if value is not None:
            item[field.name] = value
    return item


def _to_attribute(field: Field, value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if field.type == "string":
        return {"S": str(value)}
    if field.type == "bool":
        return {"BOOL": bool(value)}
    if field.type == "timestamp":
        return {"S": iso(value)}
    if field.type == "int":
        return {"N": str(int(value))}
    number = float(value)
    if math.isnan(number) or abs(number) > _LARGEST:  # infinities too: no number that DynamoDB knows
        return None
    return {"N": repr(number) if abs(number) >= _SMALLEST else "0"}


def _from_attribute(field: Field, attribute: Mapping[str, Any]) -> Any:
    if field.type == "int":
        return int(attribute["N"])
    if field.type == "float":
        return float(attribute["N"])
    return attribute["BOOL"] if field.type == "bool" else attribute["S"]


@dataclass(frozen=True)
class Written:
    """How many entities were written, and how many had newer features already."""

    written: int
    older: int


def write(clients: Clients, view: View, table: str, rows: Iterable[Mapping[str, Any]]) -> Written:
    """Writes rows, one an entity; features never replace newer ones, whoever writes when.

    Rows hold plain Python values; None stands for a missing one.
    """
    client = clients.dynamodb

    def put(row: Mapping[str, Any]) -> bool:
        item = to_item(view, row)
        try:
            client.put_item(
                TableName=table,
                Item=item,
                ConditionExpression="attribute_not_exists(#key) OR #time <= :time",
                ExpressionAttributeNames={"#key": KEY, "#time": EVENT_TIME},
                ExpressionAttributeValues={":time": item[EVENT_TIME]},
            )
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                return False
            raise
        return True

    results = in_parallel(put, rows)
    return Written(sum(results), len(results) - sum(results))


@dataclass(frozen=True)
class Features:
    """An entity's features; None where there is none, or none that is fresh enough."""

    values: dict[str, Any]
    stale_or_unknown: tuple[str, ...]
    """The views that had nothing to say."""


class OnlineReader:
    """Reads the features of several views; keep one and its connections."""

    def __init__(self, clients: Clients, views: Sequence[View], tables: Mapping[str, str]) -> None:
        without = [view.name for view in views if view.name not in tables]
        if without:
            raise JobError("no-table", f"no online table is named for the views {', '.join(without)}")
        self._tables = {tables[view.name]: view for view in views}
        # Somebody waits for the answer: a lost request is better repeated soon than waited for.
        self._client: DynamoDBClient = clients.client(
            "dynamodb",
            connect_timeout=1,
            read_timeout=1,
            retries={"mode": "standard", "max_attempts": 4},
            tcp_keepalive=True,
        )

    def read(
        self, entities: Sequence[Mapping[str, Any]], *, now: datetime.datetime | None = None
    ) -> list[Features]:
        """The newest features of each entity, in the order asked.

        Raises:
            JobError: reason `bad-entity`, or `throttled` if DynamoDB does not answer for all keys in time.
        """
        seconds = (now or datetime.datetime.now(datetime.UTC)).timestamp()
        wanted = [
            (table, entity_id(view, entity)) for entity in entities for table, view in self._tables.items()
        ]
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        batches = list(_batches(list(dict.fromkeys(wanted)), _KEYS_PER_READ))
        answers = (
            map(self._read_batch, batches) if len(batches) < 2 else in_parallel(self._read_batch, batches)
        )
        for answer in answers:
            found.update(answer)
        return [self._features(entity, found, seconds) for entity in entities]

    def _features(
        self, entity: Mapping[str, Any], found: Mapping[tuple[str, str], Mapping[str, Any]], seconds: float
    ) -> Features:
        values: dict[str, Any] = {}
        without: list[str] = []
        for table, view in self._tables.items():
            item: Mapping[str, Any] = found.get((table, entity_id(view, entity)), {})
            # DynamoDB removes expired items within days, not at once.
            if not item or float(item.get(EXPIRES_AT, {"N": "inf"})["N"]) < seconds:
                without.append(view.name)
                item = {}
            for field in view.features:
                attribute = item.get(field.name)
                values[field.name] = None if attribute is None else _from_attribute(field, attribute)
        return Features(values, tuple(without))

    def _read_batch(self, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Mapping[str, Any]]:
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        request: Any = {}
        for table, key in wanted:
            request.setdefault(table, {"Keys": []})["Keys"].append({KEY: {"S": key}})
        for attempt in range(_READ_ATTEMPTS):
            answer = self._client.batch_get_item(RequestItems=request)
            for table, items in answer["Responses"].items():
                found.update({(table, item[KEY]["S"]): item for item in items})
            request = answer.get("UnprocessedKeys")
            if not request:
                return found
            time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - jitter
        raise JobError("throttled", f"the online tables {', '.join(sorted(request))} do not keep up")


def _batches(items: Sequence[tuple[str, str]], size: int) -> Iterator[Sequence[tuple[str, str]]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
