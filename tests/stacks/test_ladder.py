"""What stands beside an endpoint, and what a gateway is told: from the model's one declaration."""

import copy
import json
from typing import Any

import pytest

from platform_jobs.gateway.declaration import parse_models
from policies.testing import PackUnderTest
from pricing import estimate
from stacks.settings import parse_settings
from tests.stacks.files import stack_file
from tests.stacks.test_program import PACKAGE, deploy

OTHER = PACKAGE.format(stack="dev", model="churn").removesuffix("7") + "9"


def changed(**churn: Any) -> dict[str, Any]:
    raw = copy.deepcopy(stack_file("dev"))
    (model,) = (each for each in raw["stagecraft:models"] if each["name"] == "churn")
    for section, values in churn.items():
        model[section] = {**model[section], **values}
    return raw


def names(recording: Any, kind: str) -> set[str]:
    return {each.name for each in recording.resources if each.type == kind}


ENDPOINT = "aws:sagemaker/endpoint:Endpoint"


def test_the_gateway_takes_what_the_stack_tells_it():
    outputs = deploy("dev", live=True, previous=True).outputs
    models = {model.name: model for model in parse_models(json.dumps(outputs["gateway"]))}
    churn = models["churn"]
    assert churn.keys == ("customer_id",)
    assert churn.ladder == ("live", "previous", "last-good")
    assert churn.previous is not None
    assert churn.previous.endpoint == "stagecraft-dev-previous-churn"
    assert churn.timeout_ms == 2 * churn.slow_ms
    assert churn.last_good_seconds == 3600
    assert models["screening"].ladder == ("live",)
    assert outputs["models"]["churn"]["views"] == ["customer_activity"]


def test_a_previous_version_stands_by_once_there_is_one_and_the_ladder_has_it():
    first, later = deploy("dev", live=True), deploy("dev", live=True, previous=True)
    assert names(first, ENDPOINT) == {"endpoint-churn-endpoint", "endpoint-screening-endpoint"}
    assert names(later, ENDPOINT) - names(first, ENDPOINT) == {"previous-churn-endpoint"}
    (churn,) = (
        model for model in parse_models(json.dumps(first.outputs["gateway"])) if model.name == "churn"
    )
    assert churn.ladder == ("live", "last-good")
    assert deploy("dev", previous=True).outputs["gateway"] == {}


def test_a_challenger_gets_its_share_and_a_shadow_none():
    trials = {"ab": {"version": OTHER, "percent": 10}, "shadow": {"version": OTHER, "percent": 25}}
    recording = deploy("dev", live=True, raw=changed(release=trials))
    assert {"challenger-churn-endpoint", "shadow-churn-endpoint"} <= names(recording, ENDPOINT)
    found = parse_models(json.dumps(recording.outputs["gateway"]))
    (churn,) = (model for model in found if model.name == "churn")
    assert {variant.name: variant.weight for variant in churn.variants} == {"live": 90, "challenger": 10}
    assert churn.shadow is not None
    assert (churn.shadow.percent, churn.shadow.target.endpoint) == (25, "stagecraft-dev-shadow-churn")
    assert set(recording.outputs["policies"]["invokeStandby"]["churn"]) == {"challenger", "shadow"}


def test_a_ladder_may_name_single_steps():
    serving = {"ladder": ["default-answer"], "defaultAnswer": False, "timeoutMs": 90}
    raw = changed()
    (model,) = (each for each in raw["stagecraft:models"] if each["name"] == "churn")
    model["serving"] = {"mode": "serverless", **serving}
    (churn,) = (each for each in parse_settings(raw).models if each.name == "churn")
    assert churn.serving.steps == ("default-answer",)
    told = deploy("dev", live=True, previous=True, raw=raw).outputs["gateway"]["churn"]
    assert (told["ladder"], told["defaultAnswer"], told["timeoutMs"]) == (
        ["live", "default-answer"],
        False,
        90,
    )
    assert "previous" not in told


def with_fallback(stack: str, **switches: bool) -> dict[str, Any]:
    raw = copy.deepcopy(stack_file(stack))
    raw["stagecraft:capabilities"] = {"fallback": True, **switches}
    return raw


def test_with_a_fallback_a_function_answers_for_every_live_model():
    recording = deploy("dev", live=True, previous=True, raw=with_fallback("dev"))
    told = recording.one("Function").inputs["environment"]["variables"]["STAGECRAFT_GATEWAY_MODELS"]
    assert json.loads(told) == recording.outputs["gateway"]
    assert {model.name for model in parse_models(told)} == {"churn", "screening"}
    assert recording.outputs["gatewayFunction"] == "stagecraft-dev-gateway"
    assert recording.outputs["policies"]["invokeGateway"]


def test_without_one_or_while_nothing_is_live_there_is_none():
    for recording in (deploy("dev", live=True), deploy("dev", raw=with_fallback("dev"))):
        assert not recording.of("Gateway")
        assert recording.outputs["gatewayFunction"] == "none"
        assert "invokeGateway" not in recording.outputs["policies"]


def test_what_was_promised_is_judged_where_callers_stand():
    watched = {"monitors": True, "slo-alarms": True}
    for raw, counted in (
        (with_fallback("dev", **watched), True),
        (with_fallback("dev", fallback=False, **watched), False),
    ):
        alarms = json.dumps([each.inputs for each in deploy("dev", live=True, raw=raw).of("MetricAlarm")])
        assert ('"SlowRequests"' in alarms) is counted


def test_it_costs_nothing_while_nobody_asks():
    recording = deploy("dev", live=True, previous=True, raw=with_fallback("dev"))
    front = [each for each in recording.judged() if "gateway-" in each["urn"]]
    assert {each["type"].rpartition(":")[2] for each in front} >= {"Function", "LogGroup", "Queue"}
    assert estimate(front, region="us-east-1").idle == 0


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_every_pack_allows_it_at_its_stage(stack):
    recording = deploy(stack, live=True, previous=True, raw=with_fallback(stack))
    with PackUnderTest("cost", "governance", "security", "reliability", "maturity") as packs:
        verdict = packs.judge(
            recording.judged(), environment=stack_file(stack)["stagecraft:environment"], stage="stabilise"
        )
    said = [*verdict.violations, *verdict.cannot_judge]
    assert not [item for item in said if "gateway" in item.urn or "(fallback," in item.message]
