"""Gateway: what it may do, what it is told, and what it refuses."""

import json
from typing import Any

import pulumi
import pytest

from components.gateway import declaration, gateway_rights
from platform_jobs.gateway.declaration import parse_models
from tests.components.examples import example, make
from tests.components.recording import Recording, run


@pytest.fixture(scope="module")
def recording() -> Recording:
    return run(lambda: make("Gateway"))


def test_it_is_the_platforms_image_with_the_gateways_handler(recording: Recording) -> None:
    function = recording.one("Function").inputs
    assert function["packageType"] == "Image"
    assert function["imageUri"] == example("Gateway")["image_uri"]
    assert function["imageConfig"] == {
        "entryPoints": ["python", "-m", "platform_jobs", "lambda"],
        "commands": ["platform_jobs.gateway.function.handler"],
    }
    assert function["reservedConcurrentExecutions"] == 20
    assert function["deadLetterConfig"]["targetArn"].endswith(":it-dead-letters")


def test_the_gateway_understands_what_it_is_told(recording: Recording) -> None:
    told = recording.one("Function").inputs["environment"]["variables"]
    (churn,) = parse_models(told["STAGECRAFT_GATEWAY_MODELS"])
    assert (churn.name, churn.ladder) == ("churn", ("live", "previous", "default-answer"))
    assert told["STAGECRAFT_GATEWAY_METRICS"] == "cloudwatch"
    assert told["STAGECRAFT_STACK"] == "test"


def test_it_asks_the_endpoints_of_its_models_and_no_others(recording: Recording) -> None:
    rights = json.loads(recording.one("RolePolicy", "it-policy").inputs["policy"])["Statement"]
    (asks,) = (each for each in rights if each["Action"] == ["sagemaker:InvokeEndpoint"])
    account = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/"
    assert asks["Resource"] == [
        f"{account}stagecraft-test-endpoint-churn",
        f"{account}stagecraft-test-previous-churn",
    ]
    (writes,) = (each for each in rights if "s3:PutObject" in each["Action"])
    assert writes["Resource"] == ["arn:aws:s3:::artifacts/predictions/churn/*"]
    assert not any("s3:GetObject" in each["Action"] for each in rights)


def test_a_model_behind_a_url_needs_no_endpoint() -> None:
    models = {"churn": {"variants": [{"url": "http://churn:8080"}], "shadow": {"endpoint": "next"}}}
    document = json.loads(gateway_rights(models=models, endpoints="arn:e/", bucket="arn:b", key="arn:k"))
    assert document["Statement"][0]["Resource"] == ["arn:e/next"]
    del models["churn"]["shadow"]
    assert "sagemaker" not in gateway_rights(models=models, endpoints="arn:e/", bucket="arn:b", key="arn:k")


def test_only_who_has_the_policy_may_ask(recording: Recording) -> None:
    assert not recording.of("FunctionUrl")
    assert not recording.of("Permission")
    (statement,) = json.loads(recording.one("Policy", "it-invoke").inputs["policy"])["Statement"]
    assert statement["Action"] == ["lambda:InvokeFunction"]
    assert statement["Resource"] == [recording.outputs["function_arn"]]


def test_numbers_are_told_alike_in_every_language() -> None:
    assert declaration({"a": {"timeoutMs": 600.0, "weights": [1.0, 0.5]}}) == (
        '{"a":{"timeoutMs":600,"weights":[1,0.5]}}'
    )


def test_more_than_lambda_has_room_for_is_refused_with_the_way_out() -> None:
    with pytest.raises(ValueError, match="divide the models between two Gateways"):
        declaration({f"model-{number}": {"keys": ["x" * 80]} for number in range(60)})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"models": {}}, "models: {}: needs at least one model"),
        (
            {"models": {"Churn": {"variants": [{"endpoint": "e"}]}}},
            "models.Churn: 'Churn': must be lower case",
        ),
        ({"models": {"churn": {}}}, "models.churn.variants: missing: needs at least one endpoint"),
        ({"max_concurrency": 0}, "maxConcurrency: 0: must be from 1 to 1000"),
        ({"memory_mib": 128}, "memoryMib: 128: must be from 512"),
        ({"timeout_seconds": 901}, "timeoutSeconds: 901: must be from 3 to 900"),
    ],
)
def test_bad_inputs_are_told_with_path_value_and_remedy(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(pulumi.InputPropertiesError) as refused:
        run(lambda: make("Gateway", **changes))
    assert says in str(refused.value)
