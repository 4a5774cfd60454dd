import datetime
import math
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from platform_jobs import online, tables
from platform_jobs.aws import Clients
from platform_jobs.errors import JobError
from platform_jobs.features import training_frame
from platform_jobs.online import OnlineReader
from platform_jobs.views import View, parse_view
from tests.platform_jobs.conftest import World

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def view_of(name: str = "activity", ttl: float | None = 2, **fields: str) -> View:
    declaration: dict[str, Any] = {
        "name": name,
        "joinKeys": ["user"],
        "eventTime": "at",
        "fields": [{"name": key, "type": kind} for key, kind in (fields or {"score": "float"}).items()],
    }
    if ttl is not None:
        declaration["ttlDays"] = ttl
    return parse_view(declaration)


def frame_of(view: View, rows: list[dict[str, Any]]) -> pd.DataFrame:
    columns = {column.name: tables.FRAME_TYPES[column.type] for column in view.columns}
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


users = st.sampled_from(["a", "b", "c"])
hours = st.integers(0, 24 * 8)
events = st.lists(st.tuples(users, hours), unique=True, max_size=30)


@settings(max_examples=60, deadline=None)
@given(
    features=events,
    labels=st.lists(st.tuples(users, hours), max_size=20),
    ttl=st.sampled_from([None, 0, 0.5, 1, 3]),
)
def test_training_frames_agree_with_the_definition(
    features: list[tuple[str, int]], labels: list[tuple[str, int]], ttl: float | None
):
    """For every label: of all features of its entity at or before its time and within TTL, the latest."""
    view = view_of(ttl=ttl)
    history = [
        {"user": user, "at": START + datetime.timedelta(hours=hour), "score": float(number)}
        for number, (user, hour) in enumerate(features)
    ]
    asked = pd.DataFrame(
        {
            "user": pd.Series([user for user, _ in labels], dtype="str"),
            "when": pd.Series([START + datetime.timedelta(hours=hour) for _, hour in labels]).astype(
                "datetime64[us, UTC]"
            ),
            "label": range(len(labels)),
        }
    )
    found = training_frame(asked, "when", [(view, frame_of(view, history))])

    expected = []
    for user, hour in labels:
        moment = START + datetime.timedelta(hours=hour)
        known = [
            row
            for row in history
            if row["user"] == user
            and row["at"] <= moment
            and (ttl is None or moment - row["at"] <= datetime.timedelta(days=ttl))
        ]
        expected.append(max(known, key=lambda row: row["at"])["score"] if known else math.nan)
    assert found["label"].tolist() == list(range(len(labels)))
    assert found["score"].fillna(-1).tolist() == [-1 if math.isnan(value) else value for value in expected]


def test_several_views_join_to_one_frame_and_clashes_are_named():
    first, second = view_of(), view_of("profile", ttl=None, age="int")
    labels = pd.DataFrame({"user": ["a"], "at": [START], "label": [1]}).astype({"at": "datetime64[us, UTC]"})
    day = datetime.timedelta(days=1)
    frame = training_frame(
        labels,
        "at",
        [
            (first, frame_of(first, [{"user": "a", "at": START - day, "score": 0.5}])),
            (second, frame_of(second, [{"user": "a", "at": START - 99 * day, "age": 40}])),
        ],
    )
    assert frame.to_dict("records") == [{"user": "a", "at": START, "label": 1, "score": 0.5, "age": 40}]
    with pytest.raises(JobError, match=r"score \(in activity and other\)"):
        training_frame(labels, "at", [(first, frame_of(first, [])), (view_of("other"), frame_of(first, []))])


def declared(world: World) -> None:
    world.declare(
        {
            "name": "activity",
            "joinKeys": ["user"],
            "eventTime": "at",
            "fields": [{"name": "x", "type": "int"}],
        }
    )


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.dictionaries(users, st.integers(0, 40), min_size=1), min_size=1, max_size=6))
def test_the_newest_features_win_in_whatever_order_they_come(world: World, batches: list[dict[str, int]]):
    view = view_of(ttl=None, hour="int")
    if "STAGECRAFT_ONLINE_TABLES" not in world.environ:
        declared(world)
    table = "online-activity"
    for user in "abc":
        world.clients.dynamodb.delete_item(TableName=table, Key={"entity_id": {"S": user}})
    for batch in batches:
        rows = [
            {"user": user, "at": START + datetime.timedelta(hours=hour), "hour": hour}
            for user, hour in batch.items()
        ]
        result = online.write(world.clients, view, table, rows)
        assert result.written + result.older == len(batch)
    newest = {
        user: max(batch[user] for batch in batches if user in batch)
        for user in {user for batch in batches for user in batch}
    }
    reader = OnlineReader(world.clients, [view], {"activity": table})
    found = reader.read([{"user": user} for user in newest])
    assert [item.values["hour"] for item in found] == list(newest.values())


def test_every_type_survives_the_way_through_dynamodb(world: World):
    declared(world)
    kinds = {
        "i": "int",
        "f": "float",
        "s": "string",
        "b": "bool",
        "t": "timestamp",
        "nan": "float",
        "inf": "float",
    }
    view = view_of(ttl=None, **kinds, tiny="float", huge="float", none="string")
    values = {"i": 2**60 + 1, "f": 0.1 + 0.2, "s": "naïve", "b": False, "t": START, "nan": math.nan}
    values |= {"inf": -math.inf, "tiny": 1e-300, "huge": 1e300, "none": None}
    online.write(world.clients, view, "online-activity", [{"user": "a", "at": START, **values}])
    (found,) = OnlineReader(world.clients, [view], {"activity": "online-activity"}).read([{"user": "a"}])
    assert found.values == {
        "i": 2**60 + 1,
        "f": 0.1 + 0.2,
        "s": "naïve",
        "b": False,
        "t": "2026-01-01T00:00:00.000000Z",
        "nan": None,
        "inf": None,
        "tiny": 0.0,
        "huge": None,
        "none": None,
    }


def test_what_is_past_its_ttl_is_not_served_even_if_it_is_still_there(world: World):
    declared(world)
    view = view_of(ttl=1)
    online.write(world.clients, view, "online-activity", [{"user": "a", "at": START, "score": 1.0}])
    reader = OnlineReader(world.clients, [view], {"activity": "online-activity"})
    hour = datetime.timedelta(hours=1)
    (fresh,) = reader.read([{"user": "a"}], now=START + 23 * hour)
    (stale,) = reader.read([{"user": "a"}], now=START + 25 * hour)
    assert (fresh.values, fresh.stale_or_unknown) == ({"score": 1.0}, ())
    assert (stale.values, stale.stale_or_unknown) == ({"score": None}, ("activity",))


def test_many_entities_are_read_in_batches_in_the_order_asked(world: World):
    declared(world)
    view = view_of(ttl=None, n="int")
    rows = [{"user": f"u{number}", "at": START, "n": number} for number in range(230)]
    online.write(world.clients, view, "online-activity", rows)
    asked = [{"user": f"u{number}"} for number in [5, 5, *range(229, -1, -1), 999]]
    found = OnlineReader(world.clients, [view], {"activity": "online-activity"}).read(asked)
    assert [item.values["n"] for item in found] == [5, 5, *range(229, -1, -1), None]


def test_an_entity_without_its_key_is_an_error(world: World):
    reader = OnlineReader(world.clients, [view_of()], {"activity": "online-activity"})
    with pytest.raises(JobError, match="needs the join keys user"):
        reader.read([{"account": "1"}])
    with pytest.raises(JobError, match="no online table is named for the views activity"):
        OnlineReader(Clients(region="us-east-1"), [view_of()], {})
