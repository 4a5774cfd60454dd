import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.kubernetes.simulation.spot import draw_plan

seeds = st.integers(0, 10_000)
hours = st.floats(1, 400)
shares = st.floats(0, 1)


@given(seeds, hours, shares)
def test_spot_is_missing_for_the_share_asked_for_in_shortages_that_do_not_overlap(seed, length, share):
    plan = draw_plan(seed, length, share)
    assert plan.missing_share == pytest.approx(share, abs=1e-6)
    edges = [edge for shortage in plan.shortages for edge in shortage]
    assert edges == sorted(edges)
    assert all(-1e-6 <= edge <= length + 1e-6 for edge in edges)


@given(seeds, hours, shares)
def test_a_seed_says_all_and_each_shortage_begins_with_an_interruption(seed, length, share):
    plan = draw_plan(seed, length, share)
    assert plan == draw_plan(seed, length, share)
    assert [each.at for each in plan.interruptions] == [start for start, _ in plan.shortages]


def test_another_seed_is_another_plan():
    assert draw_plan(1, 24, 0.2) != draw_plan(2, 24, 0.2)
