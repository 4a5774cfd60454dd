"""ServingCluster: what it runs, how that scales, who may reach it, and that a strict server takes it."""

import json
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest

from components import ServingCluster
from policies.testing import PackUnderTest
from tests.components.examples import PACKAGE, PINNED, example, make
from tests.components.recording import Recording, run

VARIANTS = ("churn-live", "churn-challenger", "churn-previous", "churn-shadow", "assistant-live")


@pytest.fixture(scope="module")
def served() -> Recording:
    return run(lambda: make("ServingCluster"))


def pod(served: Recording, deployment: str) -> dict[str, Any]:
    return dict(served.one("Deployment", f"it-{deployment}").inputs["spec"]["template"]["spec"])


def model(**changes: Any) -> dict[str, Any]:
    return {
        "name": "churn",
        "package_group": "group",
        "keys": ["customer_id"],
        "variants": [{"name": "live", "model_package_arn": PACKAGE}],
        **changes,
    }


def refused(**changes: Any) -> list[str]:
    with pytest.raises(pulumi.InputPropertiesError) as caught:
        run(lambda: make("ServingCluster", **changes))
    return [f"{item['property_path']}: {item['reason']}" for item in caught.value.errors or []]


def test_a_strict_server_takes_every_object(served, plugin):
    manifests = [each for each in served.resources if each.type.startswith("kubernetes:")]
    assert len(manifests) > 30
    for each in manifests:
        failures = plugin.check(each.type, each.inputs).failures
        assert failures == {}, (each.name, failures)


@pytest.fixture(scope="module")
def packs() -> Iterator[PackUnderTest]:
    with PackUnderTest("cost", "governance", "security", "reliability") as running:
        yield running


@pytest.mark.parametrize("environment", ["dev", "staging", "prod"])
def test_every_pack_passes_at_optimise(packs, served, environment):
    verdict = packs.judge(served.judged(), stage="optimise", environment=environment)
    said = [*verdict.violations, *verdict.cannot_judge]
    assert not [item for item in said if item.id != "C5"]  # budgets are CostGuard's


def test_layers_are_services_of_their_own(served):
    assert sorted(each.inputs["metadata"]["name"] for each in served.of("Service")) == sorted(
        ["gateway", *VARIANTS]
    )
    gateway = pod(served, "gateway")["containers"][0]
    assert (gateway["image"], gateway["args"]) == (PINNED, ["gateway"])
    assert pod(served, "churn-live")["containers"][0]["args"] == ["serve"]
    vllm = pod(served, "assistant-live")["containers"][0]
    assert vllm["command"] == ["vllm", "serve"]
    assert vllm["args"][:2] == ["/opt/ml/model", "--served-model-name=assistant"]
    assert vllm["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_a_model_is_fetched_checked_and_then_read_only(served):
    spec = pod(served, "churn-live")
    fetch, serve = spec["initContainers"][0], spec["containers"][0]
    told = {item["name"]: item["value"] for item in fetch["env"]}
    assert told["STAGECRAFT_MODEL_PACKAGE"] == PACKAGE
    asked = {item["name"]: item["value"] for item in serve["env"]}
    assert asked["STAGECRAFT_MODEL_DIGEST_FILE"] == told["STAGECRAFT_MODEL_DIGEST_FILE"]
    writes = {
        container["name"]: sorted(
            mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")
        )
        for container in (fetch, serve)
    }
    assert writes == {"fetch-model": ["/opt/ml/model", "/opt/ml/version", "/tmp"], "model": ["/tmp"]}


def test_models_follow_their_queue_and_the_gateway_its_cpu(served):
    queries = {
        each.inputs["metadata"]["name"]: each.inputs["spec"]["triggers"][0]["metadata"]
        for each in served.of("ScaledObject")
    }
    assert set(queries) == set(VARIANTS)
    assert queries["assistant-live"]["query"].startswith("sum(vllm:num_requests_waiting{")
    assert queries["churn-live"]["query"].startswith("sum(stagecraft_requests_in_flight{")
    # Empty answers are errors, and errors lead to the fall-back, which takes no replica away.
    assert {each["ignoreNullValues"] for each in queries.values()} == {"false"}
    assert {each.inputs["spec"]["fallback"]["behavior"] for each in served.of("ScaledObject")} == {
        "currentReplicasIfHigher"
    }
    assert {each.inputs["spec"]["triggers"][0]["metricType"] for each in served.of("ScaledObject")} == {
        "AverageValue"
    }, "the only type that the fall-back knows"
    assert (queries["churn-live"]["threshold"], queries["assistant-live"]["threshold"]) == ("8", "4")
    (hpa,) = served.of("HorizontalPodAutoscaler")
    assert hpa.inputs["spec"]["scaleTargetRef"]["name"] == "gateway"


def test_without_prometheus_models_follow_their_cpu():
    args = {**example("ServingCluster"), "models": [model()]}
    del args["prometheus"]
    args["entrance"] = {"gateway": "public", "namespace": "gateways"}
    recording = run(lambda: ServingCluster("it", args))  # type: ignore[arg-type]  # made of its names
    assert not recording.of("ScaledObject")
    assert {
        each.inputs["spec"]["scaleTargetRef"]["name"] for each in recording.of("HorizontalPodAutoscaler")
    } == {
        "gateway",
        "churn-live",
    }
    route = recording.one("HTTPRoute").inputs["spec"]
    assert [rule["backendRefs"][0]["name"] for rule in route["rules"]] == ["gateway"]


def test_the_route_and_the_gateway_tell_the_same_shares(served):
    spec = served.one("HTTPRoute").inputs["spec"]
    churn = next(rule for rule in spec["rules"] if "/churn/" in json.dumps(rule["matches"]))
    assert {item["name"]: item["weight"] for item in churn["backendRefs"]} == {
        "churn-live": 9000,
        "churn-challenger": 1000,
        "churn-previous": 0,
    }
    environment = pod(served, "gateway")["containers"][0]["env"]
    told = json.loads(
        next(item["value"] for item in environment if item["name"] == "STAGECRAFT_GATEWAY_MODELS")
    )
    assert {item["name"]: item["weight"] for item in told["churn"]["variants"]} == {
        "live": 90,
        "challenger": 10,
    }
    assert told["churn"]["shadow"] == {"percent": 5, "url": "http://churn-shadow.serving.svc:8080"}
    assert told["churn"]["previous"] == {"url": "http://churn-previous.serving.svc:8080"}
    assert told["churn"]["ladder"] == ["live", "previous", "last-good", "default-answer"]
    assert told["churn"]["defaultAnswer"] is False
    assert {name: item.get("speaks") for name, item in told.items()} == {
        "assistant": "completions",
        "churn": None,
    }


def test_a_zone_a_node_or_a_pod_may_fail(served):
    budgets = {
        each.inputs["metadata"]["name"]: each.inputs["spec"] for each in served.of("PodDisruptionBudget")
    }
    for name in ("gateway", *VARIANTS):
        spread = pod(served, name)["topologySpreadConstraints"]
        assert [item["topologyKey"] for item in spread] == [
            "topology.kubernetes.io/zone",
            "kubernetes.io/hostname",
        ]
        # A machine that is shared fails for both; a zone that is gone must not keep the others from starting.
        assert [(item["whenUnsatisfiable"], item.get("minDomains")) for item in spread] == [
            ("ScheduleAnyway", None),
            ("DoNotSchedule", 2),
        ]
        assert budgets[name]["maxUnavailable"] == 1
    assert all(each.inputs["spec"]["minReplicaCount"] == 2 for each in served.of("ScaledObject"))


def test_warm_places_yield_to_replicas(served):
    warm = served.one("Deployment", "it-churn-warm").inputs["spec"]
    spec = warm["template"]["spec"]
    (made,) = served.of("PriorityClass")
    assert (warm["replicas"], spec["priorityClassName"]) == (2, made.inputs["metadata"]["name"])
    assert made.inputs["value"] < 0
    held, asked = (pod(served, name)["containers"][0]["resources"] for name in ("churn-warm", "churn-live"))
    assert held == asked


def test_nothing_reaches_models_but_gateway_entrance_and_prometheus(served):
    policies = {each.inputs["metadata"]["name"]: each.inputs["spec"] for each in served.of("NetworkPolicy")}
    closed = policies["it-closed"]
    assert closed["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in closed
    assert "egress" not in closed
    (rule,) = policies["it-models"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 8080}]
    assert rule["from"][0] == {"podSelector": policies["it-gateway-to-models"]["podSelector"]}
    names = [item["namespaceSelector"]["matchLabels"].popitem()[1] for item in rule["from"][1:]]
    assert names == ["gateways", "monitoring"]


def test_a_models_pods_read_its_own_versions_only(served):
    policy = json.loads(served.one("RolePolicy", "it-churn-policy").inputs["policy"])
    assert {action for each in policy["Statement"] for action in each["Action"]} == {
        "kms:Decrypt",
        "s3:GetObject",
        "s3:ListBucket",
        "sagemaker:DescribeModelPackage",
    }
    assert "arn:aws:s3:::artifacts/models/churn/*" in json.dumps(policy)
    identity = served.one("PodIdentityAssociation", "it-churn-identity").inputs
    assert (identity["namespace"], identity["serviceAccount"]) == ("serving", "churn")


def test_machines_are_on_demand_limited_and_for_serving_only(served):
    pools = {each.inputs["metadata"]["name"]: each.inputs["spec"] for each in served.of("NodePool")}
    assert set(pools) == {"it-serving-cpu-on-demand", "it-serving-gpu-on-demand"}
    gpu = pools["it-serving-gpu-on-demand"]
    assert gpu["limits"]["nvidia.com/gpu"] == "4"
    requirements = {item["key"]: item["values"] for item in gpu["template"]["spec"]["requirements"]}
    assert requirements["karpenter.sh/capacity-type"] == ["on-demand"]
    taints = {item["key"] for item in gpu["template"]["spec"]["taints"]}
    assert taints == {item["key"] for item in pod(served, "assistant-live")["tolerations"]}


def test_a_pod_is_not_made_before_its_identity(served):
    """Pod Identity hands credentials to a pod when it is made, or never."""
    for deployment, account in (
        ("gateway", "gateway"),
        ("churn-live", "churn"),
        ("assistant-live", "assistant"),
    ):
        before = {urn.rpartition("::")[2] for urn in served.requests[f"it-{deployment}"]["dependencies"]}
        for role in ("account", "identity", "policy"):
            assert f"it-{account}-{role}" in before, (deployment, role)


def test_pods_of_the_platforms_own_image_say_so(served):
    said = {
        each.inputs["metadata"]["name"]: each.inputs["spec"]["template"]["metadata"]["annotations"].get(
            "stagecraft.dev/image"
        )
        for each in served.of("Deployment")
    }
    assert {said[name] for name in ("gateway", "churn-live", "churn-previous")} == {"platform"}
    assert {said[name] for name in ("assistant-live", "churn-warm")} == {None}


def test_before_the_first_release_there_are_identities_and_no_pods():
    recording = run(lambda: make("ServingCluster", models=[model(variants=[])]))
    assert not recording.of("Deployment")
    assert not recording.of("HTTPRoute")
    assert recording.one("PodIdentityAssociation", "it-churn-identity")


def test_every_bad_input_is_told_at_once():
    tagged = PINNED.partition("@")[0] + ":1"
    said = refused(
        image_uri=tagged,
        prometheus={"url": "prometheus:9090", "namespace": "monitoring"},
        models=[
            model(runtime="tpu", min_replicas=3, max_replicas=2, ladder=["last-good", "previous"]),
            model(
                name="assistant",
                runtime="gpu",
                keys=[],
                variants=[{"name": "live", "model_package_arn": PACKAGE, "percent": 60}],
            ),
            model(name="gateway", gpus=1, ladder=["default-answer"], default_answer="{"),
        ],
    )
    for wanted in (
        "imageUri: ",
        "prometheus.url: ",
        "models[0].runtime: 'tpu': must be one of cpu, gpu",
        "models[0].maxReplicas: 2: must be at least minReplicas (3)",
        "models[0].ladder: ['last-good', 'previous']: must go down",
        "models[0].ladder: ['last-good', 'previous']: has the step previous",
        "models[1].keys: []: must name one",
        "models[1].imageUri: missing: is required",
        "models[1].variants: 60: is what their shares add up to",
        "models[2].name: 'gateway': is the gateway's own name",
        "models[2].gpus: 1: goes with the runtime gpu only",
        "models[2].defaultAnswer: '{': must be JSON",
    ):
        assert any(line.startswith(wanted) for line in said), (wanted, said)
