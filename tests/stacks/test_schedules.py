import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.schedules import schedule_problem


@pytest.mark.parametrize(
    "text",
    [
        "rate(1 day)",
        "rate(5 minutes)",
        "cron(0 3 ? * MON *)",
        "cron(0/15 8-18 ? * MON-FRI *)",
        "cron(0 0 1,15 JAN-JUN ? 2027)",
        "cron(0 0 L * ? *)",
        "cron(0 0 ? * 6L *)",
        "cron(0 0 ? * 3#2 *)",
        "cron(0 0 15W * ? *)",
    ],
)
def test_what_eventbridge_takes(text):
    assert schedule_problem(text) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 3 * * *", "must be rate"),
        ("rate(0 days)", "at least 1"),
        ("rate(1 days)", "plural"),
        ("rate(2 day)", "plural"),
        ("cron(0 3 * * *)", "six fields"),
        ("cron(0 3 * * * *)", "'?'"),
        ("cron(0 3 ? * ? *)", "'?'"),
        ("cron(60 3 ? * * *)", "minutes '60'"),
        ("cron(0 24 ? * * *)", "hours '24'"),
        ("cron(0 3 ? 13 * *)", "month '13'"),
        ("cron(0 3 ? * FUN *)", "day of week 'FUN'"),
        ("cron(0 3 ? * * 1066)", "year '1066'"),
        ("cron(*/0 3 ? * * *)", "minutes '*/0'"),
    ],
)
def test_what_it_does_not_take(text, says):
    assert says in (schedule_problem(text) or "")


@given(st.integers(0, 59), st.integers(0, 23), st.integers(1, 31), st.integers(1, 12))
def test_any_day_and_time_can_be_named(minute, hour, day, month):
    assert schedule_problem(f"cron({minute} {hour} {day} {month} ? *)") is None


@given(st.text())
def test_no_text_makes_it_fail(text):
    assert schedule_problem(f"cron({text})") is None or schedule_problem(text) is not None
