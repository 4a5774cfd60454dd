"""A cloud and a provider process for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.twin.aws.provider.plugin import Plugin
from twin.aws.cloud.client import ensure_cloud, stop_cloud


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("cloud of tests")
    # Its tests are far apart in a whole run: those that are slow come first.
    yield ensure_cloud(directory, idle_seconds=7200, live=False).endpoint
    stop_cloud(directory)


@pytest.fixture(scope="session")
def plugin(endpoint: str) -> Iterator[Plugin]:
    started = Plugin({"STAGECRAFT_CLOUD": endpoint})
    started.handshake()
    started.configure({"region": "us-east-1"})
    yield started
    started.close()
    assert not started.errors, "".join(started.errors)
