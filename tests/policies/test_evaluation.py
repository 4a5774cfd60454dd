"""Judging without a deployment: lists of resources, state files, levels, stages and other people's packs."""

import json
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from policies.evaluation import Evaluator
from policies.inputs import load_resources, read_resources
from policies.levels import only, pack_config
from policies.packs import PACKS, all_rules, directory
from policies.testing import UNKNOWN, PackUnderTest, resource
from twin.engine.analyzer import PolicyPack, StackInfo
from twin.engine.engine_service import EngineServer, EngineService
from twin.wire import UNKNOWN as NOT_KNOWN
from twin.wire import Secret

ROOT = Path(__file__).parents[2]
BUCKET = "aws:s3/bucket:Bucket"
URN = "urn:pulumi:prod::shop::aws:s3/bucket:Bucket::raw"
STATE = {
    "version": 3,
    "deployment": {
        "manifest": {},
        "resources": [
            {"urn": "urn:pulumi:prod::shop::pulumi:pulumi:Stack::shop-prod", "type": "pulumi:pulumi:Stack"},
            {
                "urn": "urn:pulumi:prod::shop::pulumi:providers:aws::eu",
                "type": "pulumi:providers:aws",
                "id": "1",
                "inputs": {"defaultTags": '{"tags": {"owner": "growth"}}'},
            },
            {
                "urn": URN,
                "type": BUCKET,
                "id": "raw-1",
                "inputs": {
                    "tags": {
                        "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
                        "plaintext": '{"env": "prod"}',
                    },
                    "bucket": {
                        "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
                        "ciphertext": "v1:x",
                    },
                },
                "outputs": {"versioning": {"enabled": True}},
                "provider": "urn:pulumi:prod::shop::pulumi:providers:aws::eu::1",
                "protect": True,
                "propertyDependencies": {"bucket": None},
            },
            {"urn": "urn:pulumi:prod::shop::aws:s3/bucket:Bucket::old", "type": BUCKET, "delete": True},
        ],
    },
}


@pytest.fixture(scope="module")
def everything():
    with PackUnderTest(*PACKS) as running:
        yield running


def test_a_list_may_name_what_it_depends_on_by_name_or_urn():
    first, second = read_resources(
        [
            resource(BUCKET, "raw"),
            resource("aws:s3/bucketVersioning:BucketVersioning", "v")
            | {"dependencies": ["raw"], "propertyDependencies": {"bucket": [URN]}, "parent": "raw"},
        ]
    )
    raw = "urn:pulumi:eval::eval::aws:s3/bucket:Bucket::raw"
    assert first.inputs.urn == raw
    assert (second.inputs.dependencies, second.inputs.parent) == ([raw], raw)
    assert second.inputs.property_dependencies == {"bucket": [URN]}


def test_a_name_that_several_types_share_means_the_others():
    block = resource("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", "raw")
    judged = read_resources(
        [
            block | {"dependencies": "raw", "propertyDependencies": {"bucket": ["raw"]}},
            resource(BUCKET, "raw"),
        ]
    )
    assert judged[0].inputs.dependencies == [judged[1].inputs.urn]
    assert judged[0].inputs.property_dependencies == {"bucket": [judged[1].inputs.urn]}


def test_an_object_by_name_is_a_list():
    (only_one,) = read_resources({"raw": {"type": BUCKET, "properties": {"bucket": UNKNOWN}}})
    assert (only_one.inputs.name, only_one.inputs.properties) == ("raw", {"bucket": NOT_KNOWN})


@pytest.mark.parametrize("document", [STATE, STATE["deployment"]])
def test_a_state_file_is_read_with_secrets_providers_and_protection(tmp_path, document):
    path = tmp_path / "state.json"
    path.write_text(json.dumps(document))
    judged = load_resources(path)
    assert [item.inputs.name for item in judged] == ["shop-prod", "eu", "raw"]
    bucket = judged[2]
    assert bucket.inputs.properties["tags"] == Secret({"env": "prod"})
    assert bucket.inputs.properties["bucket"].value is NOT_KNOWN
    assert bucket.inputs.options.protect
    assert bucket.inputs.provider is not None
    assert bucket.inputs.provider.name == "eu"
    assert "versioning" not in bucket.inputs.properties
    assert bucket.outputs.properties["versioning"] == {"enabled": True}
    assert bucket.outputs.properties["id"] == "raw-1"


def test_a_state_is_judged_by_its_outputs_and_its_provider(everything, tmp_path):
    path = tmp_path / "state.json"
    path.write_text(json.dumps(STATE))
    verdict = everything.judge(load_resources(path))
    assert "R1" not in verdict.ids
    assert "G9" not in verdict.ids
    (labels,) = (item for item in verdict.violations if item.id == "G1" and item.urn == URN)
    assert labels.message == "no tag says its costCentre, dataClassification"


@pytest.mark.parametrize(
    ("document", "problems"),
    [
        (3, ["expected a list"]),
        (
            [3, {"name": "a"}, {"type": "t", "properties": []}],
            ["resource 0 is a int", "resource 1 (a) has no type", "resource 2"],
        ),
        (
            {"deployment": {"manifest": {}, "resources": [{"type": "t"}]}},
            ["resource 0 of the state has no urn"],
        ),
    ],
)
def test_everything_that_is_wrong_with_a_file_is_told(tmp_path, document, problems):
    path = tmp_path / "resources.json"
    path.write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"resource|expected") as error:
        load_resources(path)
    for problem in problems:
        assert problem in str(error.value)


@pytest.mark.parametrize(
    "document",
    [
        {"version": 3, "deployment": None},
        {"version": 3, "deployment": {"manifest": {}}},
        {"version": 3, "checkpoint": {"stack": "dev", "latest": {"manifest": {}}}},
    ],
)
def test_a_stack_that_holds_nothing_has_no_resources(document):
    assert read_resources(document) == []


def test_a_backends_checkpoint_is_a_state():
    checkpoint = {"version": 3, "checkpoint": {"stack": "prod", "latest": STATE["deployment"]}}
    assert [item.inputs.urn for item in read_resources(checkpoint)][-1] == URN


def test_a_single_resource_is_a_list_of_one():
    (only_one,) = read_resources(resource(BUCKET, "raw"))
    assert only_one.inputs.name == "raw"


@pytest.mark.parametrize("text", ["{", "[" * 100_000, None])
def test_a_file_that_cannot_be_read_is_told(tmp_path, text):
    path = tmp_path / "resources.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=r"resources\.json"):
        load_resources(path)


def test_every_rule_is_on_at_govern_in_prod():
    config = pack_config("prod", "govern", repair=False)
    assert set(config) == {rule.about.name for rule in all_rules()}
    assert {entry["enforcementLevel"] for entry in config.values()} == {"mandatory", "advisory"}
    assert config["bucket-logs-access"]["enforcementLevel"] == "mandatory"


def test_a_rule_waits_for_its_stage(everything):
    trail = [resource("aws:cloudtrail/trail:Trail")]
    assert "G10" not in everything.judge(trail, stage="optimise").ids
    assert "G10" in everything.judge(trail, stage="govern").ids
    assert "G10" in everything.judge(trail, stage="scale").ids


@pytest.mark.parametrize(
    ("environment", "level"),
    [("dev", "advisory"), ("staging", "mandatory"), ("prod", "mandatory"), ("other", "mandatory")],
)
def test_a_level_is_the_environments(everything, environment, level):
    verdict = everything.judge([resource(BUCKET)], environment=environment)
    assert {item.level for item in verdict.violations if item.id == "R1"} == {level}


def test_an_unknown_can_be_made_a_remark(everything):
    group = [resource("aws:cloudwatch/logGroup:LogGroup", retentionInDays=UNKNOWN, kmsKeyId="k")]
    strict = [item for item in everything.judge(group).cannot_judge if item.id == "C13"]
    mild = [
        item for item in everything.judge(group, when_unknown="advisory").cannot_judge if item.id == "C13"
    ]
    assert [item.level for item in strict] == ["mandatory"]
    assert [item.level for item in mild] == ["advisory"]
    assert all(
        item.message == "cannot judge, because retentionInDays is not known yet" for item in strict + mild
    )


def test_a_verdict_is_in_the_catalogues_order(everything):
    verdict = everything.judge([resource(BUCKET, "b"), resource(BUCKET, "a")])
    keys = [(item.id[0], int(item.id[1:]), item.urn) for item in verdict.violations]
    assert keys == sorted(keys)
    assert not verdict.allowed


def test_a_clean_resource_is_allowed(everything):
    assert everything.judge(
        [resource("aws:ssm/document:Document")], overrides={"resource-is-labelled": "disabled"}
    ).allowed


def test_some_rules_can_be_singled_out():
    config = only(pack_config("prod", "govern"), ["bucket-has-lifecycle"])
    with Evaluator(["cost"], config) as evaluator:
        assert evaluator.judge([resource(BUCKET)]).ids == {"C11"}


def test_overrides_name_levels_and_options():
    overrides = {
        "bucket-has-lifecycle": "advisory",
        "no-open-ingress": {"ports": [1]},
        "someone-elses": "disabled",
    }
    config = pack_config("prod", "validate", overrides=overrides)
    assert config["bucket-has-lifecycle"]["enforcementLevel"] == "advisory"
    assert config["no-open-ingress"]["ports"] == [1]
    assert config["someone-elses"] == {"enforcementLevel": "disabled"}


def test_a_stage_or_pack_that_does_not_exist_is_told():
    with pytest.raises(ValueError, match=r"'later'.*validate, stabilise"):
        pack_config("prod", "later")
    with pytest.raises(ValueError, match=r"'colours'.*cost, governance"):
        directory("colours")


def test_other_peoples_packs_can_be_tested_the_same_way(tmp_path):
    folder = tmp_path / "their pack"
    folder.mkdir()
    (folder / "PulumiPolicy.yaml").write_text("runtime: python\n")
    program = """
        from pulumi_policy import PolicyPack, ResourceValidationPolicy
        def no_buckets(args, report):
            if args.resource_type == "aws:s3/bucket:Bucket":
                report("no buckets here")
        PolicyPack("theirs", policies=[ResourceValidationPolicy("no-buckets", "No buckets", no_buckets)])
    """
    (folder / "__main__.py").write_text(textwrap.dedent(program))
    with PackUnderTest(folder) as pack:
        (finding,) = pack.judge([resource(BUCKET)]).violations
    assert (finding.pack, finding.rule, finding.id, finding.message) == (
        "theirs",
        "no-buckets",
        "",
        "no buckets here",
    )


def test_a_rule_that_fails_does_not_pass_and_keeps_no_other_from_judging(tmp_path):
    folder = tmp_path / "ours"
    folder.mkdir()
    (folder / "PulumiPolicy.yaml").write_text("runtime: python\nversion: 0.0.1\n")
    program = f"""
        import sys
        sys.path.insert(0, {str(ROOT)!r})
        from pulumi_policy import EnforcementLevel, PolicyPack
        from policies.catalogue import About, collect, resource_rule
        from policies.runtime import policies_of

        @resource_rule(About(id="X1", name="fails", title="t", remedy="r"), types=("aws:s3:Bucket",))
        def fails(bucket, settings):
            yield str(1 / bucket.props.number("none_such", "buckets"))

        @resource_rule(About(id="X2", name="judges", title="t", remedy="r"), types=("aws:s3:Bucket",))
        def judges(bucket, settings):
            yield "judged"

        PolicyPack(
            name="ours",
            enforcement_level=EnforcementLevel.MANDATORY,
            policies=policies_of(collect(sys.modules["__main__"])),
        )
    """
    (folder / "__main__.py").write_text(textwrap.dedent(program))
    with PackUnderTest(folder) as pack:
        verdict = pack.judge([resource(BUCKET, buckets=0)])
    assert verdict.ids == {"X2"}
    (question,) = verdict.cannot_judge
    assert question.id == "X1"
    assert question.level == "mandatory"
    assert "the rule failed on it (ZeroDivisionError: " in question.message


@pytest.mark.parametrize("pack", PACKS)
def test_a_pack_runs_from_a_checkout_whose_path_has_a_space(tmp_path, pack, monkeypatch):
    """As the official CLI starts it: by its folder, with nothing on the path but the interpreter."""
    checkout = tmp_path / "a checkout"
    for part in ("policies", "pricing"):
        shutil.copytree(ROOT / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
    runtime = checkout / "policies" / "runtime.py"
    runtime.write_text(runtime.read_text().replace("Waived findings and open questions", "Of the copy"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    with (
        EngineServer(EngineService(lambda *_line: None)) as engine,
        PolicyPack(checkout / "policies" / pack, engine.address, stack=StackInfo("prod", "shop")) as running,
    ):
        assert running.name == f"stagecraft-{pack}"
        assert running.version == "0.1.0"
        assert running.policies["resource-notes"].description == "Of the copy"


def test_a_pack_alone_takes_stage_and_environment_from_the_stack():
    """With no configuration at all: the stack's own, as Pulumi hands it to packs, else validate and prod."""
    trail = read_resources([resource("aws:cloudtrail/trail:Trail")])[0].outputs
    table = read_resources([resource("aws:dynamodb/table:Table")])[0].inputs
    with EngineServer(EngineService(lambda *_line: None)) as engine:
        for config, name, audited, protected in (
            ({"stagecraft:stage": "govern"}, "shop-dev", True, True),
            ({}, "prod", False, False),
            ({}, "something", False, False),
        ):
            stack = StackInfo(name, "shop", config=config)
            with PolicyPack(directory("governance"), engine.address, stack=stack) as pack:
                ids = {item.id for item in (*pack.analyze_stack([trail]), *pack.analyze(table))}
                assert ("G10" in ids) is audited
                assert ("G9" not in ids) is protected


def test_waivers_come_from_the_stack_where_a_pack_is_not_configured():
    waivers = [{"rule": "C11", "resource": "raw", "owner": "ann", "reason": "moves", "expires": "2099-01-01"}]
    stack = StackInfo("prod", "shop", config={"stagecraft:waivers": json.dumps(waivers)})
    raw = read_resources([resource(BUCKET, "raw")])[0].outputs
    with (
        EngineServer(EngineService(lambda *_line: None)) as engine,
        PolicyPack(directory("cost"), engine.address, stack=stack) as pack,
    ):
        said = {item.id: item for item in pack.analyze_stack([raw])}
    assert said["C11"].level == "advisory"
    assert said["C12"].level == "mandatory"


def test_importing_the_rules_prints_nothing():
    code = "import policies.packs as p; p.all_rules()"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == ""
