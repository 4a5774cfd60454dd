import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import naming

PARTS = st.lists(st.text(min_size=1, max_size=80), min_size=1, max_size=4).filter(
    lambda parts: any(naming.slug(part) for part in parts)
)


@given(PARTS, st.integers(min_value=12, max_value=80))
def test_names_are_slugs_of_at_most_the_length(parts, length):
    name = naming.physical_name(*parts, max_length=length)
    assert len(name) <= length
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)


@given(PARTS)
def test_the_same_parts_make_the_same_name(parts):
    assert naming.physical_name(*parts) == naming.physical_name(*parts)


@given(st.text("abc", min_size=40, max_size=60), st.text("abc", min_size=40, max_size=60))
def test_cut_names_of_different_parts_differ(first, second):
    cut = [naming.physical_name(text, max_length=20) for text in (first, second)]
    assert (cut[0] == cut[1]) is (first == second)


def test_parts_are_not_confused_where_they_meet():
    long = "x" * 60
    assert naming.physical_name(long, "ab", "c") != naming.physical_name(long, "a", "bc")


@pytest.mark.parametrize("parts", [("",), ("--", "!")])
def test_a_name_of_nothing_is_refused(parts):
    with pytest.raises(ValueError, match="no letter or digit"):
        naming.physical_name(*parts)


def test_an_ecr_image_has_a_dual_stack_address():
    uri = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/team/platform@sha256:abc"
    assert naming.dual_stack_image(uri) == "123456789012.dkr-ecr.eu-west-1.on.aws/team/platform@sha256:abc"


@given(st.text())
def test_other_images_are_left_alone(uri):
    assert naming.dual_stack_image(f"registry.example.com/{uri}") == f"registry.example.com/{uri}"
