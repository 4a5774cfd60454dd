"""The last good answers: kept for their time, and never more than there is room for."""

from hypothesis import given
from hypothesis import strategies as st

from platform_jobs.gateway.last_good import LastGood

steps = st.lists(
    st.tuples(st.sampled_from(["keep", "recall", "wait"]), st.integers(0, 5), st.floats(0, 6)), max_size=60
)


@given(steps)
def test_it_recalls_the_newest_answer_that_is_fresh_and_nothing_else(taken: list[tuple[str, int, float]]):
    now = 0.0
    kept: LastGood[int] = LastGood(ttl_seconds=10, most=3, clock=lambda: now)
    truth: dict[int, tuple[float, int]] = {}
    used: list[int] = []
    for number, (what, entity, seconds) in enumerate(taken):
        if what == "wait":
            now += seconds
        elif what == "keep":
            kept.keep(str(entity), number)
            truth[entity] = (now, number)
            used = [each for each in used if each != entity] + [entity]
            for gone in used[:-3]:
                truth.pop(gone, None)
            used = used[-3:]
        else:
            at, answer = truth.get(entity, (-100.0, None))
            wanted = answer if now - at <= 10 else None
            assert kept.recall(str(entity)) == wanted
            if wanted is None:
                truth.pop(entity, None)
                used = [each for each in used if each != entity]
            else:
                used = [each for each in used if each != entity] + [entity]
        assert len(kept) <= 3
