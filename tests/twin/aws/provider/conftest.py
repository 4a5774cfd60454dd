"""A cloud and a provider process for the tests of this folder."""

from collections.abc import Iterator

import pytest

from tests.twin.aws.provider.plugin import Plugin
from twin.aws.cloud.client import CloudError, ensure_cloud, stop_cloud


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("cloud of tests")
    try:
        yield ensure_cloud(directory, live=False).endpoint
    except CloudError:
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
        server.stop()
        return
    stop_cloud(directory)


@pytest.fixture(scope="session")
def plugin(endpoint: str) -> Iterator[Plugin]:
    started = Plugin({"STAGECRAFT_CLOUD": endpoint})
    started.handshake()
    started.configure({"region": "us-east-1"})
    yield started
    started.close()
    assert not started.errors, "".join(started.errors)
