"""What tests of every part share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli_driver import Stagecraft


@pytest.fixture
def stagecraft(tmp_path: Path) -> Iterator[Stagecraft]:
    """The command in a home of its own; its clouds end with the test."""
    driver = Stagecraft(tmp_path / "home")
    yield driver
    driver.close()
