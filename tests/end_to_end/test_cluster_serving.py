"""Models that answer from the stack's own cluster: a real scheduler, the real Karpenter, real processes."""

import contextlib
import json
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.cluster_gateway import ClusterGateway, NobodyAnswersError
from cli.load.questions import question_bodies
from platform_jobs.aws import Clients
from tests.cli_driver import CHECKOUT, Stagecraft
from tests.components.examples import PINNED
from tests.twin.kubernetes.cluster.driver import CLAIMS, GPU, eventually, label, nodes, pod_spec, refusal
from twin.aws.cloud.client import ensure_cloud, session
from twin.kubernetes.cluster import programs
from twin.kubernetes.cluster.addresses import answering
from twin.kubernetes.cluster.api import Api
from twin.kubernetes.cluster.files import ClusterFiles
from twin.kubernetes.quantities import parse

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2700)]

DEPLOYMENTS = "/apis/apps/v1/namespaces/serving/deployments"
PODS = "/api/v1/namespaces/serving/pods"
GATEWAY = "http://gateway.serving.svc:8090"
LIVE = "http://screening-live.serving.svc:8080"


@dataclass(frozen=True)
class Served:
    """A deployed stack with a cluster."""

    command: Stagecraft
    api: Api

    @property
    def files(self) -> ClusterFiles:
        return ClusterFiles(self.command.home / "local" / "cluster")

    @property
    def gateway(self) -> ClusterGateway:
        return ClusterGateway(self.files.folder, GATEWAY, LIVE)

    def pods(self, *, name: str, ready: bool = True) -> list[dict[str, Any]]:
        """Those of a Deployment, in the order that they were made; those that are going are left out."""
        found = [
            pod
            for pod in self.api.items(PODS)
            if pod["metadata"]["name"].rsplit("-", 2)[0] == name
            and "deletionTimestamp" not in pod["metadata"]
            and (not ready or _ready(pod))
        ]
        return sorted(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def scale(self, name: str, replicas: int) -> None:
        """As a scaler does; KEDA itself does not run in the twin."""
        self.api.merge(f"{DEPLOYMENTS}/{name}/scale", {"spec": {"replicas": replicas}})

    def evict(self, pod: dict[str, Any]) -> None:
        """As a node's drain does."""
        name = pod["metadata"]["name"]
        metadata = {"name": name, "namespace": "serving"}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        self.api.post(f"{PODS}/{name}/eviction", eviction)

    def available(self, name: str) -> int:
        return int(self.api.get(f"{DEPLOYMENTS}/{name}")["status"].get("availableReplicas", 0))


def _ready(pod: dict[str, Any]) -> bool:
    return any(
        each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", [])
    )


def _project(folder: Path) -> None:
    stack = yaml.safe_load((CHECKOUT / "stacks" / "Pulumi.local.yaml").read_text())
    config = stack["config"]
    (screening,) = config["stagecraft:models"]
    screening["serving"] = {
        "mode": "cluster",
        "minReplicas": 2,
        "maxReplicas": 4,
        "fallback": "default-answer",
        "defaultAnswer": 0,
        # Long enough for a busy machine: what is asked here is who answers.
        "timeoutMs": 5000,
        "pods": {"warm": 1},
    }
    writer = {**screening, "name": "writer", "training": {"accelerator": "none", "spot": True}}
    writer.pop("batch", None)  # that is for models that the platform trains
    writer["serving"] = {
        "mode": "cluster",
        "pods": {"runtime": "gpu", "image": PINNED, "vcpus": 3, "memoryMib": 12000},
    }
    config |= {
        "stagecraft:capabilities": {"cluster": True, "quotas": True},
        "stagecraft:monthlyBudgetUsd": 40000,
        "stagecraft:image": f"sha256:{'1' * 64}",
        "stagecraft:models": [screening, writer],
        "stagecraft:cluster": {
            "prometheus": {"url": "http://prometheus.monitoring.svc:9090", "namespace": "monitoring"},
            "entrance": {"gateway": "public", "namespace": "gateways", "models": True},
        },
    }
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text(f'name: stagecraft\nruntime: python\nmain: "{CHECKOUT}/stacks"\n')
    (folder / "Pulumi.local.yaml").write_text(yaml.safe_dump(stack))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A stack with one model on CPUs, which the demo has trained and released, and one on GPUs."""
    reason = programs.why_not()
    if reason is not None:
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("serving") / "a project"
    _project(folder)
    command = Stagecraft(folder / "home", project=folder)
    try:
        command.run("cluster", "up", seconds=2600)
        command.run("up", "--yes", "--json")
        with Api(folder / "home" / "local" / "cluster" / "admin.kubeconfig") as api:
            assert nodes(api) == [], "before the first release nothing stands"
            assert "10 of 10 predictions right" in " ".join(command.run("demo").out.split())
            found = Served(command, api)
            found.scale("screening-live", 2)
            eventually("both replicas are ready", lambda: len(found.pods(name="screening-live")) == 2, 90)
            yield found
    finally:
        command.run("cluster", "down")
        command.close()


def test_replicas_are_apart_on_machines_that_karpenter_brought(served: Served) -> None:
    by_name = {node["metadata"]["name"]: node for node in nodes(served.api)}
    assert {label(node, "nodepool") for node in by_name.values()} == {"models-serving-cpu-on-demand"}
    assert {label(node, "capacity-type") for node in by_name.values()} == {"on-demand"}
    for name in ("gateway", "screening-live"):
        eventually("two are ready", lambda name=name: len(served.pods(name=name)) == 2, 90)
        on = {pod["spec"]["nodeName"] for pod in served.pods(name=name)}
        assert len(on) == 2, f"{name}: a machine may fail"
        assert len({label(by_name[each], "zone") for each in on}) == 2, f"{name}: a zone may fail"


def test_the_server_takes_what_scales_routes_and_shields_it(served: Served) -> None:
    api = served.api
    route = api.get("/apis/gateway.networking.k8s.io/v1/namespaces/serving/httproutes/models")["spec"]
    assert [rule["backendRefs"][0]["name"] for rule in route["rules"]] == ["gateway", "screening-live"]
    assert route["rules"][1]["backendRefs"][0]["weight"] == 10000
    scaler = api.get("/apis/keda.sh/v1alpha1/namespaces/serving/scaledobjects/screening-live")["spec"]
    assert (scaler["minReplicaCount"], scaler["maxReplicaCount"]) == (2, 4)
    policies = api.items("/apis/networking.k8s.io/v1/namespaces/serving/networkpolicies")
    assert {policy["metadata"]["name"] for policy in policies} >= {"models-closed", "models-models"}
    # The gateway's own scaler is Kubernetes': it has brought the replicas.
    hpa = api.get("/apis/autoscaling/v2/namespaces/serving/horizontalpodautoscalers/gateway")
    assert hpa["status"]["desiredReplicas"] == 2


def test_requests_from_outside_come_in_by_the_route(served: Served) -> None:
    entrance = answering(served.files.folder, "http://public.gateways.gateway")
    assert entrance is not None
    features = _features(served)
    body = {"entity": {"sample_id": "s0001"}, "features": features}
    answer = _post(f"{entrance.url}/v1/models/screening/predict", body)
    assert answer["step"] == "live"
    direct = _post(f"{entrance.url}/models/screening/invocations", {"instances": [features]})
    assert direct["predictions"][0]["prediction"] == answer["prediction"]
    assert direct["model_version"] == answer["model_version"]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        _post(f"{entrance.url}/metrics", {})


def _post(url: str, body: Any) -> dict[str, Any]:
    asked = urllib.request.Request(  # noqa: S310  # loopback
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310  # loopback
        told: dict[str, Any] = json.load(answer)
        return told


def test_what_the_disruption_budget_does_not_allow_is_refused(served: Served) -> None:
    first, second = served.pods(name="screening-live")
    served.evict(first)
    assert "disruption budget" in refusal(lambda: served.evict(second))
    assert served.gateway.predict("screening", {"sample_id": "s"}, _features(served))["step"] == "live"
    eventually("both are there again", lambda: len(served.pods(name="screening-live")) == 2, 90)
    served.evict(second)

    def replaced() -> bool:
        found = [pod["metadata"]["uid"] for pod in served.pods(name="screening-live")]
        return len(found) == 2 and second["metadata"]["uid"] not in found

    eventually("once more", replaced, 90)


def test_killing_the_live_models_processes_loses_no_request(served: Served) -> None:
    report = served.command.run(
        *("load", "--model", "screening", "--rps", "20", "--for", "20s"),
        *("--kill-live-after", "2s", "--json"),
    ).object
    assert (report["lost"], report["problems"]) == (0, {})
    assert len(report["fault"]["processes"]) == 2
    assert report["answers"]["live"] < 400, "the fault was felt"
    assert report["metrics"]["answers"].get("live") == report["answers"]["live"], "both gateways are counted"
    assert report["fault"]["degradedSeconds"] is not None, "the live model is back, and the metrics show it"
    restarts = [
        pod["status"]["containerStatuses"][0]["restartCount"] for pod in served.pods(name="screening-live")
    ]
    assert restarts == [1, 1], "the same pods, with their containers started again"


def _cpus(quantity: str) -> float:
    return float(parse(quantity) or 0)


def _fill(served: Served) -> None:
    """Takes what CPU the machines have left, in steps that a replica does not fit into."""
    for node in nodes(served.api):
        name = node["metadata"]["name"]
        asked = [
            container["resources"]["requests"]["cpu"]
            for pod in served.api.items("/api/v1/pods", fieldSelector=f"spec.nodeName={name}")
            for container in pod["spec"]["containers"]
        ]
        left = _cpus(node["status"]["allocatable"]["cpu"]) - sum(_cpus(each) for each in asked)
        spec = {**pod_spec(cpu=f"{int(left * 1000) - 100}m"), "nodeName": name}
        metadata = {"name": f"filler-{name}", "namespace": "serving"}
        served.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    eventually("they run", lambda: all(_ready(pod) for pod in _fillers(served)))


def _fillers(served: Served) -> list[dict[str, Any]]:
    return [pod for pod in served.api.items(PODS) if pod["metadata"]["name"].startswith("filler-")]


def test_a_placeholder_yields_to_a_replica_that_needs_its_place(served: Served) -> None:
    eventually("a place is held", lambda: served.pods(name="screening-warm"), 60)
    (held,) = served.pods(name="screening-warm")
    before = {pod["metadata"]["uid"] for pod in served.pods(name="screening-live")}
    _fill(served)
    served.scale("screening-live", 3)
    eventually("all three are ready", lambda: len(served.pods(name="screening-live")) == 3, 90)
    (newest,) = [pod for pod in served.pods(name="screening-live") if pod["metadata"]["uid"] not in before]
    assert newest["spec"]["nodeName"] == held["spec"]["nodeName"], "without waiting for another machine"
    told = served.api.items("/api/v1/namespaces/serving/events", fieldSelector="reason=Preempted")
    assert held["metadata"]["name"] in {event["involvedObject"]["name"] for event in told}
    eventually("a place is held anew", lambda: served.pods(name="screening-warm"), 60)
    served.scale("screening-live", 2)
    for filler in _fillers(served):
        served.api.delete(f"{PODS}/{filler['metadata']['name']}")
    eventually("two are left", lambda: len(served.api.items(PODS, labelSelector=_labels())) == 2, 60)


def _labels() -> str:
    return "stagecraft.dev/model=screening,stagecraft.dev/variant=live"


@dataclass
class _Watched:
    """What callers and the Deployment were like, all the time."""

    steps: list[str] = field(default_factory=list)
    available: list[int] = field(default_factory=list)


@contextlib.contextmanager
def _watched(served: Served) -> Iterator[_Watched]:
    seen, over, features = _Watched(), threading.Event(), _features(served)

    def watch() -> None:
        while not over.wait(0.1):
            seen.available.append(served.available("screening-live"))
            try:
                answer = served.gateway.predict("screening", {"sample_id": "s0001"}, features)
            except NobodyAnswersError as error:
                answer = {"step": f"none: {error}"}
            seen.steps.append(answer["step"])

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def _versions(served: Served) -> set[str]:
    """The registered versions that the ready pods have fetched."""
    return {
        item["value"].rpartition("/")[2]
        for pod in served.pods(name="screening-live")
        for item in pod["spec"]["initContainers"][0]["env"]
        if item["name"] == "STAGECRAFT_MODEL_PACKAGE"
    }


def test_a_new_version_rolls_out_without_a_replica_less_or_a_caller_without_answer(served: Served) -> None:
    assert _versions(served) == {"1"}
    with _watched(served) as seen:
        served.command.run("demo")
    assert _versions(served) == {"2"}
    assert min(seen.available) == 2
    assert set(seen.steps) == {"live"}
    assert len(seen.steps) > 20
    previous = answering(served.files.folder, "http://screening-previous.serving.svc:8080")
    assert previous is not None, "the version before answers when this one does not"


def test_gpu_pods_are_on_gpu_machines_and_nothing_else_is(served: Served) -> None:
    aws = session(ensure_cloud(served.command.home / "local" / "cloud").endpoint, "us-east-1")
    models = served.command.run("outputs", "models", "--json").object
    ssm = aws.client("ssm")
    version = ssm.get_parameter(Name=models["screening"]["livePointer"])["Parameter"]["Value"]
    # Its image cannot run here: any version is good for its pods to be placed.
    ssm.put_parameter(Name=models["writer"]["livePointer"], Value=version, Overwrite=True)
    served.command.run("up", "--yes", "--json")
    served.scale("writer-live", 2)
    eventually("its pods run", lambda: len(served.pods(name="writer-live")) == 2, 90)
    machines = {
        node["metadata"]["name"] for node in nodes(served.api) if GPU in node["status"]["allocatable"]
    }
    on = {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in served.api.items(PODS)}
    assert {where for name, where in on.items() if name.startswith("writer-")} == machines
    assert not machines & {where for name, where in on.items() if not name.startswith("writer-")}
    assert len(machines) == 2


def test_after_destroy_no_pod_no_machine_and_no_process_is_left(served: Served) -> None:
    processes = [process for pod in served.gateway.live().pods for process in pod.processes]
    served.command.run("destroy", "--yes", "--json", seconds=600)
    eventually("every node is gone", lambda: not nodes(served.api) and not served.api.items(CLAIMS))
    assert served.api.items("/api/v1/pods") == []
    assert served.api.items("/apis/apps/v1/deployments") == []
    assert json.loads(served.files.addresses.read_text()) == {}
    assert not list((served.files.folder / "pods").iterdir())
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)
    assert [each["type"] for each in served.command.inventory("local")] == []


def _features(served: Served) -> dict[str, Any]:
    """A sample that is online, as the gateway is asked about it."""
    cloud = ensure_cloud(served.command.home / "local" / "cloud").endpoint
    clients = Clients(session=session(cloud, "us-east-1"), endpoint_url=cloud)
    outputs = served.command.run("outputs", "--json").object
    asked = json.loads(question_bodies(clients, outputs, "screening")[0])
    features: dict[str, Any] = asked["features"]
    return features
