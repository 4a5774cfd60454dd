"""What must hold of the pools, on a real control plane with the real Karpenter. One cluster for the file."""

import copy
import os
import signal
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.twin.kubernetes.cluster.driver import (
    CLAIMS,
    GPU,
    NAMESPACE,
    PODS,
    RESTRICTED,
    clear,
    eventually,
    job,
    label,
    nodes,
    pod,
    refusal,
    running,
    sell_out,
)
from twin.kubernetes.cluster import cluster, programs
from twin.kubernetes.cluster.api import Api
from twin.kubernetes.cluster.files import ClusterFiles
from twin.kubernetes.simulation.pools import hurried, read_manifests

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2700)]

POOLS = Path(__file__).parents[4] / "docs" / "examples" / "simulation" / "pools.yaml"
SPEED = 20
SPOT_ONLY = {"capacityType": "spot"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterFiles]:
    reason = programs.why_not()
    if reason is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("a home") / "cluster"
    try:
        found = cluster.up(folder, speed=SPEED)
        assert found.well
        yield ClusterFiles(folder)
    finally:
        cluster.down(folder)


@pytest.fixture(scope="module")
def connection(files: ClusterFiles) -> Iterator[Api]:
    with Api(files.kubeconfig()) as api:
        namespace = {"name": NAMESPACE, "labels": RESTRICTED}
        api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": namespace})
        for manifest in read_manifests(POOLS):
            api.apply(hurried(manifest, SPEED) if manifest["kind"] == "NodePool" else manifest)
        assert api.warnings == []
        accounts = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts"
        eventually("the namespace has its service account", lambda: api.items(accounts))
        yield api


@pytest.fixture
def api(connection: Api, files: ClusterFiles) -> Iterator[Api]:
    """The cluster with its pools, without load, and with everything on sale."""
    sell_out(files)
    yield connection
    sell_out(files)
    clear(connection)


def test_a_gpu_job_gets_spot_nodes_of_the_declared_families_and_no_other_pod_lands_there(api):
    api.create(job("train", pods=3))
    api.create(pod("stranger", tolerates=False))
    eventually("all workers run", lambda: len(running(api, "train")) == 3)
    found = nodes(api)
    assert {label(node, "capacity-type") for node in found} == {"spot"}
    assert {label(node, "instance-family") for node in found} <= {"g6", "g6e", "g5"}
    assert {label(node, "nodepool") for node in found} == {"training-spot"}
    assert all({"key": GPU, "effect": "NoSchedule"} in node["spec"]["taints"] for node in found)
    assert all(int(node["status"]["allocatable"][GPU]) >= 1 for node in found)
    stranger = api.get(f"{PODS}/stranger")
    assert stranger["status"]["phase"] == "Pending"
    assert "nodeName" not in stranger["spec"]


def test_with_spot_gone_the_fallback_takes_over_within_a_minute_and_spot_is_taken_again_after(api, files):
    sell_out(files, SPOT_ONLY)
    began = time.monotonic()
    api.create(job("train", pods=2))
    eventually("all workers run", lambda: len(running(api, "train")) == 2)
    assert time.monotonic() - began < 60
    assert {label(node, "nodepool") for node in nodes(api)} == {"training-on-demand"}
    assert {label(node, "capacity-type") for node in nodes(api)} == {"on-demand"}
    sell_out(files)
    api.create(job("later", pods=1))
    eventually("the later job runs", lambda: len(running(api, "later")) == 1)
    assert sorted(label(node, "capacity-type") for node in nodes(api)) == ["on-demand", "on-demand", "spot"]


def test_a_family_that_is_sold_out_in_every_zone_is_not_bought(api, files):
    sell_out(files, {"instanceType": "g6.*"})
    api.create(job("train", pods=1))
    eventually("it runs", lambda: running(api, "train"))
    (node,) = nodes(api)
    assert label(node, "instance-family") in {"g5", "g6e"}


def test_limits_hold_under_200_pending_pods(api):
    api.create(job("flood", pods=200))
    most = {"training-spot": 0, "training-on-demand": 0}

    def claimed() -> dict[str, int]:
        held = dict.fromkeys(most, 0)
        for claim in api.items(CLAIMS):
            gpus = claim.get("status", {}).get("capacity", {}).get(GPU, "1")
            held[label(claim, "nodepool")] += int(gpus)
        for name, count in held.items():
            most[name] = max(most[name], count)
        return held

    eventually("both pools are full", lambda: min(claimed().values()) == 8, 90)
    eventually("what fits runs", lambda: claimed() and len(running(api, "flood")) == 16, 60)
    end = time.monotonic() + 5
    while time.monotonic() < end:
        claimed()
        time.sleep(0.2)
    assert most == {"training-spot": 8, "training-on-demand": 8}
    assert len(running(api, "flood")) == 16


def test_running_training_is_never_evicted_by_consolidation_and_empty_pools_go_to_zero(api):
    api.create(job("long", pods=2))
    api.create(job("short", pods=3, runs_for="1s"))
    eventually("the long job runs", lambda: len(running(api, "long")) == 2)
    before = {item["metadata"]["uid"] for item in running(api, "long")}
    on = {item["spec"]["nodeName"] for item in running(api, "long")}
    eventually(
        "only the nodes that train are left",
        lambda: {node["metadata"]["name"] for node in nodes(api)} == on,
    )
    # Several rounds of Karpenter's looking for something to remove.
    end = time.monotonic() + 6
    while time.monotonic() < end:
        assert {item["metadata"]["uid"] for item in running(api, "long")} == before
        time.sleep(0.3)
    api.delete(f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs/long")
    eventually("every node is gone", lambda: not nodes(api) and not api.items(CLAIMS))


def test_neuron_devices_have_pools_and_a_taint_of_their_own(api):
    node_class, spot, _ = read_manifests(POOLS)
    neuron = copy.deepcopy(spot)
    neuron["metadata"]["name"] = "neuron"
    neuron["spec"]["limits"] = {"aws.amazon.com/neuron": 4}
    node = neuron["spec"]["template"]["spec"]
    node["taints"] = [{"key": "aws.amazon.com/neuron", "effect": "NoSchedule"}]
    families = ["trn1", "inf2"]
    node["requirements"][2:] = [
        {"key": "karpenter.k8s.aws/instance-family", "operator": "In", "values": families}
    ]
    api.apply(node_class)
    api.apply(hurried(neuron, SPEED))
    wanted = pod("neuron", tolerates=False)
    wanted["spec"]["tolerations"] = [{"key": "aws.amazon.com/neuron", "operator": "Exists"}]
    resources = wanted["spec"]["containers"][0]["resources"]
    resources["requests"]["aws.amazon.com/neuron"] = resources["limits"]["aws.amazon.com/neuron"] = "1"
    try:
        api.create(wanted)
        eventually("it runs", lambda: api.get(f"{PODS}/neuron")["status"]["phase"] == "Running")
        assert {label(node, "instance-family") for node in nodes(api)} <= set(families)
    finally:
        api.delete("/apis/karpenter.sh/v1/nodepools/neuron")


def test_what_is_not_restricted_is_refused(api):
    privileged = pod("privileged")
    privileged["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    assert 'violates PodSecurity "restricted' in refusal(lambda: api.create(privileged))


def test_unknown_fields_and_wrong_node_classes_are_refused(api):
    unknown = pod("unknown")
    unknown["spec"]["imaginary"] = 1
    assert "imaginary" in refusal(lambda: api.create(unknown))
    node_class = read_manifests(POOLS)[0]
    node_class["spec"]["metadataOptions"]["httpTokens"] = "maybe"
    assert "httpTokens" in refusal(lambda: api.apply(node_class))


def test_a_pool_whose_node_class_is_missing_buys_nothing(api):
    _, spot, _ = read_manifests(POOLS)
    spot["metadata"]["name"] = "orphan"
    spot["spec"]["template"]["spec"]["nodeClassRef"]["name"] = "missing"
    api.apply(spot)
    try:

        def ready() -> str:
            conditions = (
                api.get("/apis/karpenter.sh/v1/nodepools/orphan").get("status", {}).get("conditions", [])
            )
            return next((str(item["status"]) for item in conditions if item["type"] == "Ready"), "")

        eventually("it is not ready", lambda: ready() == "False")
    finally:
        api.delete("/apis/karpenter.sh/v1/nodepools/orphan")


def test_up_again_leaves_what_runs_alone(api, files):
    before = cluster.status(files.folder)
    assert cluster.up(files.folder, speed=SPEED).components == before.components
    assert before.well


def test_a_part_that_crashed_is_told_and_started_again(api, files):
    before = {part.name: part.pid for part in cluster.status(files.folder).components}
    os.kill(before["karpenter"], signal.SIGKILL)
    eventually("it is gone", lambda: not cluster.status(files.folder).well)
    found = cluster.status(files.folder)
    assert [part.name for part in found.components if not part.alive] == ["karpenter"]
    assert found.answers
    after = {part.name: part.pid for part in cluster.up(files.folder, speed=SPEED).components}
    assert after.pop("karpenter") != before.pop("karpenter")
    assert after == before


def test_nobody_else_can_look_into_its_folder_and_nothing_listens_outside_this_machine(api, files):
    assert stat.S_IMODE(files.folder.stat().st_mode) == 0o700
    found = cluster.status(files.folder)
    addresses = {address for part in found.components for address in _listening(part.pid)}
    if Path("/proc/self/net/tcp").exists():
        assert addresses == {"127.0.0.1"}


def test_down_leaves_no_process_and_no_file(files, tmp_path):
    folder = tmp_path / "cluster"
    found = cluster.up(folder)
    assert len(found.components) == 6
    assert cluster.down(folder) is True
    assert not folder.exists()
    assert not [part for part in found.components if _runs(part.pid)]


def _runs(pid: int) -> bool:
    """Whether a process runs; one that nobody has collected yet does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _listening(pid: int) -> set[str]:
    """The addresses that a process listens on, from Linux's own tables."""
    sockets = set()
    for descriptor in Path(f"/proc/{pid}/fd").glob("*"):
        try:
            sockets.add(str(descriptor.readlink()))
        except OSError:
            continue
    found = set()
    for table, local in (("tcp", "0100007F"), ("tcp6", "")):
        path = Path(f"/proc/{pid}/net/{table}")
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                address = fields[1].partition(":")[0]
                found.add("127.0.0.1" if address == local else address)
    return found
