"""What a report says: percentiles, and how long a fault was felt."""

import json

from hypothesis import given
from hypothesis import strategies as st

from cli.load.generator import Outcome
from cli.load.plan import LoadPlan
from cli.load.report import Fault, LoadReport, percentile
from cli.load.watch import Reading, parse_reading

PLAN = LoadPlan(rps=10, seconds=4, kill_after=1)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.floats(0.1, 100))
def test_a_percentile_is_the_least_value_that_covers_that_share(values: list[float], percent: float):
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= percent / 100 * len(values) - 1e-6
    assert sum(value < found for value in values) < percent / 100 * len(values) + 1e-6


def reading(at: float, live: int, previous: int = 0, errors: int = 0) -> Reading:
    return Reading(at, {"live": live, "previous": previous}, errors)


def report(*readings: Reading) -> LoadReport:
    outcomes = [Outcome(number / 10, 5.0, "live") for number in range(40)]
    fault = Fault(at=1.1, processes=(7,))
    return LoadReport(model="m", plan=PLAN, outcomes=outcomes, readings=readings, fault=fault)


def test_recovery_is_when_the_metrics_show_nothing_but_live_answers():
    seen = [reading(0, 0), reading(1, 10), reading(1.5, 11, 4), reading(2, 12, 8), reading(2.5, 17, 8)]
    assert round(report(*seen).degraded_seconds or 0, 3) == 0.9
    assert report(*seen[:4]).degraded_seconds is None, "it was degraded to the end"
    assert report(seen[0], seen[1], reading(2, 20)).degraded_seconds == 0.0
    told = report(*seen).to_json()
    assert json.loads(json.dumps(told)) == told
    assert told["metrics"]["answers"] == {"live": 17, "previous": 8}
    assert told["metrics"]["timeline"][1] == {
        "from": 1,
        "to": 1.5,
        "answers": {"live": 1, "previous": 4},
        "errors": 0,
    }
    assert told["fault"]["degradedSeconds"] == 0.9


def test_a_reading_takes_the_models_own_counters():
    text = (
        'stagecraft_answers_total{model="m",stack="s",step="live"} 5.0\n'
        'stagecraft_answers_total{model="other",stack="s",step="live"} 7.0\n'
        'stagecraft_errors_total{model="m",stack="s"} 2.0\n'
    )
    assert parse_reading(text, "m", 1.5) == Reading(1.5, {"live": 5.0}, 2.0)
