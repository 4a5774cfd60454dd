import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.kubernetes.simulation.ledger import (
    JobRecord,
    Ledger,
    Node,
    counts_over_time,
    hours_with_any,
    percentile,
    spent,
)
from twin.kubernetes.simulation.trace import Job, Shape

END = 50.0


def _record(hours=2.0, checkpoint=0.25, deadline=None):
    job = Job("a", "", 1.0, hours, 1, Shape(1, 3, 8), deadline, checkpoint)
    return JobRecord(job, "pool", hours, waiting_since=1.0)


def test_an_interruption_loses_what_came_after_the_last_checkpoint():
    record = _record()
    record.started(1.5)
    record.lost_workers(2.1)  # 0.6 h worked, two checkpoints of 0.25 h
    assert record.remaining == pytest.approx(1.5)
    assert record.hours_lost == pytest.approx(0.1)
    record.started(2.4)
    assert record.waits == pytest.approx([0.5, 0.3])
    assert not record.due(3.8)
    assert record.due(3.9)
    record.finished()
    assert record.done_at == pytest.approx(3.9)
    assert record.interruptions == 1


def test_a_job_that_waits_loses_nothing_more():
    record = _record()
    record.lost_workers(1.2)
    record.lost_workers(1.4)
    assert (record.interruptions, record.remaining, record.waiting_since) == (0, 2.0, 1.0)


@pytest.mark.parametrize(("deadline", "late"), [(None, None), (2.5, False), (1.9, True)])
def test_a_deadline_counts_from_when_the_job_is_handed_in(deadline, late):
    record = _record(deadline=deadline)
    record.started(1.0)
    record.finished()
    assert record.late is late


def test_a_job_that_is_not_done_is_late():
    assert _record(deadline=40.0).late is True


@given(
    st.floats(0.1, 20), st.floats(0.01, 2), st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3)), max_size=6)
)
def test_work_is_never_lost_but_after_a_checkpoint_nor_made_from_nothing(hours, checkpoint, attempts):
    record, now = _record(hours, checkpoint), 1.0
    worked = 0.0
    for wait, run in attempts:
        now += wait
        record.started(now)
        worked += min(run, record.remaining)
        now += run
        record.lost_workers(now)
    assert hours - record.remaining + record.hours_lost == pytest.approx(worked, abs=1e-6)
    assert record.hours_lost <= checkpoint * len(attempts) + 1e-6


nodes = st.lists(
    st.tuples(st.floats(0, 40), st.floats(0.01, 10)).map(
        lambda life: Node("n", "pool", "spot", "g6.xlarge", life[0], life[0] + life[1])
    ),
    max_size=12,
)


@given(nodes)
def test_the_counts_over_time_hold_as_many_hours_as_the_nodes(found):
    series = counts_over_time(found, END)
    ends = [time for time, _ in series[1:]] + [END]
    area = sum((end - time) * count for (time, count), end in zip(series, ends, strict=True))
    assert area == pytest.approx(sum(node.hours(END) for node in found), abs=1e-6)
    assert series[-1][1] == 0
    assert hours_with_any(found, END) <= area + 1e-6


def test_nodes_end_when_they_are_not_seen_any_more_and_running_ones_are_billed_until_now():
    ledger = Ledger()
    ledger.see_nodes(1.0, [Node("a", "p", "spot", "t", 1.0), Node("b", "p", "on-demand", "t", 1.0)])
    ledger.see_nodes(3.0, [Node("b", "p", "on-demand", "t", 3.0)])
    assert [node.name for node in ledger.running()] == ["b"]
    prices = {("t", "spot"): 1.0, ("t", "on-demand"): 10.0}
    assert spent(ledger.nodes.values(), prices, 4.0) == pytest.approx(2 * 1.0 + 3 * 10.0)


@given(st.lists(st.floats(0, 100), min_size=1), st.integers(1, 100))
def test_a_percentile_is_a_value_that_enough_do_not_exceed(values, percent):
    found = percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) * 100 >= percent * len(values)


def test_of_nothing_there_is_no_percentile():
    assert percentile([], 50) is None
