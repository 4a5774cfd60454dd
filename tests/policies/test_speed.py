"""Judging grows with the number of resources, not with its square."""

import pytest

from tests.policies.bench import measure


@pytest.mark.slow
def test_ten_times_the_resources_take_about_ten_times_as_long():
    result = measure()
    assert result["rules"] == 99
    assert result["growth"] < 20
