"""What goes wrong with data without an error, seen through the job's own doors."""

import contextlib
import datetime
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from moto import mock_aws

from platform_jobs import materialise, quality, silent_failures
from platform_jobs.demo_data import to_csv
from platform_jobs.errors import JobError
from platform_jobs.silent_failures import Health, SilentFailureSettings
from tests.platform_jobs.conftest import World, make_world
from tests.platform_jobs.served import DECLARATION, VIEW, customers, taken

DAY = datetime.timedelta(days=1)
END = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
Row = dict[str, Any]


def deliver(
    world: World, day: datetime.datetime, change: Callable[[Row], Row] = dict, count: int = 60
) -> None:
    """A day's rows, as its source sends them at the day's end."""
    rows = [
        change({**taken(row), "observed_at": (day + DAY * number / count).isoformat()})
        for number, row in enumerate(customers(count, seed=day.toordinal()))
    ]
    world.ingest(VIEW, to_csv(rows), name=f"{day:%d}.csv", now=day + DAY - datetime.timedelta(minutes=1))
    with contextlib.suppress(JobError):  # some days are refused: that is what is to be told
        quality.run(world.clients, world.quality(VIEW, STAGECRAFT_MAX_BAD_FRACTION="0.9"))
    materialise.run(world.clients, world.materialise(VIEW), now=END)


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with mock_aws():
        world = make_world(tmp_path_factory.mktemp("health"))
        world.declare(DECLARATION)
        for ago in (4, 3, 2):
            deliver(world, END - ago * DAY)
        yield world


def look(world: World, **overrides: str) -> Health:
    known = {"STAGECRAFT_WINDOW_END": END.isoformat(), "STAGECRAFT_VIEW": VIEW, **overrides}
    return silent_failures.run(world.clients, world.settings(SilentFailureSettings, **known))


def put(world: World) -> dict[str, float]:
    """The newest metrics of the view as a whole."""
    pages = world.clients.cloudwatch.get_paginator("list_metrics").paginate(Namespace="Stagecraft")
    found = {}
    for page in pages:
        for metric in page["Metrics"]:
            if {item["Name"] for item in metric["Dimensions"]} == {"Stack", "FeatureView"}:
                (point,) = world.clients.cloudwatch.get_metric_statistics(
                    Namespace="Stagecraft",
                    MetricName=metric["MetricName"],
                    Dimensions=metric["Dimensions"],
                    StartTime=END - DAY,
                    EndTime=END + DAY,
                    Period=60,
                    Statistics=["Maximum"],
                )["Datapoints"]
                found[metric["MetricName"]] = point["Maximum"]
    return found


def test_an_ordinary_day_raises_nothing(world: World):
    deliver(world, END - DAY)
    found = look(world)
    assert (found.rows, found.usual_rows, found.row_ratio) == (60, 60, 1)
    assert found.null_rise is not None
    assert found.null_rise < 0.1
    assert (found.constant, found.schema_changes) == ((), 0)
    assert put(world) == {
        "RowCount": 60,
        "RowCountRatio": 1,
        "FeatureAge": 24 * 60,
        "NullRateRise": pytest.approx(found.null_rise),
        "ConstantFeatures": 0,
        "SchemaChanges": 0,
    }


def test_a_source_that_ran_dry_is_told_by_count_and_age(world: World):
    found = look(world)
    assert (found.rows, found.row_ratio) == (0, 0)
    assert found.age_seconds == (DAY + datetime.timedelta(minutes=24)).total_seconds()
    later = look(world, STAGECRAFT_WINDOW_END=(END + 30 * DAY).isoformat())
    assert (later.rows, later.null_rates) == (0, {})
    assert later.age_seconds is not None
    assert later.age_seconds > 30 * 86400


def test_everything_twice_is_told_by_the_ratio(world: World):
    deliver(world, END - DAY, count=120)
    assert look(world).row_ratio == 2


def test_lost_values_and_constant_ones_are_told_by_field(world: World):
    deliver(world, END - DAY, lambda row: {**row, "spend": "", "region": "north"})
    found = look(world)
    assert found.null_rates["spend"] == 1
    assert found.null_rise is not None
    assert found.null_rise > 0.9
    assert found.constant == ("region",)


def test_columns_that_come_go_and_change_their_type_are_told(world: World):
    deliver(world, END - DAY, lambda row: {**row, "shoe_size": 42})
    found = look(world)
    assert (found.appeared, found.disappeared, found.retyped) == (("shoe_size",), (), ())
    day_after = END + DAY
    deliver(world, END, lambda row: {name: value for name, value in row.items() if name != "premium"})
    assert look(world, STAGECRAFT_WINDOW_END=day_after.isoformat()).disappeared == ("premium",)
    deliver(world, day_after, lambda row: {**row, "logins": f"{row['logins']} times", "shoe_size": 42})
    found = look(world, STAGECRAFT_WINDOW_END=(day_after + DAY).isoformat())
    assert (found.appeared, found.disappeared, found.retyped) == ((), (), ("logins",))


def test_the_first_day_of_a_view_has_nothing_to_be_compared_with(tmp_path_factory: pytest.TempPathFactory):
    with mock_aws():
        world = make_world(tmp_path_factory.mktemp("first"))
        world.declare(DECLARATION)
        assert look(world) == Health(0, None, None, {}, {}, (), (), (), ())
        assert put(world) == {"RowCount": 0, "ConstantFeatures": 0, "SchemaChanges": 0}
        deliver(world, END - DAY)
        found = look(world)
        assert (found.rows, found.row_ratio, found.null_rise, found.schema_changes) == (60, None, None, 0)
