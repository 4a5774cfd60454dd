"""The order in which resources may go."""

import random
import threading
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from twin.engine.deployment import ResourceState
from twin.engine.graph import dependents, run_all, run_in_reverse


def states(count: int, chance: random.Random) -> dict[int, ResourceState]:
    def urn(index: int) -> str:
        return f"urn:pulumi:d::p::x:y:Z::{index}"

    made = {}
    for index in range(count):
        needs = [urn(chance.randrange(index)) for _ in range(chance.randrange(4)) if index]
        made[index] = ResourceState(
            urn(index), "x:y:Z", dependencies=needs[1:], parent=needs[0] if needs else ""
        )
    return made


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 25), st.integers(1, 8), st.randoms(use_true_random=False))
def test_each_goes_once_and_after_all_that_need_it(count: int, parallel: int, chance: random.Random) -> None:
    listed = states(count, chance)
    needing = dependents(listed)
    gone: list[int] = []
    mutex = threading.Lock()

    def work(key: int, _state: ResourceState) -> bool:
        with mutex:
            assert needing[key] <= set(gone)
            gone.append(key)
        return True

    run_in_reverse(listed, work, parallel)
    assert sorted(gone) == list(range(count))


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 25), st.randoms(use_true_random=False))
def test_what_a_failed_one_needs_stays_and_the_rest_goes(count: int, chance: random.Random) -> None:
    listed = states(count, chance)
    needing = dependents(listed)
    failing = chance.randrange(count)
    gone: set[int] = set()

    def work(key: int, _state: ResourceState) -> bool:
        if key == failing:
            return False
        gone.add(key)
        return True

    run_in_reverse(listed, work, 4)

    def stays(key: int) -> bool:
        return key == failing or any(stays(user) for user in needing[key])

    assert gone == {key for key in listed if not stays(key)}


def test_all_run_side_by_side() -> None:
    listed = {index: ResourceState(f"urn:pulumi:d::p::x:y:Z::{index}", "x:y:Z") for index in range(8)}
    began = time.monotonic()
    run_all(listed, lambda _key, _state: time.sleep(0.2), 8)
    assert time.monotonic() - began < 1.2
