"""Requests: what is right is taken as it is, everything else is told, and nothing breaks the reader."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_jobs.gateway.model import WrongQuestionError
from platform_jobs.gateway.requests import read_question

RIGHT = {"entity": {"customer_id": "c1"}, "features": {"age": 3, "plan": None}}


def read(body: Any, request_id: str | None = None) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_question(data, ("customer_id",), request_id)


def test_a_question_is_read():
    question = read(RIGHT, "order-17")
    assert (question.id, question.entity, question.features) == (
        "order-17",
        {"customer_id": "c1"},
        {"age": 3, "plan": None},
    )
    assert question.user == "customer_id=c1"
    assert read({**RIGHT, "user": 7}).user == "7"
    assert read({**RIGHT, "entity": {"customer_id": 12}}).entity == {"customer_id": "12"}


@pytest.mark.parametrize("odd", [None, "", "a b", "x" * 65, "é"])
def test_an_id_that_cannot_be_kept_is_replaced(odd: str | None):
    first, second = read(RIGHT, odd), read(RIGHT, odd)
    assert first.id != second.id
    assert len(first.id) == 36


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["entity", "features"]),
        ({**RIGHT, "entity": {}}, ["entity.customer_id"]),
        ({**RIGHT, "entity": {"customer_id": "", "other": 1}}, ["entity.customer_id", "entity.other"]),
        ({**RIGHT, "entity": {"customer_id": True}}, ["entity.customer_id"]),
        ({**RIGHT, "features": {}}, ["features"]),
        ({**RIGHT, "features": {"a": [1], "b": {}, "c": 1}}, ["features.a", "features.b"]),
        ({**RIGHT, "features": {"a": "x" * 2000}}, ["features.a"]),
        ({**RIGHT, "features": {str(number): 1 for number in range(3000)}}, ["features"]),
        (b'{"entity": {"customer_id": "c"}, "features": {"a": 1e999}}', ["features.a"]),
        ({**RIGHT, "user": "", "more": 1}, ["more", "user"]),
    ],
)
def test_every_problem_is_told_with_its_field(body: Any, fields: list[str]):
    with pytest.raises(WrongQuestionError) as refused:
        read(body)
    assert [item["field"] for item in refused.value.problems] == fields


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b'{"features": {"a": NaN}}', b"\xff"])
def test_no_json_is_said_to_be_none(body: bytes):
    with pytest.raises(WrongQuestionError, match=r"is not JSON|must be"):
        read(body)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.binary(max_size=40)
    | st.fixed_dictionaries({"entity": values, "features": values}).map(
        lambda value: json.dumps(value).encode()
    )
)
def test_whatever_is_read_can_be_logged(body: bytes):
    try:
        question = read(body)
    except WrongQuestionError:
        return
    assert json.dumps(dict(question.features), allow_nan=False)
    assert set(question.entity) == {"customer_id"}
