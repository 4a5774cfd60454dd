import copy
import json

import pulumi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks import stages
from stacks.problems import SettingsError
from stacks.settings import Settings, parse_settings, problems_of, read_settings
from tests.stacks.files import STACKS, as_engine_hands_it, stack_file


def _changed(path, value, stack="dev"):
    """A good stack with one value set; a value of `...` deletes the key."""
    raw = copy.deepcopy(stack_file(stack))
    *way, last = path
    place = raw
    for part in way:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return raw


MODELS, VIEWS = "stagecraft:models", "stagecraft:featureViews"


@pytest.mark.parametrize("stack", STACKS)
def test_our_stacks_are_right(stack):
    assert problems_of(stack_file(stack)) == []


@pytest.mark.parametrize("stack", STACKS)
def test_text_and_yaml_mean_the_same(stack):
    raw = stack_file(stack)
    assert parse_settings(as_engine_hands_it(raw)) == parse_settings(raw)


@pytest.mark.parametrize(
    ("path", "value", "where", "says"),
    [
        (["stagecraft:stage"], "validat", "stagecraft:stage", "did you mean 'validate'"),
        (["stagecraft:stage"], ..., "stagecraft:stage", "is required"),
        (["stagecraft:stage"], "govern", "stagecraft:stage", "waiver of rule M3 whose resource is its name"),
        (["stagecraft:environment"], "production", "stagecraft:environment", "'dev', 'staging' or 'prod'"),
        (["stagecraft:labels", "owner"], ..., "stagecraft:labels.owner", "is required"),
        (
            ["stagecraft:labels", "dataClassification"],
            "secret",
            "stagecraft:labels.dataClassification",
            "one of",
        ),
        (
            ["stagecraft:labels", "cost-centre"],
            "x",
            "stagecraft:labels.cost-centre",
            "did you mean 'costCentre'",
        ),
        (["stagecraft:modles"], [], "stagecraft:modles", "did you mean 'models'"),
        (["stagecraft:monthlyBudgetUsd"], 0, "stagecraft:monthlyBudgetUsd", "more than 0"),
        (["stagecraft:monthlyBudgetUsd"], "much", "stagecraft:monthlyBudgetUsd", "a number"),
        (["stagecraft:notify"], ["nobody"], "stagecraft:notify[0]", "an e-mail address"),
        (["stagecraft:disposable"], ["lakes"], "stagecraft:disposable[0]", "did you mean 'lake'"),
        ([MODELS], [], "stagecraft:models", "at least 1"),
        ([MODELS, 0, "name"], "Screening", "stagecraft:models[0].name", "lower case letters"),
        ([MODELS, 1, "name"], "screening", "stagecraft:models[1].name", "stands there twice"),
        ([MODELS, 0, "features"], ["cells"], "stagecraft:models[0].features[0]", "one of the featureViews"),
        ([MODELS, 0, "label"], "mean_radius", "stagecraft:models[0].label", "must be a label"),
        ([MODELS, 0, "task"], "binray", "stagecraft:models[0].task", "did you mean 'binary'"),
        ([MODELS, 0, "slo", "availability"], 101, "stagecraft:models[0].slo.availability", "at most 99.999"),
        ([MODELS, 0, "slo", "latencyP95Ms"], 1.5, "stagecraft:models[0].slo.latencyP95Ms", "a whole number"),
        (
            [MODELS, 0, "training", "accelerator"],
            "a11g",
            "stagecraft:models[0].training.accelerator",
            "'a10g'",
        ),
        (
            [MODELS, 0, "training", "schedule"],
            "cron(0 3 * * * *)",
            "stagecraft:models[0].training.schedule",
            "'?'",
        ),
        (
            [MODELS, 0, "training", "instanceTypes"],
            ["m7i.large"],
            "stagecraft:models[0].training.instanceTypes",
            "three types",
        ),
        ([MODELS, 0, "training", "vcpus"], 64, "stagecraft:models[0].training.vcpus", "at most the stack's"),
        ([MODELS, 0, "training", "spot"], "often", "stagecraft:models[0].training.spot", "true or false"),
        ([MODELS, 0, "serving", "maxReplicas"], 0, "stagecraft:models[0].serving.maxReplicas", "at least 1"),
        (
            [MODELS, 0, "serving", "ladder"],
            ["last-good", "previous"],
            "stagecraft:models[0].serving.ladder",
            "must go down",
        ),
        (
            [MODELS, 0, "serving", "ladder"],
            ["magic"],
            "stagecraft:models[0].serving.ladder[0]",
            "default-answer",
        ),
        (
            [MODELS, 0, "serving", "ladder"],
            ["previous", "default-answer"],
            "stagecraft:models[0].serving.defaultAnswer",
            "is required",
        ),
        (
            [MODELS, 0, "serving", "defaultAnswer"],
            0,
            "stagecraft:models[0].serving.defaultAnswer",
            "is never given",
        ),
        (
            [MODELS, 1, "serving", "ladder"],
            ["previous"],
            "stagecraft:models[1].serving.fallback",
            "says the same as ladder",
        ),
        (
            [MODELS, 0, "release", "ab"],
            {"version": "2", "percent": 10},
            "stagecraft:models[0].release.ab.version",
            "the ARN of a registered version",
        ),
        (
            [MODELS, 0, "release", "shadow"],
            {"version": "arn:aws:sagemaker:us-east-1:123456789012:model-package/m/2", "percent": 0},
            "stagecraft:models[0].release.shadow.percent",
            "more than 0",
        ),
        (
            [MODELS, 0, "training", "feedbackRows"],
            0,
            "stagecraft:models[0].training.feedbackRows",
            "at least 1",
        ),
        (
            [MODELS, 0, "release", "bakeLimitMinutes"],
            5,
            "stagecraft:models[0].release.bakeLimitMinutes",
            "must be at least bakeMinutes",
        ),
        (
            [MODELS, 0, "release", "gate"],
            {"errorRate": 0.9},
            "stagecraft:models[0].release.gate.errorRate",
            "at most 0.5",
        ),
        (
            [MODELS, 0, "release", "gate"],
            {"undecided": "wait"},
            "stagecraft:models[0].release.gate.undecided",
            "'roll-back' or 'promote'",
        ),
        (
            [MODELS, 0, "release", "gate"],
            {"quality": "required"},
            "stagecraft:models[0].release.gate.quality",
            "switch on fallback, or say if-known",
        ),
        (
            [MODELS, 0, "release", "canaryPercent"],
            [50, 20, 100],
            "stagecraft:models[0].release.canaryPercent",
            "must rise",
        ),
        (
            [MODELS, 0, "release", "canaryPercent"],
            [5, 50],
            "stagecraft:models[0].release.canaryPercent",
            "end with 100",
        ),
        (
            [MODELS, 0, "monthlyBudgetUsd"],
            10**6,
            "stagecraft:models[0].monthlyBudgetUsd",
            "at most the stack's",
        ),
        (
            [MODELS, 0, "monitor", "accuracy", "floor"],
            95,
            "stagecraft:models[0].monitor.accuracy.floor",
            "0 to 1",
        ),
        (
            [MODELS, 1, "monitor", "bias", "attribute"],
            "age",
            "stagecraft:models[1].monitor.bias.attribute",
            "column",
        ),
        (
            [MODELS, 1, "batch"],
            {"schedule": "daily"},
            "stagecraft:models[1].batch.schedule",
            "must be rate(1 day)",
        ),
        (
            [MODELS, 1, "batch"],
            {"entities": "s3://crm/who"},
            "stagecraft:models[1].batch.entities",
            "ends in '/'",
        ),
        (
            [MODELS, 1, "batch"],
            {"entities": "s3://crm/who/", "rows": "s3://crm/rows/"},
            "stagecraft:models[1].batch.rows",
            "without entities",
        ),
        ([MODELS, 1, "batch"], {"chunkRows": 1}, "stagecraft:models[1].batch.chunkRows", "at least 100"),
        ([MODELS, 1, "batch"], {"vcpus": 64}, "stagecraft:models[1].batch.vcpus", "stack's maxVcpus"),
        (
            [MODELS, 1, "batch"],
            {"memoryMib": 3_000_000},
            "stagecraft:models[1].batch.memoryMib",
            "",
        ),
        ([VIEWS, 0, "joinKeys"], [], "stagecraft:featureViews[0].joinKeys", "at least 1"),
        ([VIEWS, 0, "fields", 0, "min"], 60, "stagecraft:featureViews[0].fields[0].min", "at most max"),
        ([VIEWS, 0, "fields", 0, "type"], "real", "stagecraft:featureViews[0].fields[0].type", "one of"),
        ([VIEWS, 1, "fields", 0, "max"], 3, "stagecraft:featureViews[1].fields[0].max", "not string"),
        (
            [VIEWS, 0, "fields", 1, "name"],
            "mean_radius",
            "stagecraft:featureViews[0].fields[1].name",
            "twice",
        ),
        ([VIEWS, 1, "fields", 0, "allowed"], [[]], "stagecraft:featureViews[1].fields[0].allowed[0]", ""),
        (["stagecraft:capabilities"], {"mlflow": True}, "stagecraft:capabilities.mlflow", "is no capability"),
        (["stagecraft:capabilities"], {"budgets": False}, "stagecraft:capabilities.budgets", "waive"),
        (["stagecraft:capabilities"], {"data-lake": False}, "stagecraft:capabilities.data-lake", "cannot be"),
        (
            ["stagecraft:capabilities"],
            {"degradation": True},
            "stagecraft:capabilities.degradation",
            "is not there",
        ),
        (
            ["stagecraft:waivers"],
            [{"rule": "C1", "owner": "ml", "reason": "only for this week", "expires": "soon"}],
            "stagecraft:waivers[0].expires",
            "a date",
        ),
    ],
)
def test_each_problem_is_named_by_path_and_remedy(path, value, where, says):
    raw = _changed(path, value)
    if raw.get("stagecraft:stage") == "govern":
        raw["stagecraft:delivery"] = {"repository": "acme/product"}
    problems = problems_of(raw)
    assert [problem.path for problem in problems] == [where], problems
    assert says in problems[0].remedy
    assert where in str(problems[0])


def test_ten_bad_settings_give_ten_named_problems():
    raw = _changed([MODELS, 0, "slo", "availability"], 12)
    raw["stagecraft:stage"] = "valid"
    raw["stagecraft:stagee"] = "validate"
    raw["stagecraft:monthlyBudgetUsd"] = -1
    raw["stagecraft:labels"] = {"owner": "", "costCentre": "cc-1", "dataClassification": "personal"}
    raw["stagecraft:notify"] = ["me@example.com", "you"]
    raw[VIEWS][0]["fields"][3]["min"] = 10**9
    raw[MODELS][1]["release"]["canaryPercent"] = [100, 5]
    raw[MODELS][1]["training"]["schedule"] = "every monday"
    raw["stagecraft:dataLoss"] = "maybe"
    assert {problem.path for problem in problems_of(raw)} == {
        "stagecraft:models[0].slo.availability",
        "stagecraft:stage",
        "stagecraft:stagee",
        "stagecraft:monthlyBudgetUsd",
        "stagecraft:labels.owner",
        "stagecraft:notify[1]",
        "stagecraft:featureViews[0].fields[3].min",
        "stagecraft:models[1].release.canaryPercent",
        "stagecraft:models[1].training.schedule",
        "stagecraft:dataLoss",
    }
    assert len(problems_of(raw)) == 10
    with pytest.raises(SettingsError, match="10 settings are wrong") as raised:
        parse_settings(raw)
    assert len(raised.value.problems) == 10


def test_an_empty_stack_is_told_what_it_needs():
    required = {"stage", "environment", "labels", "monthlyBudgetUsd", "featureViews", "models"}
    assert {problem.path for problem in problems_of({})} == {f"stagecraft:{key}" for key in required}


def test_other_namespaces_are_left_alone():
    assert problems_of({**stack_file("dev"), "aws:profile": 7, "other:stage": "x"}) == []


POOLS = "stagecraft:pools"


@pytest.mark.parametrize(
    ("changes", "where", "says"),
    [
        ({"aws:region": "mars-1"}, "aws:region", "no known prices: one of"),
        ({"stagecraft:maxVcpus": 4}, "stagecraft:maxVcpus", "too little for 2 x m6a.xlarge"),
        (
            {POOLS: [{"accelerator": "none", "maxHourlyUsd": 0.1}]},
            f"{POOLS}[0].maxHourlyUsd",
            "may cost $0.40 an hour",
        ),
        (
            {POOLS: [{"accelerator": "none", "families": ["g5"], "maxNodes": 3}]},
            f"{POOLS}[0].families",
            "accelerators a CPU pool pays for",
        ),
        (
            {POOLS: [{"accelerator": "none", "zones": ["us-east-1z"], "maxNodes": 3}]},
            f"{POOLS}[0].zones",
            "is no zone of us-east-1",
        ),
        (
            {POOLS: [{"accelerator": "none", "minNodes": 4, "maxNodes": 3}]},
            f"{POOLS}[0].minNodes",
            "from 0 to maxNodes (3)",
        ),
        ({POOLS: [{"accelerator": "l44"}]}, f"{POOLS}[0].accelerator", "did you mean"),
        ({POOLS: [{"accelerator": "l4"}]}, f"{POOLS}[0].accelerator", "no model trains on it"),
        (
            {"stagecraft:capabilities": {"quotas": True}},
            "stagecraft:capabilities.quotas",
            "switch on cluster too",
        ),
        (
            {"stagecraft:cluster": {"adminArns": ["ann"]}},
            "stagecraft:cluster.adminArns[0]",
            "the ARN of an IAM role or user",
        ),
    ],
)
def test_a_need_that_no_pool_can_meet_is_one_clear_problem(changes, where, says):
    (problem,) = problems_of({**stack_file("dev"), **changes})
    assert problem.path == where
    assert says in problem.remedy


WAIVER = {
    "rule": "M3",
    "resource": "budgets",
    "owner": "cfo",
    "reason": "credits until autumn",
    "expires": "2027-09-30",
}


def test_a_waiver_lets_a_stages_own_capability_be_switched_off():
    raw = _changed(["stagecraft:capabilities"], {"budgets": False})
    assert problems_of({**raw, "stagecraft:waivers": [WAIVER]}) == []
    other = {**WAIVER, "resource": "endpoints"}
    assert [p.path for p in problems_of({**raw, "stagecraft:waivers": [other]})] == [
        "stagecraft:capabilities.budgets"
    ]


def test_a_later_stages_capability_may_be_on_early():
    settings = parse_settings(_changed(["stagecraft:capabilities"], {"experiment-tracking": True}))
    assert "experiment-tracking" in settings.enabled
    assert "experiment-tracking" not in parse_settings(stack_file("dev")).enabled


def test_production_loses_data_only_under_a_waiver():
    raw = _changed(["stagecraft:dataLoss"], "allow", stack="prod")
    assert [problem.path for problem in problems_of(raw)] == ["stagecraft:dataLoss"]
    raw["stagecraft:waivers"] = [{**WAIVER, "rule": "G9", "resource": "*"}]
    assert problems_of(raw) == []


@pytest.mark.parametrize(("loss", "disposable"), [("refuse", ["lake"]), ("allow", []), ("allow", ["lake"])])
def test_data_goes_only_when_both_switches_are_set(loss, disposable):
    raw = {**stack_file("dev"), "stagecraft:dataLoss": loss, "stagecraft:disposable": disposable}
    assert parse_settings(raw).may_lose_data("lake") is (loss == "allow" and "lake" in disposable)


def test_the_program_reads_what_pulumi_was_given():
    pulumi.runtime.set_all_config(as_engine_hands_it(stack_file("prod")))
    try:
        assert read_settings() == parse_settings(stack_file("prod"))
    finally:
        pulumi.runtime.set_all_config({})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from([field.alias or name for name, field in Settings.model_fields.items()])


@given(st.dictionaries(KEYS, JSON))
def test_no_configuration_makes_it_fail_in_any_other_way(values):
    raw = {**stack_file("dev"), **{f"stagecraft:{key}": value for key, value in values.items()}}
    problems = problems_of(raw)
    assert all(problem.path.startswith("stagecraft:") for problem in problems)
    if problems:
        with pytest.raises(SettingsError):
            parse_settings(raw)
    else:
        parse_settings(raw)


@given(st.integers(0, 1), st.data())
def test_a_wrong_value_deep_inside_is_found_where_it_is(index, data):
    raw = copy.deepcopy(stack_file("dev"))
    fields = raw[VIEWS][index]["fields"]
    position = data.draw(st.integers(0, len(fields) - 1))
    fields[position]["type"] = data.draw(st.text().filter(lambda text: text not in ("int", "bool", "float")))
    if fields[position]["type"] in ("string", "timestamp"):
        return
    paths = [problem.path for problem in problems_of(raw)]
    assert f"stagecraft:featureViews[{index}].fields[{position}].type" in paths


@given(st.lists(st.integers(1, 100), min_size=1, max_size=6))
def test_canary_steps_are_taken_if_and_only_if_they_rise_to_all(steps):
    right = steps == sorted(set(steps)) and steps[-1] == 100
    raw = _changed([MODELS, 0, "release", "canaryPercent"], steps)
    assert (problems_of(raw) == []) is right


def test_problems_come_in_one_order():
    raw = _changed(["stagecraft:zz"], 1)
    raw["stagecraft:aa"] = 1
    del raw["stagecraft:labels"]
    shuffled = dict(reversed(list(raw.items())))
    assert problems_of(raw) == problems_of(shuffled)


def test_only_finished_stages_can_be_declared():
    built = [stage.name for stage in stages.STAGES if not stages.unbuilt(stage.name)]
    for name in stages.STAGE_NAMES:
        problems = problems_of(_at(name))
        assert (problems == []) is (name in built)


def _at(stage):
    """The stack of development at a stage, with what the stage asks to be told."""
    told = {"stagecraft:stage": stage}
    if stage != "validate":
        told["stagecraft:delivery"] = {"repository": "acme/product"}
    return {**stack_file("dev"), **told}


@pytest.mark.parametrize("stage", stages.STAGE_NAMES[1:])
def test_a_stage_can_be_declared_without_what_is_not_built_under_waivers(stage):
    lacking = stages.unbuilt(stage)
    raw = _at(stage)
    raw["stagecraft:capabilities"] = dict.fromkeys(lacking, False)
    raw["stagecraft:waivers"] = [{**WAIVER, "resource": name} for name in lacking]
    assert problems_of(raw) == []
    for left_on in lacking:
        raw["stagecraft:capabilities"] = dict.fromkeys([name for name in lacking if name != left_on], False)
        (problem,) = problems_of(raw)
        assert problem.path == "stagecraft:stage"
        assert problem.remedy.endswith(f": {left_on}")


def _with(*capabilities, **settings):
    """Development with capabilities of later stages."""
    raw = {**stack_file("dev"), "stagecraft:capabilities": dict.fromkeys(capabilities, True)}
    return raw | {f"stagecraft:{key}": value for key, value in settings.items()}


def test_delivery_is_declared_exactly_where_it_is_on():
    repository = {"repository": "acme/product"}
    assert problems_of(_with("delivery-roles", delivery=repository)) == []
    (missing,) = problems_of(_with("delivery-roles"))
    assert (missing.path, "owner/name" in missing.remedy) == ("stagecraft:delivery", True)
    (idle,) = problems_of(_with(delivery=repository))
    assert (idle.path, "switch it on" in idle.remedy) == ("stagecraft:delivery", True)
    wrong = {
        "repository": "acme/*",
        "branch": "release/*",
        "oidcProviderArn": "arn:aws:iam::1:x",
        "provider": "svn",
    }
    assert {each.path for each in problems_of(_with("delivery-roles", delivery=wrong))} >= {
        f"stagecraft:delivery.{key}" for key in wrong
    }


def test_machines_are_in_two_zones_where_one_may_fail():
    raw = _with("zone-failover")
    assert problems_of(raw) == []
    raw = copy.deepcopy(raw)
    raw[MODELS][0]["serving"] = {"mode": "realtime", "minReplicas": 1}
    (problem,) = problems_of(raw)
    assert problem.path == "stagecraft:models[0].serving.minReplicas"
    raw[MODELS][0]["serving"]["minReplicas"] = 2
    assert problems_of(raw) == []


def test_the_reaper_reports_to_the_budgets():
    raw = _with("reaper")
    raw["stagecraft:capabilities"]["budgets"] = False
    raw["stagecraft:waivers"] = [{**WAIVER, "resource": "budgets"}]
    (problem,) = problems_of(raw)
    assert (problem.path, "reaper" in problem.remedy) == ("stagecraft:capabilities.budgets", True)


@pytest.mark.parametrize("word", ["ItemAdded", "item-added", "", "2_items"])
def test_events_are_named_in_snake_case(word):
    assert problems_of(_with("event-stream", events={"types": ["item_added"], "outcomes": ["churn"]})) == []
    (problem,) = problems_of(_with("event-stream", events={"types": [word]}))
    assert problem.path == "stagecraft:events.types[0]"


def test_settings_survive_json():
    raw = stack_file("dev")
    assert json.loads(json.dumps(raw)) == raw


def test_what_a_model_predicts_follows_from_its_views():
    raw = stack_file("local")
    (model,) = raw["stagecraft:models"]
    settings = parse_settings(
        {**raw, "stagecraft:models": [{key: model[key] for key in model if key not in ("label", "task")}]}
    )
    assert settings.outcome_of(settings.models[0]) == ("malignant", "binary")


def test_a_model_of_views_with_two_labels_must_say_which():
    raw = stack_file("local")
    (view,), (model,) = raw["stagecraft:featureViews"], raw["stagecraft:models"]
    fields = [*view["fields"], {"name": "stage", "type": "string", "label": True}]
    model = {key: model[key] for key in model if key != "label"}
    problems = problems_of(
        {**raw, "stagecraft:featureViews": [{**view, "fields": fields}], "stagecraft:models": [model]}
    )
    assert [(each.path, "malignant, stage" in each.remedy) for each in problems] == [
        ("stagecraft:models[0].label", True)
    ]
