"""A world for each test, in a folder with a space in its name."""

from pathlib import Path

import pytest

from tests.twin.engine.world import PASSPHRASE, World


@pytest.fixture(autouse=True)
def _own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", PASSPHRASE)
    monkeypatch.setenv("STAGECRAFT_HOME", str(tmp_path / "elsewhere"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "a project")
