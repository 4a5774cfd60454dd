"""Events on their way in: what keeps to the schema passes, what does not is told of, nothing is lost."""

import base64
import datetime
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.event_schema import EVENT_TYPES, OUTCOME_TAGS, event_schema
from platform_jobs import events

SCHEMA = json.loads(event_schema(EVENT_TYPES, OUTCOME_TAGS))
IDS = st.text(min_size=1, max_size=128)
EVENTS = st.fixed_dictionaries(
    {
        "event_id": IDS,
        "user_id": IDS,
        "type": st.sampled_from(EVENT_TYPES),
        "occurred_at": st.datetimes(timezones=st.just(datetime.UTC)).map(datetime.datetime.isoformat),
        "schema_version": st.integers(1, 9),
    },
    optional={
        "session_id": IDS,
        "source": IDS,
        "properties": st.dictionaries(IDS, st.integers() | st.booleans() | st.text()),
        "outcome": st.fixed_dictionaries(
            {"tag": st.sampled_from(OUTCOME_TAGS)},
            optional={"value": st.floats(allow_nan=False, allow_infinity=False), "prediction_id": IDS},
        ),
    },
)
BROKEN = {
    "event_id": ("", "must have at least 1 characters"),
    "user_id": (7, "must be of type string"),
    "type": ("page_exploded", "must be one of"),
    "occurred_at": ("2026-01-31T09:30:00", "must be a time with its zone"),
    "schema_version": (True, "must be of type integer"),
    "outcome": ({"tag": "fame"}, "must be one of"),
    "shoe_size": (44, "is not in the schema"),
}


def record(value: Any, number: int = 0) -> dict[str, Any]:
    """As Firehose hands it over."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return {
        "recordId": str(number),
        "data": base64.b64encode(data).decode(),
        "kinesisRecordMetadata": {"shardId": "shard-0", "sequenceNumber": f"4961{number}"},
    }


@given(EVENTS)
def test_an_event_of_the_schema_passes_as_one_line_under_its_type_and_day(event: dict[str, Any]) -> None:
    judged = events.judge(record(event), SCHEMA)
    assert judged.problems == ()
    line = base64.b64decode(judged.data)
    assert (line.count(b"\n"), json.loads(line)) == (1, event)
    assert judged.answer["metadata"]["partitionKeys"] == {
        "type": event["type"],
        "date": event["occurred_at"][:10],
    }


@given(EVENTS, st.sampled_from(sorted(BROKEN)))
def test_one_wrong_field_is_named_and_its_value_is_not(event: dict[str, Any], field: str) -> None:
    value, problem = BROKEN[field]
    judged = events.judge(record({**event, field: value}), SCHEMA)
    (told,) = judged.problems
    assert told.startswith(field)
    assert problem in told
    assert judged.answer == {
        "recordId": "0",
        "result": "ProcessingFailed",
        "data": record({**event, field: value})["data"],
    }


@given(EVENTS, st.sampled_from(sorted(SCHEMA["required"])))
def test_a_missing_field_is_named(event: dict[str, Any], field: str) -> None:
    del event[field]
    assert events.judge(record(event), SCHEMA).problems == (f"{field}: is missing",)


@given(st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_whatever_comes_is_judged(value: Any) -> None:
    judged = events.judge(record(value), SCHEMA)
    assert judged.answer["result"] == "ProcessingFailed"


def test_a_day_is_utcs() -> None:
    event = {
        "event_id": "1",
        "user_id": "u",
        "type": "page_viewed",
        "occurred_at": "2026-03-01T00:30:00+02:00",
        "schema_version": 1,
    }
    assert events.judge(record(event), SCHEMA).keys["date"] == "2026-02-28"


def test_every_record_gets_an_answer_and_the_queue_hears_of_the_bad_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent: list[dict[str, Any]] = []

    class Stub:
        """The two services that the judge asks."""

        def __init__(self) -> None:
            self.glue = self

        def get_schema_version(self, **_asked: Any) -> dict[str, str]:
            return {"SchemaDefinition": json.dumps(SCHEMA)}

        def client(self, service: str) -> "Stub":
            assert service == "sqs"
            return self

        def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> None:  # noqa: N803
            assert (QueueUrl, len(Entries) <= 10) == ("https://queue", True)
            sent.extend(json.loads(each["MessageBody"]) for each in Entries)

    monkeypatch.setattr(events, "Clients", Stub)
    monkeypatch.setattr(events, "_schemas", {})
    monkeypatch.setenv("STAGECRAFT_EVENT_SCHEMA_ARN", "arn:schema")
    monkeypatch.setenv("STAGECRAFT_DEAD_LETTER_QUEUE_URL", "https://queue")
    good = {
        "event_id": "1",
        "user_id": "secret-person",
        "type": "page_viewed",
        "occurred_at": "2026-03-01T00:30:00Z",
        "schema_version": 1,
    }
    given_records = [record(good if n % 2 else {**good, "type": "x"}, n) for n in range(24)]
    answer = events.handler({"records": given_records}, None)
    assert [each["recordId"] for each in answer["records"]] == [str(n) for n in range(24)]
    assert [each["result"] for each in answer["records"]] == ["ProcessingFailed", "Ok"] * 12
    assert len(sent) == 12
    assert sent[0]["place"] == {"shardId": "shard-0", "sequenceNumber": "49610"}
    assert "secret-person" not in json.dumps(sent)
