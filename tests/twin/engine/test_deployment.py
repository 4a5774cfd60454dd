"""Records to JSON and back; the order of a state."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.test_wire import SCALARS, SPECIALS, TEXTS
from twin.engine.deployment import (
    Deployment,
    DeploymentError,
    Operation,
    ResourceState,
    decode_resource,
    dump,
    dump_bytes,
    encode_resource,
    ordered,
    read,
)
from twin.engine.secrets import Encryption
from twin.engine.soundness import check
from twin.wire import UNKNOWN, Secret

ENCRYPTION = Encryption("word")
KEPT = st.recursive(
    SCALARS | SPECIALS.filter(lambda value: value is not UNKNOWN),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3) | st.builds(Secret, inner)
    ),
    max_leaves=10,
)
PROPERTIES = st.dictionaries(TEXTS, KEPT, max_size=4)


def urn(name: str) -> str:
    return f"urn:pulumi:dev::p::x:y:Z::{name}"


def state(name: str, *needs: str, **fields: object) -> ResourceState:
    return ResourceState(urn=urn(name), type="x:y:Z", dependencies=[urn(need) for need in needs], **fields)  # type: ignore[arg-type]


@settings(deadline=None)
@given(PROPERTIES, PROPERTIES)
def test_records_survive_the_file(inputs: dict, outputs: dict) -> None:
    record = state("a", id="1", custom=True, inputs=inputs, outputs=outputs, custom_timeouts={"create": 1.5})
    raw = json.loads(json.dumps(encode_resource(record, ENCRYPTION)))
    assert decode_resource(raw, ENCRYPTION) == record


@given(st.integers(1, 30), st.randoms(use_true_random=False))
def test_dependencies_come_first_and_the_order_does_not_depend_on_arrival(
    count: int, chance: random.Random
) -> None:
    states = [
        state(str(index), *(str(chance.randrange(index)) for _ in range(chance.randrange(3)) if index))
        for index in range(count)
    ]
    first = [each.urn for each in ordered(states)]
    chance.shuffle(states)
    assert [each.urn for each in ordered(states)] == first
    place = {each: index for index, each in enumerate(first)}
    for each in states:
        assert all(place[need] < place[each.urn] for need in each.dependencies)


def test_a_circle_is_named() -> None:
    with pytest.raises(DeploymentError, match="circle"):
        ordered([state("a", "b"), state("b", "a")])


def test_a_replaced_copy_stands_beside_its_successor() -> None:
    old, new = state("a", id="1", delete=True), state("a", id="2")
    user = state("b", "a")
    listed = ordered([user, old, new])
    assert listed.index(new) < listed.index(user)


def test_the_file_is_a_resource_a_line_and_reads_back() -> None:
    deployment = Deployment(
        [state("a", custom=True, id="1", inputs={"x": Secret("é")}), state("b", "a")],
        [Operation("creating", state("c", inputs={"y": Secret(1)}))],
        metadata={"m": 1},
    )
    raw = dump_bytes(dump(deployment, ENCRYPTION, "3.0.0"))
    assert sum(line.startswith(b'{"urn"') for line in raw.splitlines()) == 2
    again, _ = read(json.loads(raw), "word", "dev")
    assert again.resources == deployment.resources
    assert again.pending == deployment.pending
    assert again.metadata == {"m": 1}


def test_every_problem_is_told_at_once() -> None:
    document = json.loads(
        dump_bytes(dump(Deployment([state("a", "nobody"), state("a")]), ENCRYPTION, "3.0.0"))
    )
    document["deployment"]["resources"][0]["type"] = "x:y:Other"
    assert len(check(document, "prod")) == 5


@pytest.mark.parametrize("document", [None, [], 3, "x", {}, {"version": 3}, {"version": 3, "deployment": []}])
def test_what_is_no_deployment(document: object) -> None:
    assert check(document)


@given(
    st.recursive(
        SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3)
    )
)
def test_nothing_strange_breaks_the_check(junk: object) -> None:
    for document in (
        junk,
        {"version": 3, "deployment": junk},
        {"version": 3, "deployment": {"resources": junk}},
        {"version": 3, "deployment": {"resources": [junk], "pending_operations": [junk]}},
        {"version": 3, "deployment": {"manifest": junk, "secrets_providers": junk, "metadata": junk}},
        {
            "version": 3,
            "deployment": {"resources": [{"urn": urn("a"), "type": "x:y:Z", "dependencies": junk}]},
        },
        {"version": 3, "deployment": {"resources": [{"urn": urn("a"), "type": "x:y:Z", "provider": junk}]}},
        {"version": 3, "deployment": {"resources": [{"urn": urn("a"), "type": "x:y:Z", "inputs": junk}]}},
    ):
        assert isinstance(check(document), list)
