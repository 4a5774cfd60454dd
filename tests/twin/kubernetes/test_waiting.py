"""When a Deployment counts as rolled out."""

from typing import Any

import pytest

from twin.kubernetes.kinds import Kind, Kinds
from twin.kubernetes.provider.clusters.waiting import pending


@pytest.fixture(scope="module")
def deployment() -> Kind:
    found = Kinds().find("apps/v1", "Deployment")
    assert found is not None
    return found


def live(**status: int) -> dict[str, Any]:
    told = {"observedGeneration": 2, **status}
    return {"metadata": {"generation": 2}, "spec": {"replicas": 2}, "status": told}


@pytest.mark.parametrize(
    ("status", "missing"),
    [
        ({"observedGeneration": 1}, "its controller has not seen it yet"),
        ({"replicas": 2}, "0 of 2 pods are updated"),
        ({"replicas": 3, "updatedReplicas": 1, "availableReplicas": 2}, "1 of 2 pods are updated"),
        ({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}, "1 of 2 pods are available"),
        # Both new pods are there, and the two that are available are the old one and the first new one.
        (
            {"replicas": 3, "updatedReplicas": 2, "availableReplicas": 2},
            "1 pods of the version before are left",
        ),
        ({"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}, None),
    ],
)
def test_it_is_when_no_pod_of_the_version_before_is_left(deployment, status, missing):
    assert pending(deployment, live(**status)) == missing
