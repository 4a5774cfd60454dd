"""The program of every stack, against Pulumi's mocks."""

import functools
import json
import os
import runpy
import subprocess
import sys
from typing import Any

import pulumi
import pytest
from pulumi.runtime import get_root_resource

from pricing import estimate
from tests.components.recording import Recording, run
from tests.stacks.files import ROOT, STACKS, as_engine_hands_it, stack_file

PACKAGE = "arn:aws:sagemaker:us-east-1:123456789012:model-package/stagecraft-{stack}-{model}/7"
LOOKUP = "aws:ssm/getParametersByPath:getParametersByPath"


def deploy(
    stack: str,
    *,
    live: bool = False,
    previous: bool = False,
    raw: dict[str, Any] | None = None,
    preview: bool = False,
) -> Recording:
    """Runs the program as an engine does: the folder, with the stack's configuration."""
    raw = raw or stack_file(stack)
    models = [model["name"] for model in raw["stagecraft:models"]]
    pointers = {}
    for model in models:
        prefix = f"/stagecraft/{stack}/models/{model}"
        pointers[f"{prefix}/live"] = PACKAGE.format(stack=stack, model=model) if live else "none"
        pointers[f"{prefix}/previous"] = (
            PACKAGE.format(stack=stack, model=model).removesuffix("7") + "6" if previous else "none"
        )
    found = {"names": list(pointers), "values": list(pointers.values()), "id": "", "path": "", "arns": []}

    def program() -> dict[str, Any]:
        runpy.run_path(str(ROOT / "stacks"), run_name="__main__")
        root = get_root_resource()
        assert root is not None
        return dict(root.outputs)  # type: ignore[attr-defined]  # it is the Stack

    pulumi.runtime.set_all_config(as_engine_hands_it(raw))
    try:
        return run(program, stack=stack, answers={LOOKUP: found}, preview=preview)
    finally:
        pulumi.runtime.set_all_config({})


@functools.cache
def deployed(stack: str, *, live: bool = False) -> Recording:
    """A stack as its file has it; deployed once for all tests that only look at it."""
    return deploy(stack, live=live)


@pytest.fixture
def dev() -> Recording:
    return deployed("dev", live=True)


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_deploys_and_has_what_the_contract_says(stack, live):
    outputs = deployed(stack, live=live).outputs
    declared = stack_file(stack)["stagecraft:models"]
    models = [model["name"] for model in declared]
    scored = [model["name"] for model in declared if "batch" in model]
    views = [view["name"] for view in stack_file(stack)["stagecraft:featureViews"]]
    assert set(outputs["buckets"]) == {"raw", "curated", "features", "artifacts", "accessLogs"}
    assert set(outputs["jobs"]) == {
        "quality",
        "materialise",
        *(f"train-{model}" for model in models),
        *(f"predict-{model}" for model in scored),
    }
    assert set(outputs["batch"]) == set(scored) != set()
    assert set(outputs["jobQueues"]) == set(outputs["jobs"])
    assert set(outputs["models"]) == set(models)
    assert set(outputs["views"]) == set(views)
    for model in models:
        endpoint = outputs["models"][model]["endpoint"]
        assert endpoint == (f"stagecraft-{stack}-endpoint-{model}" if live else "none")
    assert outputs["pointerPrefix"] == f"/stagecraft/{stack}/models/"
    documented = (ROOT / "docs" / "components.md").read_text()
    assert all(f"`{name}`" in documented for name in outputs)


def test_outputs_are_plain(dev):
    assert json.loads(json.dumps(dev.outputs)) == dev.outputs


def test_the_only_look_up_beside_the_account_is_the_pointers(dev):
    assert {token for token, _ in dev.invokes} == {
        LOOKUP,
        "aws:index/getAvailabilityZones:getAvailabilityZones",
        "aws:index/getCallerIdentity:getCallerIdentity",
        "aws:index/getRegion:getRegion",
    }
    (lookup,) = [arguments for token, arguments in dev.invokes if token == LOOKUP]
    assert lookup["path"] == "/stagecraft/dev/models"


def test_the_same_stack_twice_is_the_same_program():
    first, second = deployed("dev", live=True), deploy("dev", live=True)
    assert list(first.options) == list(second.options)
    assert sorted(first.resources, key=str) == sorted(second.resources, key=str)


def test_everything_that_takes_tags_says_whose_it_is(dev):
    wanted = {
        "costCentre": "cc-100",
        "dataClassification": "internal",
        "environment": "dev",
        "managedBy": "stagecraft",
        "stack": "stagecraft-dev",
    }
    tagged = [each for each in dev.resources if each.type.startswith("aws:") and "tags" in each.inputs]
    assert len(tagged) > 50
    for resource in tagged:
        assert wanted.items() <= resource.inputs["tags"].items(), resource.name
        assert resource.inputs["tags"]["owner"] in ("ml-platform", "growth")


def test_what_is_a_models_own_is_told_by_its_tags(dev):
    endpoint = dev.one("Endpoint", "endpoint-churn-endpoint").inputs["tags"]
    assert (endpoint["model"], endpoint["owner"]) == ("stagecraft-dev/churn", "growth")
    budget = dev.one("Budget", "costs-churn-budget").inputs
    assert budget["costFilters"] == [{"name": "TagKeyValue", "values": ["user:model$stagecraft-dev/churn"]}]


def test_changing_one_label_changes_the_tags_and_nothing_else():
    raw = stack_file("dev")
    raw["stagecraft:labels"]["costCentre"] = "cc-200"
    before = {each.name: each for each in deployed("dev").resources if each.type.startswith("aws:")}
    after = {each.name: each for each in deploy("dev", raw=raw).resources if each.type.startswith("aws:")}
    assert before.keys() == after.keys()
    for name, resource in after.items():
        assert json.dumps(resource.inputs, sort_keys=True).replace("cc-200", "cc-100") == json.dumps(
            before[name].inputs, sort_keys=True
        )
    carriers = {name for name, each in before.items() if "cc-100" in json.dumps(each.inputs)}
    assert carriers == {name for name, each in after.items() if each != before[name]}


@pytest.mark.parametrize("stack", STACKS)
def test_data_is_protected_where_it_must_not_be_lost(stack):
    recording = deployed(stack)
    protected = {name for name, options in recording.options.items() if options.protect}
    stateful = {
        each.name
        for kind in ("Bucket", "Key", "Table", "ModelPackageGroup", "Repository")
        for each in recording.of(kind)
    }
    if stack in ("local", "dev"):
        assert not protected
    else:
        assert protected == stateful


def test_there_is_one_key(dev):
    assert [key.name for key in dev.of("Key")] == ["lake-key"]


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("stack", STACKS)
def test_an_idle_stack_costs_less_than_ten_dollars(stack, live):
    cost = estimate(deployed(stack, live=live).judged(), region="us-east-1")
    assert 0 < cost.idle < 10, cost.to_json()["byResource"]
    assert not cost.unpriced


def test_jobs_are_told_what_architecture_and_components_say(dev):
    told = {}
    for job in dev.of("JobDefinition"):
        container = json.loads(job.inputs["containerProperties"])
        told[job.name] = {item["name"] for item in container["environment"]}
    names = set().union(*told.values())
    documents = [(ROOT / "docs" / name).read_text() for name in ("architecture.md", "components.md")]
    assert all(any(name in document for document in documents) for name in names)
    contract = {
        "AWS_USE_DUALSTACK_ENDPOINT",
        "STAGECRAFT_CHECKPOINT_MINUTES",
        "STAGECRAFT_CHECKPOINT_URI",
        "STAGECRAFT_GRACE_SECONDS",
        "STAGECRAFT_STACK",
    }
    assert all(contract <= told[name] for name in told if name != "features-materialise-job")
    assert told["pool-train-churn-job"] - contract == {
        "STAGECRAFT_ARTIFACTS_BUCKET",
        "STAGECRAFT_FEATURES_BUCKET",
        "STAGECRAFT_IMAGE_URI",
        "STAGECRAFT_LINEAGE_TABLE",
        "STAGECRAFT_METRIC_FLOORS",
        "STAGECRAFT_MODEL",
        "STAGECRAFT_MODEL_GROUP_BY",
        "STAGECRAFT_MODEL_LABEL",
        "STAGECRAFT_MODEL_PACKAGE_GROUP",
        "STAGECRAFT_MODEL_TASK",
        "STAGECRAFT_MODEL_VIEWS",
        "STAGECRAFT_POINTER_PREFIX",
        "STAGECRAFT_VIEWS_PREFIX",
    }


def test_models_with_other_machines_get_a_pool_of_their_own():
    raw = stack_file("dev")
    raw["stagecraft:models"][0]["training"] = {"accelerator": "l4", "gpus": 1}
    raw["stagecraft:models"][1]["training"] = {"spot": False}
    recording = deploy("dev", raw=raw)
    environments = {each.name: each.inputs["computeResources"] for each in recording.of("ComputeEnvironment")}
    assert set(environments) == {
        "pool-spot",
        "pool-on-demand",
        "pool-l4-spot",
        "pool-l4-on-demand",
        "pool-churn-on-demand",
    }
    assert environments["pool-l4-spot"]["instanceTypes"] == ["g6.xlarge", "g6.2xlarge", "g6.4xlarge"]
    assert len(recording.of("Vpc")) == 1
    queues = recording.outputs["jobQueues"]
    assert len({queues["quality"], queues["train-screening"], queues["train-churn"]}) == 3


def test_a_realtime_model_gets_machines_isolation_and_capture():
    raw = stack_file("dev")
    raw["stagecraft:models"][1]["serving"] = {"mode": "realtime", "minReplicas": 2, "maxReplicas": 4}
    recording = deploy("dev", raw=raw, live=True)
    assert recording.one("Model", "endpoint-churn-model").inputs["enableNetworkIsolation"] is True
    configuration = recording.one("EndpointConfiguration", "endpoint-churn-configuration").inputs
    assert configuration["productionVariants"][0]["initialInstanceCount"] == 2
    assert configuration["dataCaptureConfig"]["destinationS3Uri"].endswith("/captured/churn/")


def test_an_image_from_elsewhere_needs_no_repository():
    raw = stack_file("dev")
    raw["stagecraft:image"] = "123456789012.dkr.ecr.us-east-1.amazonaws.com/shared@sha256:" + "a" * 64
    recording = deploy("dev", raw=raw)
    assert not recording.of("Repository")
    assert ".dkr-ecr.us-east-1.on.aws/shared@" in recording.outputs["jobImage"]


def test_capabilities_switch_what_they_name():
    raw = stack_file("dev")
    raw["stagecraft:capabilities"] = {"experiment-tracking": True, "anomaly-monitors": True, "budgets": False}
    raw["stagecraft:waivers"] = [
        {
            "rule": "M3",
            "resource": "budgets",
            "owner": "cfo",
            "reason": "credits only",
            "expires": "2027-01-01",
        }
    ]
    recording = deploy("dev", raw=raw)
    assert recording.of("MlflowApp")
    assert not recording.of("Budget")
    assert recording.outputs["topics"]["costs"] == "none"


@pytest.mark.parametrize("stack", STACKS)
def test_it_previews_on_an_empty_account(stack):
    assert deploy(stack, preview=True).resources


def test_wrong_settings_end_the_program_without_a_traceback():
    raw = stack_file("dev")
    raw["stagecraft:stage"] = "valid"
    with pytest.raises(pulumi.RunError, match="stagecraft:stage"):
        deploy("dev", raw=raw)


def test_the_folder_runs_as_a_script_with_nothing_on_the_path(tmp_path):
    # As Pulumi's language host does, from another folder; without configuration it says what it needs.
    code = (
        "import runpy, sys, pulumi\n"
        "sys.path[:] = [entry for entry in sys.path if entry and entry != sys.argv[1]]\n"
        "try:\n"
        "    runpy.run_path(sys.argv[1] + '/stacks', run_name='__main__')\n"
        "except pulumi.RunError as error:\n"
        "    print(error)\n"
    )
    environment = {
        key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PULUMI_CONFIG")
    }
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "stagecraft:models: missing; is required" in done.stdout
