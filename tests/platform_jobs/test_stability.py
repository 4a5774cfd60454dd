"""The numbers behind drift: quiet without drift at any size, loud with it in one window."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from platform_jobs import bins, stability
from platform_jobs.baseline import Distribution

COUNTS = st.lists(st.integers(0, 10_000), min_size=2, max_size=40)
NUMBERS = {
    "normal": lambda chance, rows: chance.normal(size=rows),
    "skewed": lambda chance, rows: chance.lognormal(sigma=1.0, size=rows),
    "uniform": lambda chance, rows: chance.uniform(size=rows),
    "counts": lambda chance, rows: chance.poisson(3.0, size=rows),
    "mostly zero": lambda chance, rows: chance.poisson(4.0, size=rows) * (chance.random(rows) < 0.4),
}
SHARES = (0.5, 0.25, 0.15, 0.07, 0.03)
NAMES = np.array(["a", "b", "c", "d", "e"])


def drift(reference: Distribution, window: object) -> float:
    counts = reference.bins.count(pa.array(window, from_pandas=True))
    return stability.compare(reference.counts, counts).drift


def number(kind: str, rows: int = 20_000) -> tuple[Distribution, np.random.Generator]:
    chance = np.random.default_rng(7)
    return Distribution.learn("x", "float", pa.array(NUMBERS[kind](chance, rows))), chance


def category(rows: int = 20_000) -> tuple[Distribution, np.random.Generator]:
    chance = np.random.default_rng(11)
    return Distribution.learn("x", "string", pa.array(chance.choice(NAMES, size=rows, p=SHARES))), chance


@pytest.mark.parametrize("rows", [100, 300, 2_000])
@pytest.mark.parametrize("kind", NUMBERS)
def test_no_alarm_over_twenty_windows_of_twenty_features_without_drift(kind: str, rows: int):
    reference, chance = number(kind)
    found = [drift(reference, NUMBERS[kind](chance, rows)) for _ in range(20 * 20)]
    assert max(found) <= stability.THRESHOLD


@pytest.mark.parametrize("rows", [100, 300, 2_000])
def test_no_alarm_for_categories_or_few_reference_rows(rows: int):
    for reference_rows in (150, 20_000):
        reference, chance = category(reference_rows)
        found = [drift(reference, chance.choice(NAMES, size=rows, p=SHARES)) for _ in range(20 * 20)]
        assert max(found) <= stability.THRESHOLD


@pytest.mark.parametrize("direction", [-1, 1])
@pytest.mark.parametrize("kind", NUMBERS)
def test_a_shift_of_one_standard_deviation_alarms_in_one_window(kind: str, direction: int):
    reference, chance = number(kind)
    for _ in range(20):
        window = NUMBERS[kind](chance, 300)
        deviation = NUMBERS[kind](chance, 20_000).std()
        assert drift(reference, window + direction * deviation) > stability.THRESHOLD


def test_swapped_categories_and_new_ones_alarm_in_one_window():
    reference, chance = category()
    swapped = dict(zip("abcde", "baedc", strict=True))
    for _ in range(20):
        window = chance.choice(NAMES, size=300, p=SHARES)
        assert drift(reference, [swapped[value] for value in window]) > stability.THRESHOLD
        assert drift(reference, [value if value != "a" else "new" for value in window]) > stability.THRESHOLD


@pytest.mark.parametrize("share", [0.2, 1.0])
def test_a_burst_of_missing_values_alarms_in_one_window(share: float):
    numbers, chance = number("normal")
    categories, _ = category()
    for _ in range(20):
        lost = chance.random(300) < share
        assert drift(numbers, np.where(lost, np.nan, chance.normal(size=300))) > stability.THRESHOLD
        values = np.where(lost, None, chance.choice(NAMES, size=300, p=SHARES))
        assert drift(categories, values) > stability.THRESHOLD


def test_a_constant_that_moves_either_way_alarms():
    reference = Distribution.learn("x", "float", pa.array([5.0] * 1000))
    assert drift(reference, [5.0] * 200) == 0
    for moved in (4.999, 5.001):
        assert drift(reference, [moved] * 200) > stability.THRESHOLD


@given(COUNTS, st.data())
def test_the_index_is_symmetric_and_never_negative(reference: list[int], data: st.DataObject):
    window = data.draw(st.lists(st.integers(0, 10_000), min_size=len(reference), max_size=len(reference)))
    if not sum(reference) or not sum(window):
        with pytest.raises(ValueError, match="hold rows"):
            stability.compare(reference, window)
        return
    shift = stability.compare(reference, window)
    assert shift.index >= 0
    assert shift.drift >= 0
    assert stability.compare(reference, reference).index == pytest.approx(0)
    order = data.draw(st.permutations(range(len(reference))))
    again = stability.compare([reference[n] for n in order], [window[n] for n in order])
    assert again.index == pytest.approx(shift.index)


def test_the_index_is_the_published_formula():
    shift = stability.compare([5_000, 5_000], [7_000, 3_000])
    assert shift.index == pytest.approx(0.2 * np.log(0.7 / 0.5) - 0.2 * np.log(0.3 / 0.5), rel=1e-3)


VALUES = st.lists(st.none() | st.floats(allow_nan=False, width=32), min_size=1, max_size=80)


@given(VALUES, VALUES, st.integers(0, 80))
def test_counting_in_pieces_is_counting_at_once(
    reference: list[float | None], window: list[float | None], cut: int
):
    found = bins.NumberBins.learn(pa.array(reference, pa.float64()))
    whole = found.count(pa.array(window, pa.float64()))
    parts = [found.count(pa.array(part, pa.float64())) for part in (window[:cut], window[cut:])]
    assert whole.tolist() == (parts[0] + parts[1]).tolist()
    assert whole.sum() == len(window)
    assert whole[-1] == sum(value is None for value in window)
    assert len(found.names()) == found.size == len(whole)
    assert bins.bins_of(found.to_json()) == found


WORDS = st.lists(st.none() | st.sampled_from([f"w{n}" for n in range(40)]), min_size=1, max_size=200)


@given(WORDS, WORDS)
def test_each_category_is_counted_once(reference: list[str | None], window: list[str | None]):
    found = bins.CategoryBins.learn(pa.array(reference, pa.string()))
    counts = dict(zip(found.names(), found.count(pa.array(window, pa.string())).tolist(), strict=True))
    assert sum(counts.values()) == len(window)
    for value in found.values:
        assert counts[value] == window.count(value)
    assert len(found.values) <= bins.MOST_CATEGORIES
    assert bins.bins_of(found.to_json()) == found
