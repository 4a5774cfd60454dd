"""URNs, references, aliases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.engine.urns import (
    AliasSpec,
    Urn,
    alias_urns,
    is_default_provider,
    make,
    package_of,
    split_reference,
)

WORDS = st.text("ab-1", min_size=1, max_size=6)
TYPES = st.builds(lambda a, b: f"{a}:x:{b}", WORDS, WORDS)


@given(WORDS, WORDS, TYPES, st.text("ab:$ é", min_size=1, max_size=8))
def test_a_urn_is_its_parts(stack: str, project: str, type_: str, name: str) -> None:
    urn = make(stack, project, "", type_, name)
    parsed = Urn.parse(urn)
    assert (parsed.stack, parsed.project, parsed.type, parsed.name) == (stack, project, type_, name)
    assert str(parsed) == urn


def test_a_parent_prefixes_the_type_unless_it_is_the_stack() -> None:
    stack = make("dev", "p", "", "pulumi:pulumi:Stack", "p-dev")
    a = make("dev", "p", stack, "x:y:A", "a")
    b = make("dev", "p", a, "x:y:B", "b")
    assert a == "urn:pulumi:dev::p::x:y:A::a"
    assert make("dev", "p", b, "x:y:C", "c") == "urn:pulumi:dev::p::x:y:A$x:y:B$x:y:C::c"


@pytest.mark.parametrize("text", ["", "urn:pulumi:", "urn:pulumi:a::b::c", "nonsense", "urn:pulumi:a"])
def test_what_is_no_urn(text: str) -> None:
    with pytest.raises(ValueError, match="not a URN"):
        Urn.parse(text)


def test_references() -> None:
    assert split_reference("urn:pulumi:d::p::pulumi:providers:aws::x::id") == (
        "urn:pulumi:d::p::pulumi:providers:aws::x",
        "id",
    )
    with pytest.raises(ValueError, match="reference"):
        split_reference("nothing")


@pytest.mark.parametrize(
    ("type_", "package"),
    [
        ("aws:s3/bucket:Bucket", "aws"),
        ("pulumi:providers:aws", "aws"),
        ("pulumi:pulumi:StackReference", "pulumi"),
    ],
)
def test_packages(type_: str, package: str) -> None:
    assert package_of(type_) == package


@pytest.mark.parametrize(
    ("name", "yes"), [("default", True), ("default_7_1_0", True), ("defaulted", False), ("mine", False)]
)
def test_default_providers(name: str, yes: bool) -> None:
    assert is_default_provider(make("d", "p", "", "pulumi:providers:aws", name)) == yes
    assert not is_default_provider(make("d", "p", "", "x:y:Z", name))


@given(st.lists(st.builds(AliasSpec, name=WORDS), max_size=3), st.lists(WORDS, max_size=3))
def test_aliases_are_distinct_and_never_the_resource_itself(
    specs: list[AliasSpec], parents: list[str]
) -> None:
    parent = make("d", "p", "", "x:y:P", "parent")
    urn = make("d", "p", parent, "x:y:C", "parent-child")
    above = [make("d", "p", "", "x:y:P", name) for name in parents]
    found = alias_urns(urn, parent, specs, above, "parent")
    assert len(found) == len(set(found))
    assert urn not in found
    for each in above:
        if each != parent:
            followed = make("d", "p", each, "x:y:C", f"{Urn.parse(each).name}-child")
            assert followed in found or followed == urn
