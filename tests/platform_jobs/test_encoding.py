import math
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from platform_jobs import tables
from platform_jobs.encoding import MOST_CATEGORIES, Feature, encode_frame, encode_instances, learn
from platform_jobs.views import Field

FIELDS = (Field("f", "float"), Field("i", "int"), Field("b", "bool"), Field("s", "string"))

rows = st.lists(
    st.fixed_dictionaries(
        {
            "f": st.none() | st.floats(allow_nan=False, allow_infinity=False),
            "i": st.none() | st.integers(-(2**53), 2**53),
            "b": st.none() | st.booleans(),
            "s": st.none() | st.sampled_from(["red", "green", "blau"]),
        }
    ),
    min_size=1,
    max_size=12,
)


def frame_of(values: list[dict[str, Any]]) -> pd.DataFrame:
    columns = {field.name: tables.FRAME_TYPES[field.type] for field in FIELDS}
    return pd.DataFrame(values, columns=list(columns)).astype(columns)


@settings(max_examples=60, deadline=None)
@given(train=rows, served=rows)
def test_a_model_is_served_the_numbers_that_it_was_trained_on(
    train: list[dict[str, Any]], served: list[dict[str, Any]]
):
    features = learn(FIELDS, frame_of(train))
    offline = encode_frame(features, frame_of(served))
    by_name = encode_instances(features, served)
    in_order = encode_instances(features, [[row[field.name] for field in FIELDS] for row in served])
    assert np.array_equal(offline, by_name, equal_nan=True)
    assert np.array_equal(offline, in_order, equal_nan=True)


def test_rare_categories_count_as_missing_and_times_are_no_inputs():
    names = [f"c{number:03d}" for number in range(MOST_CATEGORIES + 5)]
    frame = pd.DataFrame({"s": pd.Series([*names, *names[5:]], dtype="str"), "t": None})
    (feature,) = learn((Field("s", "string"), Field("t", "timestamp")), frame)
    assert feature == Feature("s", "string", tuple(names[5:]))
    (first, last) = encode_instances([feature], [["c000"], [names[-1]]])[:, 0]
    assert math.isnan(first)
    assert last == MOST_CATEGORIES - 1
