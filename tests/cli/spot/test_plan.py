"""Interruptions have their place in every run that is long enough, the same for the same seed."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.spot.plan import MOST, Interruption, PlanError, draw, place


@given(seed=st.integers(), count=st.integers(1, MOST), hours=st.floats(0.1, 1000))
def test_a_plan_is_the_seeds_own_and_leaves_work_before_between_and_after(
    seed: int, count: int, hours: float
) -> None:
    plan = draw(seed, count, hours)
    assert plan == draw(seed, count, hours)
    assert len(plan) == count
    times = [0.0, *(item.at for item in plan)]
    assert all(after - before > 0.0999 * hours for before, after in pairwise(times))
    assert times[-1] < 0.8001 * hours
    assert sum(not item.notice for item in plan) == (1 if count > 1 else 0)


def test_another_seed_is_another_plan_and_too_many_have_no_place() -> None:
    assert draw(1, 3, 4) != draw(2, 3, 4)
    with pytest.raises(PlanError, match=f"at most {MOST} have"):
        draw(1, MOST + 1, 4)


@given(
    seed=st.integers(),
    count=st.integers(1, MOST),
    lengths=st.lists(st.floats(0.01, 10), min_size=2, max_size=60),
)
def test_steps_are_apart_with_one_to_do_afterwards_or_the_run_is_too_short(
    seed: int, count: int, lengths: list[float]
) -> None:
    work = [sum(lengths[:done]) for done in range(len(lengths) + 1)]
    plan = draw(seed, count, work[-1])
    try:
        steps = place(plan, work)
    except PlanError as error:
        assert f"a training of {len(lengths)} steps" in str(error)  # noqa: PT017 - either is right
        return
    assert all(after - before >= 2 for before, after in pairwise(steps))
    assert steps[0] >= 1
    assert steps[-1] < len(lengths)
    assert all(work[step] >= item.at for item, step in zip(plan, steps, strict=True))


@given(seed=st.integers(), count=st.integers(1, MOST), total=st.integers(20, 500))
def test_twenty_even_steps_have_room_for_all(seed: int, count: int, total: int) -> None:
    steps = place(draw(seed, count, total), range(total + 1))
    assert len(steps) == count


def test_a_step_is_the_first_one_that_ends_no_earlier() -> None:
    plan = (Interruption(0.5, notice=True), Interruption(2.0, notice=False))
    assert place(plan, (0.0, 0.4, 1.0, 1.5, 2.0, 3.0, 4.0)) == (2, 4)
