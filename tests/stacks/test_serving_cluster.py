"""A stack whose models answer from its cluster: allowed by every pack, with the ladder that it declares."""

import functools
import json
from typing import Any

import pytest

from policies.packs import PACKS
from policies.testing import PackUnderTest
from stacks.settings import problems_of
from tests.components.examples import PINNED
from tests.components.recording import Recording
from tests.stacks.files import as_engine_hands_it, stack_file
from tests.stacks.test_program import deploy

DIGEST = f"sha256:{'1' * 64}"


def raw_of(stack: str, **serving: Any) -> dict[str, Any]:
    """A stack's file with its models in the cluster."""
    raw = {
        **stack_file(stack),
        "stagecraft:capabilities": {"cluster": True, "quotas": True},
        "stagecraft:image": DIGEST,
        "stagecraft:monthlyBudgetUsd": 40000,
    }
    for model in raw["stagecraft:models"]:
        model["serving"] = {"mode": "cluster", "minReplicas": 2, "fallback": "last-good", **serving}
        if serving:  # language models are not scored in batch
            model.pop("batch", None)
    return raw


@functools.cache
def in_cluster(stack: str, live: bool) -> Recording:
    return deploy(stack, raw=raw_of(stack), live=live)


@pytest.fixture(scope="module")
def packs():
    with PackUnderTest(*PACKS) as running:
        yield running


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_every_pack_allows_it(packs, stack, live):
    raw = raw_of(stack)
    verdict = packs.judge(
        in_cluster(stack, live).judged(),
        environment=raw["stagecraft:environment"],
        stage=raw["stagecraft:stage"],
        overrides={"estimate-under-budget": {"monthlyBudgetUsd": raw["stagecraft:monthlyBudgetUsd"]}},
    )
    assert not verdict.violations
    assert not verdict.cannot_judge


def test_models_answer_from_the_cluster_and_not_from_sagemaker():
    recording = in_cluster("prod", True)
    assert not recording.of("EndpointConfiguration")
    served = recording.outputs["servingCluster"]
    assert served["gatewayUrl"] == "http://gateway.serving.svc:8090"
    assert "screening-live" in served["modelUrls"]
    assert recording.outputs["models"]["screening"]["endpoint"] == "none"
    gateway = recording.one("Deployment", "models-gateway").inputs["spec"]["template"]["spec"]["containers"][
        0
    ]
    told = {item["name"]: item["value"] for item in gateway["env"]}
    assert json.loads(told["STAGECRAFT_GATEWAY_MODELS"])["churn"]["ladder"][-1] == "last-good"
    assert gateway["image"].endswith(f"@{DIGEST}")


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_what_is_watched_of_it_is_what_its_gateway_tells(packs, stack):
    raw = raw_of(stack)
    raw["stagecraft:capabilities"] |= {"monitors": True, "slo-alarms": True, "dashboards": True}
    recording = deploy(stack, raw=raw, live=True)
    compared = [
        query["metric"]["namespace"] if "metric" in query else None
        for alarm in recording.of("MetricAlarm")
        if alarm.name.startswith("monitoring-")
        for query in alarm.inputs.get("metricQueries", [{"metric": alarm.inputs}])
    ]
    assert {namespace for namespace in compared if namespace} == {"Stagecraft"}
    page = json.loads(recording.one("Dashboard", "monitoring-churn").inputs["dashboardBody"])
    assert "AWS/SageMaker" not in json.dumps(page)
    verdict = packs.judge(
        recording.judged(),
        environment=raw["stagecraft:environment"],
        stage="stabilise",
        overrides={"estimate-under-budget": {"monthlyBudgetUsd": raw["stagecraft:monthlyBudgetUsd"]}},
    )
    assert not {item.id for item in verdict.violations} & {"G6", "R4", "R5", "R13", "R14"}


def test_without_such_a_model_there_is_nothing_of_it():
    recording = deploy("dev", live=True)
    assert recording.outputs["servingCluster"] == "none"
    assert not recording.of("Deployment")


def refused(raw: dict[str, Any]) -> list[str]:
    return [str(problem) for problem in problems_of(as_engine_hands_it(raw))]


def test_what_it_needs_is_told_at_once():
    raw = raw_of("dev", pods={"runtime": "gpu", "image": "vllm:1"})
    raw["stagecraft:image"] = "0.1.0"
    raw["stagecraft:capabilities"] = {}
    raw["stagecraft:models"][1]["serving"] = {"mode": "serverless", "pods": {"vcpus": 2}}
    said = "\n".join(refused(raw))
    assert "models[0].serving.pods.image" in said
    raw["stagecraft:models"][0]["serving"]["pods"] = {"runtime": "gpu"}
    said = "\n".join(refused(raw))
    for wanted in (
        "models[0].serving.mode",
        "stagecraft:image",
        "models[0].serving.pods.image",
        "stagecraft:cluster.prometheus",
        "models[1].serving.pods",
    ):
        assert wanted in said, said


def test_a_language_model_on_gpus_is_scaled_by_what_waits():
    raw = raw_of("dev", pods={"runtime": "gpu", "image": PINNED, "vcpus": 3, "memoryMib": 12000})
    raw["stagecraft:cluster"] = {
        "prometheus": {"url": "http://prometheus.monitoring.svc:9090", "namespace": "monitoring"}
    }
    recording = deploy("dev", raw=raw, live=True)
    query = recording.one("ScaledObject", "models-churn-live-scaler").inputs["spec"]["triggers"][0]
    assert "vllm:num_requests_waiting" in query["metadata"]["query"]


def test_versions_get_a_smaller_form_and_servers_answer_from_it():
    raw = {**stack_file("dev"), "stagecraft:capabilities": {"model-optimisation": True}}
    raw["stagecraft:models"][1]["training"]["parityTolerance"] = 0.01
    recording = deploy("dev", raw=raw, live=True)
    job = json.loads(recording.one("JobDefinition", "pool-train-churn-job").inputs["containerProperties"])
    told = {item["name"]: item["value"] for item in job["environment"]}
    assert (told["STAGECRAFT_OPTIMISE"], told["STAGECRAFT_PARITY_TOLERANCE"]) == ("true", "0.01")
    for made in recording.of("Model"):
        environment = made.inputs["containers"][0]["environment"]
        assert environment["STAGECRAFT_SERVE_OPTIMISED"] == "true"
