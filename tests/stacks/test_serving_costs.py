"""What each watching job is told that its model's answers cost, worked out by hand."""

import json
from decimal import Decimal
from typing import Any

from stacks.settings import problems_of
from tests.components.recording import Recording
from tests.stacks.files import as_engine_hands_it, stack_file
from tests.stacks.test_program import PACKAGE, deploy
from tests.stacks.test_serving_cluster import raw_of

D = Decimal
WATCHED = {"monitors": True, "slo-alarms": True}


def raw_with(stack: str = "prod", **settings: Any) -> dict[str, Any]:
    raw = {**stack_file(stack), **{f"stagecraft:{name}": value for name, value in settings.items()}}
    raw["stagecraft:capabilities"] = {**WATCHED, **settings.get("capabilities", {})}
    return raw


def costs(recording: Recording, model: str) -> tuple[Decimal, Decimal] | None:
    """What the job is told: dollars an hour, and a request."""
    job = recording.one("JobDefinition", f"monitoring-watch-{model}-job")
    container = json.loads(job.inputs["containerProperties"])
    told = {each["name"]: each["value"] for each in container["environment"]}
    found = [told.get(f"STAGECRAFT_SERVING_{kind}_COST_USD") for kind in ("HOURLY", "REQUEST")]
    assert found.count(None) in (0, 2)
    return None if None in found else (D(str(found[0])), D(str(found[1])))


def test_a_serverless_model_costs_by_the_request():
    recording = deploy("prod", live=True, raw=raw_with())
    # 0.1 s of 4 GB at $0.00002, and 4 KB at $0.016 for a GB.
    assert costs(recording, "screening") == (0, D("0.000008") + D("0.000000061035"))
    assert costs(recording, "churn") == (0, D("0.000006") + D("0.000000061035"))


def test_declared_usage_and_the_gateway_count():
    usage = {
        "inferencePayloadKb": 0,
        "byName": {"endpoint-churn-*": {"inferenceSeconds": 0.5}, "gateway": {"lambdaSeconds": 0.6}},
    }
    raw = raw_with(usage=usage, capabilities={"fallback": True})
    raw["stagecraft:models"][0]["serving"]["fallback"] = "last-good"
    recording = deploy("prod", live=True, raw=raw)
    gateway = D("0.6") * D("0.0000166667") + D("0.0000002")
    assert costs(recording, "churn") == (0, D("0.5") * 3 * D("0.00002") + gateway)
    assert costs(recording, "screening") == (0, D("0.000008") + gateway)


def test_machines_cost_by_the_hour_and_who_stands_beside_them_by_the_request():
    raw = raw_with(usage={"inferencePayloadKb": 0})
    version = PACKAGE.format(stack="prod", model="churn").removesuffix("7") + "9"
    raw["stagecraft:models"][1] |= {
        "serving": {
            "mode": "realtime",
            "instanceType": "ml.m5.xlarge",
            "minReplicas": 2,
            "maxReplicas": 6,
            "memoryMib": 2048,
        },
        "release": {"ab": {"version": version, "percent": 20}, "shadow": {"version": version, "percent": 5}},
    }
    # Three on average; a fifth of the requests and copies of a twentieth go to serverless endpoints.
    expected = (3 * D("0.23"), D("0.25") * D("0.1") * 2 * D("0.00002"))
    assert costs(deploy("prod", live=True, raw=raw), "churn") == expected


def test_pods_cost_their_part_of_the_machines_and_of_the_gateway():
    raw = raw_of("prod", minReplicas=2, maxReplicas=6, ladder=["previous"])
    for model in raw["stagecraft:models"]:
        del model["serving"]["fallback"]
    raw["stagecraft:capabilities"] |= WATCHED
    raw["stagecraft:models"][1]["serving"]["pods"] = {"warm": 1}
    recording = deploy("prod", live=True, previous=True, raw=raw)
    place = D("0.1728") / 3  # of an m6a.xlarge
    gateway = 4 * place / 2  # two to ten pods for two models
    for model, pods in (("screening", 2 * 3), ("churn", 2 * 3 + 1)):
        found = costs(recording, model)
        assert found is not None
        assert abs(found[0] - (pods * place + gateway)) < D("1e-9")
        assert found[1] == 0


def test_prices_are_the_region_s():
    raw = raw_with()
    raw["stagecraft:models"][1]["serving"] = {
        "mode": "realtime",
        "instanceType": "ml.m5.xlarge",
        "minReplicas": 2,
        "maxReplicas": 2,
    }
    found = costs(deploy("prod", live=True, raw={**raw, "aws:region": "eu-west-1"}), "churn")
    assert found is not None
    assert found[0] == 2 * D("0.257")


def test_a_price_that_nobody_knows_is_no_price():
    raw = raw_with()
    raw["stagecraft:models"][1]["serving"] = {"mode": "realtime", "instanceType": "ml.zz9.large"}
    assert costs(deploy("prod", live=True, raw=raw), "churn") is None


def test_usage_is_a_setting_and_what_is_wrong_with_it_is_said_at_once():
    raw = raw_with(
        usage={"inferenceSecond": 1, "autoscalingShare": 2, "byName": {"gateway": {"logsGb": "x"}}}
    )
    said = [str(problem) for problem in problems_of(as_engine_hands_it(raw))]
    assert said == [
        "stagecraft:usage.inferenceSecond: 1; is no usage field; did you mean inference_seconds?",
        "stagecraft:usage.autoscalingShare: 2; must be a number, 0 to 1",
        "stagecraft:usage.byName[gateway].logsGb: 'x'; must be a number, 0 or more",
    ]
