"""A stack with a cluster: allowed by every pack, cheap when idle, and each control of it is missed."""

import functools
from typing import Any

import pytest

from policies.packs import PACKS
from policies.testing import PackUnderTest
from pricing import estimate
from stacks import stages
from stacks.settings import problems_of
from tests.components.recording import Recording
from tests.policies.test_controls import Stack
from tests.stacks.files import as_engine_hands_it, stack_file
from tests.stacks.test_program import deploy

CLOUDS = ("dev", "staging", "prod")
ON = {"cluster": True, "quotas": True}


def raw_of(stack: str) -> dict[str, Any]:
    return {**stack_file(stack), "stagecraft:capabilities": ON}


@functools.cache
def with_cluster(stack: str) -> Recording:
    return deploy(stack, raw=raw_of(stack), live=True)


@functools.cache
def with_gpus() -> Recording:
    raw = raw_of("prod")
    raw["stagecraft:models"][0]["training"] = {"accelerator": "l4"}
    raw["stagecraft:pools"] = [{"accelerator": "l4", "maxNodes": 4, "zones": ["us-east-1a"]}]
    raw["stagecraft:image"] = f"sha256:{'1' * 64}"
    return deploy("prod", raw=raw, live=True)


@pytest.fixture(scope="module")
def packs():
    with PackUnderTest(*PACKS) as running:
        yield running


@pytest.mark.parametrize("stack", CLOUDS)
def test_every_pack_allows_it(packs, stack):
    raw = raw_of(stack)
    budget = {"estimate-under-budget": {"monthlyBudgetUsd": raw["stagecraft:monthlyBudgetUsd"]}}
    verdict = packs.judge(
        with_cluster(stack).judged(),
        environment=raw["stagecraft:environment"],
        stage=raw["stagecraft:stage"],
        overrides=budget,
    )
    assert not verdict.violations
    assert not verdict.cannot_judge


@pytest.mark.parametrize("stack", CLOUDS)
def test_an_idle_month_stays_under_the_stages_aim(stack):
    aim = stages.stage("optimise").idle_usd
    assert aim is not None
    assert float(estimate(with_cluster(stack).judged(), region="us-east-1").idle) < aim


def test_nothing_that_was_there_is_replaced_by_the_cluster():
    before = {each.name: each.inputs for each in deploy("dev", live=True).resources if "private" in each.name}
    after = {each.name: each.inputs for each in with_cluster("dev").resources}
    assert all(after[name] == inputs for name, inputs in before.items())


def test_models_share_a_pool_and_its_quota_by_their_budgets():
    recording = with_cluster("prod")
    pool = recording.outputs["pools"]["pool"]
    assert set(pool["worstMonthlyUsdByModel"]) == {"screening", "churn"}
    assert sum(pool["worstMonthlyUsdByModel"].values()) == pytest.approx(pool["worstMonthlyUsd"], abs=0.005)
    assert pool["worstMonthlyUsdByModel"]["churn"] > pool["worstMonthlyUsdByModel"]["screening"]
    for name in pool["nodePools"]:
        node_pool = recording.one("NodePool", name)
        quotas = [
            int(resource["nominalQuota"])
            for queue in recording.of("ClusterQueue")
            for flavor in queue.inputs["spec"]["resourceGroups"][0]["flavors"]
            for resource in flavor["resources"]
            if flavor["name"] == name and resource["name"] == "cpu"
        ]
        assert sum(quotas) == int(node_pool.inputs["spec"]["limits"]["cpu"])


def test_batch_and_the_cluster_buy_the_same_machines():
    recording = with_gpus()
    batch = recording.one("ComputeEnvironment", "pool-l4-spot").inputs["computeResources"]
    assert batch["instanceTypes"] == recording.outputs["pools"]["pool-l4"]["instanceTypes"]
    fallback = recording.one("ComputeEnvironment", "pool-l4-on-demand").inputs["computeResources"]
    assert (batch["maxVcpus"], fallback["maxVcpus"]) == (12, 4)
    assert set(recording.outputs["pools"]) == {"pool", "pool-l4"}


def test_quotas_can_be_left_off_and_need_a_cluster():
    raw = {**stack_file("dev"), "stagecraft:capabilities": {"cluster": True}}
    assert not deploy("dev", raw=raw).of("ClusterQueue")


def specified(stack: Stack, kind: str, name: str, path: str, value: Any) -> None:
    """Sets a part of an object's spec, or takes it out."""
    item = stack.one(kind, name)
    for side in ("inputs", "outputs"):
        part = item[side]["spec"]
        *above, last = path.split(".")
        for key in above:
            part = part[key]
        if value is None:
            part.pop(last, None)
        else:
            part[last] = value


def one_type(stack: Stack) -> None:
    pool = stack.one("NodePool", "training-l4-spot")
    for side in ("inputs", "outputs"):
        for requirement in pool[side]["spec"]["template"]["spec"]["requirements"]:
            if requirement["key"] == "node.kubernetes.io/instance-type":
                requirement["values"] = ["g6.xlarge"]


def no_fallback(stack: Stack) -> None:
    stack.resources = [item for item in stack.resources if not item["urn"].endswith("-l4-on-demand")]


def no_contract(stack: Stack) -> None:
    pool = stack.one("NodePool", "training-l4-spot")
    for side in ("inputs", "outputs"):
        pool[side]["metadata"]["annotations"] = {}


def public(stack: Stack) -> None:
    stack.within(stack.one("Cluster", "cluster-control-plane"), "vpcConfig", endpointPublicAccess=True)


CONTROLS = {
    "the limits": ({"C4", "C7"}, lambda s: specified(s, "NodePool", "training-l4-spot", "limits", None)),
    "the contract": ({"C2"}, no_contract),
    "the choice of types": ({"R10"}, one_type),
    "the fall-back": ({"R10"}, no_fallback),
    "the taint": (
        {"K12"},
        lambda s: specified(s, "NodePool", "training-l4-spot", "template.spec.taints", []),
    ),
    "the private endpoint": ({"S14"}, public),
    "the secrets' encryption": (
        {"S15"},
        lambda s: s.change("Cluster", "cluster-control-plane", encryptionConfig=None),
    ),
    "the control plane's logs": (
        {"S16"},
        lambda s: s.change("Cluster", "cluster-control-plane", enabledClusterLogTypes=["api"]),
    ),
    "the queue's encryption": (
        {"S29"},
        lambda s: s.change("Queue", "cluster-interruptions", kmsMasterKeyId=None),
    ),
    "a supported version": ({"R8"}, lambda s: s.change("Cluster", "cluster-control-plane", version="1.24")),
}


@pytest.mark.parametrize(("broken", "take"), CONTROLS.values(), ids=CONTROLS)
def test_taking_one_control_out_breaks_exactly_its_rule(packs, broken, take):
    stack = Stack(with_gpus().judged())
    take(stack)
    verdict = packs.judge(stack.resources, stage="validate", environment="prod")
    assert verdict.ids == broken


def test_gpus_of_the_cluster_are_watched():
    recording = with_gpus()
    told = recording.outputs["gpus"]
    assert told["dashboards"] == {}, "that capability is off here"
    assert set(told["alarms"]) == {f"training-l4-gpu-{kind}" for kind in ("idle", "errors", "silent")}
    teller = recording.one("DaemonSet").inputs["spec"]["template"]["spec"]
    pool = recording.one("NodePool", "training-l4-spot").inputs["spec"]["template"]
    assert teller["nodeSelector"].items() <= pool["metadata"]["labels"].items()
    assert teller["containers"][0]["image"].endswith(f"@sha256:{'1' * 64}")
    alarm = recording.one("MetricAlarm", "gpus-training-l4-gpu-idle").inputs
    assert alarm["dimensions"]["Pool"] == "training-l4"
    plain = with_cluster("prod")
    assert plain.outputs["gpus"] == "none"
    assert not plain.of("DaemonSet")


def test_gpus_in_the_cluster_need_an_image_that_cannot_be_moved():
    raw = raw_of("prod")
    for model in raw["stagecraft:models"]:
        model["training"] = {"accelerator": "l4"}
    (problem,) = [each for each in problems_of(as_engine_hands_it(raw)) if each.path == "stagecraft:image"]
    assert "must be a digest" in problem.remedy
    raw["stagecraft:capabilities"] = {}
    assert not [each for each in problems_of(as_engine_hands_it(raw)) if each.path == "stagecraft:image"]
