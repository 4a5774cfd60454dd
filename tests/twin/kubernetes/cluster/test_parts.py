"""The cluster's parts that need no Kubernetes."""

import os
import stat
import subprocess
import sys
import time

import pytest
from cryptography import x509

from pricing import catalogue as prices
from pricing.node_pools import allowed_types
from twin.kubernetes.cluster import cluster
from twin.kubernetes.cluster.catalogue import instance_types, zones_of
from twin.kubernetes.cluster.certificates import CLIENTS, create_all
from twin.kubernetes.cluster.components import Ports, components
from twin.kubernetes.cluster.files import ClusterFiles
from twin.kubernetes.cluster.processes import Process, start, stop


def _named(found, name):
    return next(item for item in found if item["name"] == name)


def test_the_catalogue_is_the_price_table():
    found = instance_types("us-east-1")
    g6 = _named(found, "g6.xlarge")
    known = prices("us-east-1")["g6.xlarge"]
    offered = {
        (offering["Requirements"][0]["values"][0], offering["Requirements"][1]["values"][0]): offering[
            "Price"
        ]
        for offering in g6["offerings"]
    }
    assert set(offered) == {(kind, zone) for kind in ("spot", "on-demand") for zone in zones_of("us-east-1")}
    assert offered["on-demand", "us-east-1a"] == float(known.hourly)
    assert known.spot is not None
    assert offered["spot", "us-east-1c"] == float(known.spot.hourly)
    assert g6["resources"]["nvidia.com/gpu"] == "1"
    assert g6["labels"]["karpenter.k8s.aws/instance-family"] == "g6"


def test_accelerators_are_told_apart():
    found = instance_types("us-east-1")
    assert _named(found, "trn1.2xlarge")["resources"]["aws.amazon.com/neuron"] == "1"
    assert "nvidia.com/gpu" not in _named(found, "trn1.2xlarge")["resources"]
    assert "karpenter.k8s.aws/instance-gpu-count" not in _named(found, "m7i.large")["labels"]


def test_its_labels_mean_what_the_estimate_takes_them_to_mean():
    requirements = [
        {"key": "karpenter.k8s.aws/instance-family", "operator": "In", "values": ["g6"]},
        {"key": "karpenter.k8s.aws/instance-gpu-count", "operator": "In", "values": ["1"]},
    ]
    spec = {"template": {"spec": {"requirements": requirements}}}
    by_price_table = {item.name for item in allowed_types(spec, region="us-east-1")}
    by_catalogue = {
        item["name"]
        for item in instance_types("us-east-1")
        if all(item["labels"].get(each["key"]) in each["values"] for each in requirements)
    }
    assert by_catalogue == by_price_table
    assert by_catalogue


def test_pods_get_less_than_the_machine_has():
    large = _named(instance_types("us-east-1"), "m7i.large")
    assert large["resources"]["memory"] == f"{int(8192 * 0.925)}Mi"
    assert large["overhead"]["cpu"] == "70m"


def test_keys_are_readable_by_their_owner_only(tmp_path):
    create_all(tmp_path, ["127.0.0.1", "localhost"])
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {0o600}
    names = {path.name for path in tmp_path.iterdir()}
    assert {f"{client}.key" for client in CLIENTS} | {"apiserver.key", "accounts.key", "ca.crt"} <= names
    assert "ca.key" not in names  # nobody can issue another
    server = x509.load_pem_x509_certificate((tmp_path / "apiserver.crt").read_bytes())
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes())
    server.verify_directly_issued_by(authority)


def test_everything_listens_on_loopback_only(tmp_path):
    parts = components(ClusterFiles(tmp_path), Ports(1234, 2345), region="us-east-1", speed=1, cloud=tmp_path)
    arguments = {part.name: part.arguments for part in parts}
    assert "--bind-address=127.0.0.1" in arguments["kube-apiserver"]
    assert "--anonymous-auth=false" in arguments["kube-apiserver"]
    for name in ("kube-scheduler", "kube-controller-manager"):
        assert "--secure-port=0" in arguments[name]


def test_a_process_outlives_its_starter_and_ends_when_told(tmp_path):
    started = start(
        [sys.executable, "-c", "import os,time; print(sorted(os.environ), flush=True); time.sleep(60)"],
        folder=tmp_path,
        environment={"ONLY": "this"},
        log=tmp_path / "log",
    )
    assert started.alive
    assert os.getsid(started.pid) == started.pid
    stop([started])
    assert not started.alive
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


def test_a_process_that_does_not_listen_is_made_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr("twin.kubernetes.cluster.processes._END_SECONDS", 0.3)
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True)"
    script += "; time.sleep(60)"
    started = start([sys.executable, "-c", script], folder=tmp_path, environment={}, log=tmp_path / "log")
    end = time.monotonic() + 20
    while not (tmp_path / "log").read_text() and time.monotonic() < end:
        time.sleep(0.02)
    stop([started])
    assert not started.alive


def test_another_process_with_the_same_id_is_left_alone(tmp_path):
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as other:
        stranger = Process(other.pid, "at another time")
        assert not stranger.alive
        stop([stranger])
        assert other.poll() is None
        other.kill()


def test_no_cluster_is_told_as_none_and_nothing_is_made(tmp_path):
    folder = tmp_path / "cluster"
    found = cluster.status(folder)
    assert (found.exists, found.well) == (False, False)
    assert cluster.down(folder) is False
    assert not folder.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"ports": 1}'])
def test_a_damaged_record_is_no_cluster(tmp_path, content):
    (tmp_path / "cluster.json").write_text(content)
    assert not cluster.status(tmp_path).exists
