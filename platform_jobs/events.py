"""Events of the product, judged on their way in: one schema for all of them, kept in the schema registry.

A Firehose stream hands its records to `handler` and stores what comes back: good ones under their type and
day, bad ones under the error prefix. What was wrong goes to the dead-letter queue, too, without the data.
"""

import base64
import datetime
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from platform_jobs import log, settings
from platform_jobs.aws import Clients
from platform_jobs.log import INFO, WARNING, event
from platform_jobs.settings import Env

_KINDS: Final[dict[str, type | tuple[type, ...]]] = {
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "object": dict,
    "string": str,
}
_SQS_BATCH: Final = 10
_MOST_PROBLEMS: Final = 20

Schema = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class EventSettings:
    """What `handler` reads from its environment."""

    schema_arn: Annotated[str, Env("STAGECRAFT_EVENT_SCHEMA_ARN")]
    dead_letters: Annotated[str, Env("STAGECRAFT_DEAD_LETTER_QUEUE_URL")]


@dataclass(frozen=True)
class Judged:
    """One record as Firehose wants it back."""

    id: str
    data: str
    problems: tuple[str, ...]
    keys: Mapping[str, str]

    @property
    def answer(self) -> dict[str, Any]:
        """A record that failed goes to the error prefix as it came."""
        if self.problems:
            return {"recordId": self.id, "result": "ProcessingFailed", "data": self.data}
        return {
            "recordId": self.id,
            "result": "Ok",
            "data": self.data,
            "metadata": {"partitionKeys": dict(self.keys)},
        }


_schemas: dict[str, Schema] = {}
"""The registry is asked once by each process: a new version is known to those that start after it."""


def handler(given: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Judges the records of a delivery stream."""
    log.configure()
    config, clients = settings.load(EventSettings), Clients()
    schema = _schema(clients, config.schema_arn)
    records = [judge(record, schema) for record in given["records"]]
    bad = [
        (judged, record) for judged, record in zip(records, given["records"], strict=True) if judged.problems
    ]
    if bad:
        _report(clients, config.dead_letters, [_letter(judged, record) for judged, record in bad])
    event("events", "judged", WARNING if bad else INFO, records=len(records), bad=len(bad))
    return {"records": [judged.answer for judged in records]}


def judge(record: Mapping[str, Any], schema: Schema) -> Judged:
    """One record of Firehose's: good, with where it belongs, or with everything that is wrong with it."""
    data = record["data"]
    try:
        value = json.loads(base64.b64decode(data))
    except ValueError:
        return Judged(record["recordId"], data, ("is no JSON",), {})
    problems = tuple(
        problem for problem, _ in zip(problems_of(value, schema), range(_MOST_PROBLEMS), strict=False)
    )
    if problems:
        return Judged(record["recordId"], data, problems, {})
    day = _moment(value["occurred_at"]).astimezone(datetime.UTC).date().isoformat()
    line = json.dumps(value, separators=(",", ":"), sort_keys=True).encode() + b"\n"
    keys = {"type": str(value["type"]), "date": day}
    return Judged(record["recordId"], base64.b64encode(line).decode(), (), keys)


def problems_of(value: Any, schema: Schema, path: str = "") -> Iterator[str]:
    """What of a value does not keep to a schema, each with its path and without the value itself.

    Knows what our schemas are made of: type, required, properties, additionalProperties, enum, const,
    minLength, maxLength, minimum, format date-time.
    """
    kind = _KINDS.get(schema.get("type", ""))
    wrong_boolean = isinstance(value, bool) and schema.get("type") in ("integer", "number")
    if kind is not None and (not isinstance(value, kind) or wrong_boolean):
        yield f"{path or 'event'}: must be of type {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: must be one of {', '.join(map(str, schema['enum']))}"
    if "const" in schema and value != schema["const"]:
        yield f"{path}: must be {schema['const']}"
    if isinstance(value, str):
        yield from _text_problems(value, schema, path)
    if isinstance(value, int | float) and value < schema.get("minimum", value):
        yield f"{path}: must be at least {schema['minimum']}"
    if isinstance(value, dict):
        yield from _object_problems(value, schema, path)


def _text_problems(value: str, schema: Schema, path: str) -> Iterator[str]:
    if len(value) < schema.get("minLength", 0):
        yield f"{path}: must have at least {schema['minLength']} characters"
    if len(value) > schema.get("maxLength", len(value)):
        yield f"{path}: must have at most {schema['maxLength']} characters"
    if schema.get("format") == "date-time":
        try:
            zoned = _moment(value).tzinfo is not None
        except ValueError:
            zoned = False
        if not zoned:
            yield f"{path}: must be a time with its zone, such as 2026-01-31T09:30:00Z"


def _object_problems(value: Mapping[str, Any], schema: Schema, path: str) -> Iterator[str]:
    properties: Mapping[str, Any] = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{_joined(path, name)}: is missing"
    for name in sorted(value):
        if name in properties:
            yield from problems_of(value[name], properties[name], _joined(path, name))
        elif schema.get("additionalProperties") is False:
            yield f"{_joined(path, name)}: is not in the schema"


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def _schema(clients: Clients, arn: str) -> Schema:
    if arn not in _schemas:
        version = clients.glue.get_schema_version(
            SchemaId={"SchemaArn": arn}, SchemaVersionNumber={"LatestVersion": True}
        )
        _schemas[arn] = json.loads(version["SchemaDefinition"])
    return _schemas[arn]


def _letter(judged: Judged, record: Mapping[str, Any]) -> dict[str, Any]:
    """What was wrong, and where in the stream the record is as long as the stream keeps it."""
    return {"problems": list(judged.problems), "place": record.get("kinesisRecordMetadata", {})}


def _report(clients: Clients, queue_url: str, letters: Sequence[Mapping[str, Any]]) -> None:
    sqs = clients.client("sqs")
    for start in range(0, len(letters), _SQS_BATCH):
        entries = [
            {"Id": str(number), "MessageBody": json.dumps(letter)}
            for number, letter in enumerate(letters[start : start + _SQS_BATCH])
        ]
        sqs.send_message_batch(QueueUrl=queue_url, Entries=entries)
