import copy
from pathlib import Path

import pytest

from twin.kubernetes.simulation.pools import PoolsError, group_named, groups_of, hurried, read_manifests

EXAMPLE = Path(__file__).parents[4] / "docs" / "examples" / "simulation" / "pools.yaml"


@pytest.fixture
def manifests():
    return read_manifests(EXAMPLE)


def test_a_spot_pool_and_its_fallback_belong_together(manifests):
    (group,) = groups_of(manifests)
    assert group.name == "training-spot"
    assert [pool.name for pool in group.fallbacks] == ["training-on-demand"]
    assert group.labels == {"stagecraft.dev/pool": "training"}
    assert group.pools[0].accelerator == "nvidia.com/gpu"


def test_pools_with_other_taints_stand_alone(manifests):
    other = copy.deepcopy(manifests[2])
    other["metadata"]["name"] = "cpu"
    other["spec"]["template"]["spec"]["taints"] = []
    groups = groups_of([*manifests, other])
    assert [group.name for group in groups] == ["cpu", "training-spot"]
    assert group_named(groups, "training-on-demand") is groups[1]
    assert group_named(groups, "") is None
    assert group_named(groups[:1], "") is groups[0]


def test_every_duration_passes_faster_and_the_original_is_left_alone(manifests):
    manifests[1]["spec"]["template"]["spec"]["terminationGracePeriod"] = "1h30m"
    made = hurried(manifests[1], 60)
    assert made["spec"]["disruption"]["consolidateAfter"] == "2s"
    assert made["spec"]["template"]["spec"]["terminationGracePeriod"] == "90s"
    assert made["spec"]["template"]["spec"]["expireAfter"] == "Never"
    assert manifests[1]["spec"]["disruption"]["consolidateAfter"] == "2m"


def test_pools_that_cannot_be_simulated_are_refused_all_at_once(manifests):
    manifests[1]["spec"]["template"]["spec"]["nodeClassRef"]["name"] = "missing"
    del manifests[2]["spec"]["template"]["spec"]["nodeClassRef"]
    with pytest.raises(PoolsError) as caught:
        groups_of(manifests)
    assert caught.value.problems == (
        (
            "NodePool training-spot: its node class, EC2NodeClass missing, is not among the objects; "
            "add its EC2NodeClass"
        ),
        "NodePool training-on-demand has no spec.template.spec.nodeClassRef; Karpenter needs one",
    )


def test_a_file_without_pools_is_refused(tmp_path):
    file = tmp_path / "pools.yaml"
    with pytest.raises(PoolsError, match="cannot be read"):
        read_manifests(file)
    file.write_text("- 1\n")
    with pytest.raises(PoolsError, match="must be an object"):
        read_manifests(file)
    file.write_text("kind: Pod\nmetadata: {name: a}\n")
    with pytest.raises(PoolsError, match="there is no NodePool"):
        groups_of(read_manifests(file))
