"""What the drift job takes, as `make bench` measures it."""

import pytest

from tests.bench import drift


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in drift.ENVIRON.items():
        monkeypatch.setenv(name, value)


def test_a_twentieth_of_a_large_day():
    used = drift.run(drift.PART)
    assert used["processor_seconds"] < 15  # most of it is imports
    assert used["memory_mib"] < 1024


@pytest.mark.slow
def test_a_million_answers_with_twenty_features():
    used = drift.run(drift.ROWS)
    # Of the processor: what the clock shows hangs on who else is at work here, and is never less on one core.
    assert used["processor_seconds"] < 30
    assert used["memory_mib"] < 1024
