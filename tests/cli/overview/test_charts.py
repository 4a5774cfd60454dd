"""Charts: every mark is inside its drawing, and stands where its value says."""

from hypothesis import given
from hypothesis import strategies as st

from cli.overview import charts
from cli.overview.components import map_of
from cli.overview.facts import Distribution
from tests.cli.overview.samples import component, environment, resource

VALUES = st.floats(-1e6, 1e6, allow_nan=False)
SHARES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(st.lists(st.none() | VALUES, max_size=70), st.none() | VALUES)
def test_a_line_stays_in_its_drawing_and_breaks_where_nothing_was_said(values, limit):
    drawn = charts.line(values, limit=limit)
    points = [point for run in drawn.runs for point in run]
    assert len(points) == sum(value is not None for value in values)
    assert all(0 <= x <= drawn.width and 0 <= y <= drawn.height for x, y in points)
    assert drawn.limit is None or 0 <= drawn.limit <= drawn.height
    assert [x for x, _ in points] == sorted(x for x, _ in points)


def test_a_larger_value_stands_higher():
    ((low, high),) = charts.line([0.1, 0.3], limit=0.2).runs
    limit = charts.line([0.1, 0.3], limit=0.2).limit
    assert limit is not None
    assert low[1] > limit > high[1]


@given(VALUES, VALUES, VALUES, st.floats(0, 1e6), st.none() | VALUES)
def test_a_rail_stays_in_its_drawing_and_starts_at_nothing(value, bottom, top, deviation, mark):
    drawn = charts.rail(value, top=top, bottom=bottom, deviation=deviation, mark=mark)
    ends = (drawn.bar.x, drawn.bar.x + drawn.bar.width, drawn.zero, *(drawn.spread or ()))
    assert all(0 <= end <= drawn.width for end in ends)
    assert drawn.mark is None or 0 <= drawn.mark <= drawn.width
    assert min(abs(drawn.bar.x - drawn.zero), abs(drawn.bar.x + drawn.bar.width - drawn.zero)) <= 0.51


def test_a_rail_is_as_long_as_its_value_and_less_than_nothing_goes_left():
    half = charts.rail(0.5, top=1, width=212)
    assert (half.bar.x, half.bar.width) == (6, 100)
    less = charts.rail(-0.25, top=0.75, bottom=-0.25, width=212)
    assert (less.bar.x, less.bar.width, less.zero) == (6, 50, 56)


@given(SHARES)
def test_bars_fill_no_more_than_their_drawing(values):
    drawn = charts.bars(values, width=460, height=60)
    assert all(bar.x + bar.width <= 460.01 and abs(bar.y + bar.height - 60) < 0.02 for bar in drawn)


def test_a_bin_has_both_its_bars_on_one_scale():
    (first, second) = charts.pairs(Distribution(("a", "b"), (0.5, 0.5), (0.25, 1.0)), height=80)
    assert [bar.height for bar in (first.then, first.now, second.now)] == [40.0, 20.0, 80.0]


def test_the_map_has_room_for_every_box_and_none_covers_another():
    many = [component(f"c{number}") for number in range(6)]
    drawn = charts.drawing(map_of([*environment(), *many, resource("loose")]))
    places = [(box.x, box.y) for box in drawn.boxes]
    assert len(places) == 9
    for x, y in places:
        assert 0 <= x <= drawn.width - charts.BOX_WIDTH
        assert 0 <= y <= drawn.height - charts.BOX_HEIGHT
    for one in places:
        for other in places:
            apart = abs(one[0] - other[0]) >= charts.BOX_WIDTH or abs(one[1] - other[1]) >= charts.BOX_HEIGHT
            assert one == other or apart
    assert len(drawn.paths) == 1


def test_an_empty_map_is_drawn():
    assert charts.drawing(map_of([])).boxes == ()
