from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.kubernetes.simulation.trace import Serving, Shape, TraceError, parse, parse_csv, read_trace

EXAMPLES = Path(__file__).parents[4] / "docs" / "examples" / "simulation"


def test_the_bundled_trace_says_the_same_as_json_and_as_csv():
    assert read_trace(EXAMPLES / "day.json").jobs == read_trace(EXAMPLES / "day.csv").jobs
    assert len(read_trace(EXAMPLES / "day.json").jobs) == 8


def test_every_problem_is_told_at_once_with_its_place_and_what_would_be_right():
    with pytest.raises(TraceError) as caught:
        parse({"jobs": [{"name": "A", "at": -1, "hors": 2}, 7], "serving": {}, "more": 1})
    assert caught.value.problems == (
        "more is not known; there are hours, jobs, serving",
        "serving is {}; it must be a list",
        "jobs[0].hors is not known; did you mean hours?",
        "jobs[0].name is 'A'; it must be up to 50 lower-case letters, digits and dashes",
        "jobs[0].at is -1; it must be a number, 0 to 744",
        "jobs[0].hours is missing; it must be a number, 0.01 to 744",
        "jobs[1] is 7; it must be an object",
    )


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "a trace is an object"),
        ({}, "neither jobs nor serving"),
        ({"jobs": [{"name": "a", "at": 0, "hours": 1}] * 2}, "the name 'a' is given twice"),
        (
            {"jobs": [{"name": "a", "at": 0, "hours": 1, "gpus": 1.5}]},
            "gpus is 1.5; it must be a whole number",
        ),
        ({"jobs": [{"name": "a", "at": 0, "hours": True}]}, "hours is True"),
        ({"serving": [{"name": "a"}]}, "serving[0].replicas is missing"),
        ({"serving": [{"name": "a", "replicas": [{"at": 0}]}]}, "replicas[0].count is missing"),
        ({"hours": 0, "jobs": [{"name": "a", "at": 0, "hours": 1}]}, "hours is 0"),
    ],
)
def test_a_wrong_trace_is_refused(document, problem):
    with pytest.raises(TraceError) as caught:
        parse(document)
    assert problem in str(caught.value)


def test_a_wrong_table_names_its_lines():
    with pytest.raises(TraceError) as caught:
        parse_csv("kind,name,at,hours\njob,a,x,1\nbatch,b,0,1\n")
    assert "line 3.kind is 'batch'; it must be job or serving" in caught.value.problems
    assert "line 2.at is 'x'; it must be a number, 0 to 744" in caught.value.problems


def test_a_file_that_is_no_trace_is_refused_in_words(tmp_path):
    with pytest.raises(TraceError, match="cannot be read"):
        read_trace(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(TraceError, match="is no JSON"):
        read_trace(tmp_path / "bad.json")


@given(
    st.lists(
        st.tuples(st.floats(0, 20).map(lambda value: round(value, 2)), st.integers(0, 5)),
        min_size=1,
        max_size=8,
        unique_by=lambda change: change[0],
    ),
    st.floats(0, 19.99),
)
def test_replicas_live_as_long_as_the_counts_say(changes, moment):
    serving = Serving("s", "", Shape(1, 1, 1), tuple(sorted(changes)))
    alive = sum(start <= moment < end for start, end in serving.lives(20.0))
    assert alive == serving.count_at(moment)
