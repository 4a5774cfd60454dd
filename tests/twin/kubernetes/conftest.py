"""A provider process with records of its own for the tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.twin.aws.provider.plugin import ROOT, Plugin

PROGRAM = ROOT / "twin" / "bin" / "pulumi-resource-kubernetes"


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clusters") / "kubernetes"


@pytest.fixture(scope="session")
def plugin(records: Path) -> Iterator[Plugin]:
    started = Plugin({"STAGECRAFT_KUBERNETES": str(records), "STAGECRAFT_KUBECONFIG": ""}, PROGRAM)
    started.handshake()
    started.configure()
    yield started
    started.close()
    assert not started.errors, "".join(started.errors)
