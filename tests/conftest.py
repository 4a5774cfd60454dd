"""What tests of every part share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.cli_driver import Stagecraft

# Two workers share two cores with clouds and plugins: how long an example takes says nothing of it.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests first: at the end of a run its workers share out what is short."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def stagecraft(tmp_path: Path) -> Iterator[Stagecraft]:
    """The command in a home of its own; its clouds end with the test."""
    driver = Stagecraft(tmp_path / "home")
    yield driver
    driver.close()
