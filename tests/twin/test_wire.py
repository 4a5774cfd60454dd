"""The codec between protobuf and Python values."""

from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from pulumi.runtime import rpc

from twin.wire import (
    FULL,
    PLAIN,
    UNKNOWN,
    UNKNOWN_TEXT,
    Archive,
    Asset,
    Encoding,
    OutputValue,
    ResourceReference,
    Secret,
    from_struct,
    from_value,
    holds_secret,
    special_fields,
    to_struct,
    to_value,
    unwrap,
)

EVERYTHING = Encoding(secrets=True, references=True, outputs=True)
TEXTS = st.text(max_size=20).filter(lambda text: text != "4dabf18193072939515e22adb298388d")
SCALARS = (
    st.none()
    | st.booleans()
    | TEXTS
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())
)
ASSETS = st.builds(lambda text: Asset(text=text), TEXTS) | st.builds(
    lambda path: Asset(path=path, hash="h"), TEXTS
)
SPECIALS = (
    st.just(UNKNOWN)
    | ASSETS
    | st.builds(lambda parts: Archive(assets=parts), st.dictionaries(TEXTS, ASSETS, max_size=3))
    | st.builds(ResourceReference, TEXTS, st.none() | TEXTS.filter(bool))
)


def nested(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(TEXTS, inner, max_size=4)
            | st.builds(Secret, inner)
            | st.builds(OutputValue, inner, st.booleans(), st.lists(TEXTS, max_size=2).map(tuple))
        ),
        max_leaves=12,
    )


PLAINS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(nested(SCALARS | SPECIALS))
def test_values_survive_the_wire(value: Any) -> None:
    assert from_value(to_value(value, EVERYTHING)) == value


@given(st.dictionaries(TEXTS, nested(SCALARS | SPECIALS), max_size=5))
def test_properties_survive_without_those_that_are_none(properties: dict[str, Any]) -> None:
    kept = {key: value for key, value in properties.items() if value is not None}
    assert from_struct(to_struct(properties, EVERYTHING)) == kept


@given(PLAINS)
def test_plain_values_are_what_protobufs_own_json_says(value: Any) -> None:
    assert json_format.MessageToDict(to_value({"x": value})) == {"x": value}


@given(st.dictionaries(TEXTS, nested(SCALARS), max_size=4))
def test_a_plain_receiver_sees_no_signature(properties: dict[str, Any]) -> None:
    text = json_format.MessageToJson(to_struct(properties, PLAIN))
    assert "4dabf18193072939515e22adb298388d" not in text


def without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    return [without_none(item) for item in value] if isinstance(value, list) else value


@given(PLAINS)
def test_the_sdk_reads_what_we_write(value: Any) -> None:
    sent = to_struct({"plain": value, "secret": Secret("s")}, FULL)
    read = rpc.deserialize_properties(sent)
    assert rpc.unwrap_rpc_secret(read["secret"]) == "s"
    if value is not None:
        assert read["plain"] == without_none(value)


@given(nested(SCALARS | SPECIALS))
def test_unwrapping_finds_every_mark(value: Any) -> None:
    found = unwrap(value)
    assert found.secret == holds_secret(value)
    assert unwrap(found.value).secret is False
    assert unwrap(found.value).unknown == found.unknown


def test_every_kind_of_unknown_is_read() -> None:
    for text in (rpc.UNKNOWN, UNKNOWN_TEXT, "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2"):
        assert from_value(to_value(text)) is UNKNOWN


def test_what_a_receiver_does_not_take_is_sent_plain() -> None:
    reference = ResourceReference("urn", "id")
    assert from_value(to_value(reference, PLAIN)) == "id"
    assert from_value(to_value(ResourceReference("urn"), PLAIN)) == "urn"
    assert from_value(to_value(ResourceReference("urn", UNKNOWN), PLAIN)) is UNKNOWN
    assert from_value(to_value(Secret([1]), PLAIN)) == [1]
    assert from_value(to_value(OutputValue(1, secret=True), FULL)) == Secret(1)
    assert from_value(to_value(OutputValue(1, secret=True), PLAIN)) == 1


def test_a_secret_never_shows() -> None:
    assert "hush" not in repr({"x": [Secret("hush")]})


def test_an_unknown_signature_is_refused() -> None:
    value = to_value({"4dabf18193072939515e22adb298388d": "of tomorrow"})
    with pytest.raises(ValueError, match="of tomorrow"):
        from_value(value)


def test_what_pulumi_has_no_form_for_is_refused() -> None:
    with pytest.raises(TypeError, match="set"):
        to_value({1, 2})
    assert special_fields("text") is None
