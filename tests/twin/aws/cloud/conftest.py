"""Clouds for the tests: each in a folder of its own (with a space in its path), ended after the test."""

import io
import json
import os
import shlex
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from twin.aws.cloud.client import CloudHandle, ensure_cloud, inventory, session, stop_cloud

REGION = "us-east-1"
STAND_IN = Path(__file__).with_name("stand_in_image.py")


@dataclass
class Cloud:
    """A running cloud under test."""

    directory: Path
    live: bool = True
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    @property
    def handle(self) -> CloudHandle:
        return ensure_cloud(self.directory, idle_seconds=120, live=self.live)

    @property
    def endpoint(self) -> str:
        return self.handle.endpoint

    def client(self, service: str, region: str = REGION) -> Any:
        key = self.endpoint, service + region
        if key not in self._clients:
            self._clients[key] = session(self.endpoint, region).client(service)
        return self._clients[key]

    def processes(self) -> list[int]:
        """The ids of the processes that the cloud has started and not ended."""
        with urllib.request.urlopen(f"{self.endpoint}/_stagecraft/health") as answer:  # noqa: S310
            pids: list[int] = json.load(answer)["processes"]
        return pids

    def inventory(self) -> list[dict[str, str]]:
        return inventory(self.endpoint)


@pytest.fixture(autouse=True)
def stand_in_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "STAGECRAFT_IMAGE_COMMAND", f"{shlex.quote(sys.executable)} {shlex.quote(str(STAND_IN))}"
    )


@pytest.fixture
def new_cloud(tmp_path: Path, stand_in_image: None) -> Iterator[Callable[..., Cloud]]:
    made: list[Cloud] = []

    def make(name: str = "a cloud", **settings: Any) -> Cloud:
        cloud = Cloud(tmp_path / name, **settings)
        made.append(cloud)
        return cloud

    yield make
    for cloud in made:
        stop_cloud(cloud.directory)


@pytest.fixture
def cloud(new_cloud: Callable[..., Cloud]) -> Cloud:
    return new_cloud()


@pytest.fixture(scope="module")
def shared_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """One cloud for the tests of a module that don't mind each other's resources."""
    cloud = Cloud(tmp_path_factory.mktemp("shared") / "a cloud", live=False)
    yield cloud
    stop_cloud(cloud.directory)


def wait_for(probe: Callable[[], Any], wanted: Any, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while (found := probe()) != wanted:
        assert time.monotonic() < end, f"waited for {wanted!r}, found {found!r}"
        time.sleep(0.05)


def model_archive(text: str) -> bytes:
    """A model.tar.gz whose model is a text: the stand-in image answers with it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo("model.txt")
        info.size = len(text.encode())
        archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
