"""Rules of composite alarms."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.aws import alarm_rule

STATES = {"a": "ALARM", "b": "OK", "c": "INSUFFICIENT_DATA"}


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ('ALARM("a")', True),
        ("ALARM(b)", False),
        ("OK(b) AND INSUFFICIENT_DATA(c)", True),
        ("NOT ALARM(a) OR ALARM(b)", False),
        ("ALARM(b) AND ALARM(a) OR ALARM(a)", True),
        ("ALARM(b) AND (ALARM(a) OR ALARM(a))", False),
        ("TRUE AND NOT FALSE", True),
        (' ( ALARM("a") ) ', True),
    ],
)
def test_a_rule_is_what_it_says(text, on):
    assert alarm_rule.parse(text)(STATES.__getitem__) is on
    assert alarm_rule.problem(text) == ""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "too early"),
        ("ALARM(a) AND", "too early"),
        ("ALARM(a) ALARM(b)", "not expected"),
        ("(ALARM(a)", "not closed"),
        ("ALARM()", "no part of a rule"),
        ("WARN(a)", "no part of a rule"),
    ],
)
def test_what_is_no_rule_is_told(text, says):
    assert says in alarm_rule.problem(text)


def test_the_alarms_of_a_rule():
    assert alarm_rule.mentioned('ALARM("b") OR (ALARM("a") AND OK("b"))') == ["b", "a"]


RULES = st.recursive(
    st.sampled_from([("ALARM", name) for name in STATES]),
    lambda inner: st.one_of(
        st.tuples(st.just("NOT"), inner),
        st.tuples(st.sampled_from(["AND", "OR"]), inner, inner),
    ),
    max_leaves=8,
)


def written(rule):
    if rule[0] == "ALARM":
        return f'ALARM("{rule[1]}")'
    if rule[0] == "NOT":
        return f"NOT ({written(rule[1])})"
    return f"({written(rule[1])}) {rule[0]} ({written(rule[2])})"


def meant(rule):
    if rule[0] == "ALARM":
        return STATES[rule[1]] == "ALARM"
    if rule[0] == "NOT":
        return not meant(rule[1])
    return meant(rule[1]) and meant(rule[2]) if rule[0] == "AND" else meant(rule[1]) or meant(rule[2])


@given(RULES)
def test_any_rule_means_what_it_says(rule):
    assert alarm_rule.parse(written(rule))(STATES.__getitem__) is meant(rule)
