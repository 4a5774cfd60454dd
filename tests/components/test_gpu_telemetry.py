"""GpuTelemetry: what runs on GPU machines, that a strict server takes it, and who hears of what."""

import json
from typing import Any

import pulumi
import pytest

from components import gpu_objects
from components.pool_objects import Pool
from platform_jobs import gpu_telemetry
from platform_jobs.gpu_telemetry import GpuSettings
from platform_jobs.settings import load
from policies.testing import PackUnderTest
from tests.components.examples import PINNED, make
from tests.components.recording import Recording, run


@pytest.fixture(scope="module")
def made() -> Recording:
    return run(lambda: make("GpuTelemetry"))


def pod(made: Recording, pool: str) -> dict[str, Any]:
    return dict(made.one("DaemonSet", f"it-{pool}").inputs["spec"]["template"]["spec"])


def test_a_strict_server_takes_every_object(made, plugin):
    manifests = [each for each in made.resources if each.type.startswith("kubernetes:")]
    assert len(manifests) == 8
    for each in manifests:
        failures = plugin.check(each.type, each.inputs).failures
        assert failures == {}, (each.name, failures)


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_every_pack_passes_at_optimise(made, environment):
    with PackUnderTest("cost", "governance", "security", "reliability") as packs:
        verdict = packs.judge(made.judged(), stage="optimise", environment=environment)
    assert not [*verdict.violations, *verdict.cannot_judge]


def test_each_pool_s_machines_tell_of_their_own_gpus(made):
    for pool in ("training-l4", "models-serving-gpu"):
        spec = pod(made, pool)
        (container,) = spec["containers"]
        assert (container["image"], container["args"]) == (PINNED, ["gpu-telemetry"])
        told = load(GpuSettings, {each["name"]: each["value"] for each in container["env"]})
        assert (told.cluster, told.pool) == ("stagecraft-test", pool)
        assert told.url == "http://dcgm-exporter.kube-system.svc:9400/metrics"
        nodes = Pool(pool, ("g6.xlarge",), "nvidia.com/gpu", (), None)
        template = nodes.node_pool("on_demand", gpu_request())["template"]
        assert template["metadata"]["labels"].items() >= spec["nodeSelector"].items()
        assert spec["tolerations"] == nodes.tolerations
    assert str(gpu_telemetry.ALIVE) == gpu_objects.ALIVE
    assert gpu_telemetry.GpuSettings.__dataclass_fields__["seconds"].default < gpu_objects.ALIVE_SECONDS / 2


def gpu_request():
    from components.pool_objects import Request

    return Request(8, 32768, 2)


def test_the_exporter_is_on_every_gpu_machine_and_answers_its_own(made):
    release = made.one("Release").inputs
    values = release["values"]
    assert (release["chart"], release["version"], release["namespace"]) == (
        "dcgm-exporter",
        "4.8.3",
        "kube-system",
    )
    assert values["nodeSelector"] == {"karpenter.k8s.aws/instance-gpu-manufacturer": "nvidia"}
    assert values["service"] == {"internalTrafficPolicy": "Local"}
    keys = {each["key"] for each in values["tolerations"]}
    assert keys == {taint["key"] for taint in Pool("p", (), "nvidia.com/gpu", (), None).taints}


def test_what_tells_may_do_nothing_else(made):
    (statement,) = json.loads(made.one("RolePolicy").inputs["policy"])["Statement"]
    assert statement["Action"] == ["cloudwatch:PutMetricData"]
    assert statement["Condition"] == {"StringEquals": {"cloudwatch:namespace": "Stagecraft"}}
    assert made.one("PodIdentityAssociation").inputs["namespace"] == "gpu-telemetry"
    reached = made.one("NetworkPolicy", "it-to-exporter").inputs["spec"]["egress"]
    assert [port["port"] for rule in reached for port in rule["ports"]] == [9400]


def test_idle_and_failing_gpus_are_heard_of(made):
    alarms = {each.name.removeprefix("it-"): each.inputs for each in made.of("MetricAlarm")}
    kinds, pools = ("idle", "errors", "silent"), ("training-l4", "models-serving-gpu")
    assert set(alarms) == {f"{pool}-gpu-{kind}" for pool in pools for kind in kinds}
    idle = alarms["training-l4-gpu-idle"]
    assert idle["dimensions"] == {"Cluster": "stagecraft-test", "Pool": "training-l4"}
    assert (idle["metricName"], idle["statistic"], idle["threshold"]) == ("IdleGpus", "Maximum", 0)
    assert idle["period"] * idle["evaluationPeriods"] == 1800
    assert idle["alarmDescription"].endswith("Runbook: docs/runbooks/gpu-idle.md")
    assert alarms["training-l4-gpu-errors"]["evaluationPeriods"] == 1
    assert {each["treatMissingData"] for each in alarms.values()} == {"notBreaching"}
    assert all(each["alarmActions"] for each in alarms.values())
    assert made.outputs["alarm_names"]["training-l4-gpu-idle"] == "it-training-l4-gpu-idle"


def test_one_dashboard_twice_has_a_row_for_each_pool(made):
    widgets = json.loads(made.one("Dashboard").inputs["dashboardBody"])["widgets"]
    texts = [each["properties"]["markdown"] for each in widgets if each["type"] == "text"]
    assert [text.splitlines()[0] for text in texts] == ["## training-l4", "## models-serving-gpu"]
    shown = [each["properties"]["title"] for each in widgets if each["type"] == "metric"]
    assert len(shown) == 10
    file = made.one("BucketObjectv2").inputs
    assert file["key"] == "dashboards/gpus.json"
    panels = json.loads(file["content"])["panels"]
    assert [each["title"] for each in panels if each["type"] == "timeseries"] == shown
    names = {target["metricName"] for panel in panels for target in panel.get("targets", [])}
    assert {"GpuUtilisation", "GpuMemoryUtilisation", "GpuTemperature", "GpuErrors", "IdleGpus"} <= names


def test_what_is_wrong_is_said_at_once():
    with pytest.raises(pulumi.InputPropertiesError) as caught:
        run(lambda: make("GpuTelemetry", pools=["a", "a", "No"], image_uri="platform:0.1.0"))
    assert [each["property_path"] for each in caught.value.errors or []] == [
        "pools[1]",
        "pools[2]",
        "imageUri",
    ]
