"""The twin's Kubernetes provider, for components whose objects a strict server is to take."""

from collections.abc import Iterator

import pytest

from tests.twin.aws.provider.plugin import ROOT, Plugin

PROGRAM = ROOT / "twin" / "bin" / "pulumi-resource-kubernetes"


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plugin]:
    folder = tmp_path_factory.mktemp("clusters")
    started = Plugin({"STAGECRAFT_KUBERNETES": str(folder), "STAGECRAFT_KUBECONFIG": ""}, PROGRAM)
    started.handshake()
    started.configure()
    yield started
    started.close()
