"""What tests of every part share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.cli_driver import Stagecraft

# Two workers share two cores with clouds and plugins: how long an example takes says nothing of it.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")


@pytest.fixture
def stagecraft(tmp_path: Path) -> Iterator[Stagecraft]:
    """The command in a home of its own; its clouds end with the test."""
    driver = Stagecraft(tmp_path / "home")
    yield driver
    driver.close()
