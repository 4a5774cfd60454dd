"""Judging grows with the number of resources, not with its square."""

import pytest

from tests.bench.policies import measure


@pytest.mark.slow
def test_ten_times_the_resources_take_about_ten_times_as_long():
    result = measure()
    assert result["policies_rules"] == 99
    assert result["policies_growth"] < 20
