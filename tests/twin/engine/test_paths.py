"""Property paths."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.engine.paths import changed, covers, keep_old, parse, render

KEYS = st.text('abc.[]"\\é ', min_size=1, max_size=5).filter(lambda key: key != "*")
PATHS = (
    st.lists(KEYS | st.integers(0, 99), min_size=1, max_size=5).filter(lambda path: path[0] != 0).map(tuple)
)
LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.text("xy", max_size=2)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", ("a",)),
        ("a.b", ("a", "b")),
        ("a[0].b", ("a", 0, "b")),
        ('a["b.c"]', ("a", "b.c")),
        ('["a"][1][2]', ("a", 1, 2)),
        ('a["say \\"x\\""]', ("a", 'say "x"')),
        ("a[*].b", ("a", "*", "b")),
        ("a.*", ("a", "*")),
        ("*", ("*",)),
    ],
)
def test_parsing(text: str, path: tuple[str | int, ...]) -> None:
    assert parse(text) == path


@pytest.mark.parametrize("text", ["", "a.", "a[", "a[]", "a[x]", 'a["x', 'a["x"', "a[-1]", "a[1"])
def test_a_bad_path_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="property path"):
        parse(text)


@given(PATHS)
def test_what_is_rendered_parses_back(path: tuple[str | int, ...]) -> None:
    assert parse(render(path)) == path


@given(OBJECTS)
def test_nothing_differs_from_itself(value: dict[str, Any]) -> None:
    assert changed(value, value) == []


@given(OBJECTS, OBJECTS)
def test_values_differ_somewhere_unless_they_are_equal(old: dict[str, Any], new: dict[str, Any]) -> None:
    def without_none(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without_none(item) for key, item in value.items() if item is not None}
        if isinstance(value, list):
            return [without_none(item) for item in value]
        return value

    assert (changed(old, new) == []) == (without_none(old) == without_none(new))


@given(OBJECTS, OBJECTS)
def test_ignoring_everything_is_staying_as_it_was(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert keep_old(new, old, ["*"]) == old


@given(OBJECTS, OBJECTS)
def test_ignoring_what_changed_leaves_no_change_of_that(old: dict[str, Any], new: dict[str, Any]) -> None:
    tops = [render(path[:1]) for path in changed(old, new)]
    assert keep_old(new, old, tops) == {**dict.fromkeys(()), **keep_old(new, old, tops)}
    assert changed(old, keep_old(new, old, tops)) == []


@given(OBJECTS, OBJECTS, st.lists(PATHS.map(render), max_size=3))
def test_ignoring_changes_neither_side(old: dict[str, Any], new: dict[str, Any], patterns: list[str]) -> None:
    before = repr((old, new))
    keep_old(new, old, patterns)
    assert repr((old, new)) == before


def test_covering() -> None:
    assert covers(("a",), ("a", "b"))
    assert covers(("a", "b"), ("a",))
    assert covers(("a", "*", "c"), ("a", 3, "c"))
    assert not covers(("a", "b"), ("a", "c"))
