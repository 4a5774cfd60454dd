"""`stagecraft check`, as a user and as CI run it, on a small program with the real provider and cloud."""

import json
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
import yaml

from tests.cli_driver import LABELLED, Stagecraft, waived, write_project
from twin.engine import soundness

pytestmark = pytest.mark.slow

CONFIG = LABELLED + '  trial:buckets: "1"\n  stagecraft:monthlyBudgetUsd: 100\n'
PROGRAM = """
import pulumi
import pulumi_aws as aws

config = pulumi.Config()
if config.get("fail"):
    raise Exception("the program gave up")
parts = pulumi.ComponentResource("trial:index:Parts", "parts")
inside = pulumi.ResourceOptions(parent=parts)
secret = pulumi.Output.secret("correct-horse-battery")
aws.ssm.Parameter("pointer", type="SecureString", value=secret)
aws.dynamodb.Table(
    "table", billing_mode="PAY_PER_REQUEST", hash_key="id", attributes=[{"name": "id", "type": "S"}],
    opts=inside,
)
for index in range(config.get_int("buckets") or 0):
    aws.s3.Bucket(f"raw-{index}", opts=inside)
pulumi.export("secret", secret)
"""


@pytest.fixture
def trial(tmp_path: Path, stagecraft: Stagecraft) -> Stagecraft:
    stagecraft.project = write_project(tmp_path / "a project", PROGRAM, {"prod": CONFIG})
    return stagecraft


def test_it_says_what_is_wrong_and_what_it_costs(trial: Stagecraft, tmp_path: Path) -> None:
    state, junit, sarif = (tmp_path / name for name in ("state.json", "junit.xml", "check.sarif"))
    ran = trial.run(
        *("check", "--stack", "prod", "--json", "--state-out", str(state)),
        *("--report", f"junit={junit}", "--report", f"sarif={sarif}"),
        code=1,
    )
    told = ran.object
    assert told["ok"] is False
    assert told["problems"] == []
    by_id = {item["id"]: item for item in told["violations"]}
    assert {"C11", "R1", "R2", "S1", "S27"} <= set(by_id)
    assert by_id["S1"]["urn"] == "urn:pulumi:prod::trial::trial:index:Parts$aws:s3/bucket:Bucket::raw-0"
    assert by_id["S1"]["remedy"]
    assert "Remedy" not in by_id["S1"]["message"]
    assert told["cannot_judge"] == []
    assert told["outputs"] == {"secret": "[secret]"}
    parts = told["cost"]["byComponent"]
    assert [item["name"] for item in parts] == ["parts"]
    assert Decimal(parts[0]["expected"]) == Decimal(told["cost"]["expected"]) > 0
    assert told["cost"]["budget"] == "100.00"

    document = json.loads(state.read_text())
    assert soundness.check(document, "prod") == []
    assert len(document["deployment"]["resources"]) == told["resources"]
    again = trial.run("policy", "eval", "--file", str(state), "--stage", "validate", "--json", code=1).object
    assert again["resources"] == told["resources"]
    assert again["cost"]["worst"] == told["cost"]["worst"]
    estimated = trial.run("cost", "--state", str(state), "--json").object
    assert [estimated[month] for month in ("idle", "expected", "worst")] == [
        told["cost"][month] for month in ("idle", "expected", "worst")
    ]

    failed = Xml.parse(junit).getroot()  # noqa: S314 - our own output
    assert int(failed.get("failures", "0")) == len(
        {item["id"] for item in told["violations"] if item["level"] == "mandatory"}
    )
    (run,) = json.loads(sarif.read_text())["runs"]
    assert len(run["results"]) == len(told["violations"])
    assert {
        item["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for item in run["results"]
    } == {"Pulumi.prod.yaml"}
    for text in (ran.all, *(file.read_text() for file in (state, junit, sarif))):
        assert "correct-horse" not in text


def test_waived_findings_are_listed_and_let_it_pass(trial: Stagecraft) -> None:
    rules = ("R2", "S27")
    stack = trial.project / "Pulumi.prod.yaml"
    stack.write_text(LABELLED + waived(*rules))
    ran = trial.run("check", "--stack", "prod", "--json", code=0)
    told = ran.object
    assert told["ok"] is True
    assert {item["id"] for item in told["waived"]} == set(rules)
    assert all(item["waiver"]["owner"] and item["waiver"]["reason"] for item in told["waived"])
    assert {item["rule"] for item in told["waived"] if item["id"] == "R2"} == {"table-recovers"}
    stack.write_text(LABELLED + waived(*rules).replace("2099", "2001"))
    expired = trial.run("check", "--stack", "prod", code=1)
    assert "G8" in expired.out
    assert "prod is not allowed" in expired.out


def test_wrong_settings_are_told_at_once_and_nothing_is_started(trial: Stagecraft, tmp_path: Path) -> None:
    (trial.project / "Pulumi.prod.yaml").write_text(
        CONFIG + "  stagecraft:usage: {s3StorageGB: 3, nope: 1}\n"
    )
    usage = tmp_path / "usage.yaml"
    usage.write_text("logsGb: much\n")
    told = trial.run(
        *("check", "--stack", "prod", "--usage", str(usage), "--against", "nowhere", "--json"), code=2
    )
    assert told.out == ""
    for part in ("stagecraft:usage.nope: 1; is no usage field", "logsGb: 'much'", "--against 'nowhere'"):
        assert part in told.err
    assert not list(trial.home.glob("*/cloud"))
    unknown = trial.run("check", "--stack", "nope", code=2)
    assert "there is no stack 'nope'" in unknown.err
    wrong = trial.run("check", "--stack", "prod", "--format", "yaml", code=2)
    assert "yaml" in wrong.err


def test_a_stack_that_cannot_be_made_is_not_allowed_and_has_no_price(trial: Stagecraft) -> None:
    stack = trial.project / "Pulumi.prod.yaml"
    stack.write_text(f'{CONFIG}  trial:fail: "yes"\n')
    told = trial.run("check", "--stack", "prod", "--json", code=1).object
    assert told["ok"] is False
    assert any("the program gave up" in problem for problem in told["problems"])
    assert told["cost"] is None


def test_our_own_settings_are_checked_before_anything(stagecraft: Stagecraft, tmp_path: Path) -> None:
    root = tmp_path / "ours"
    (root / "stacks").mkdir(parents=True)
    source = stagecraft.checkout / "stacks"
    for path in source.glob("*.py"):
        (root / "stacks" / path.name).write_text(path.read_text())
    (root / "Pulumi.yaml").write_text((stagecraft.checkout / "Pulumi.yaml").read_text())
    (root / "stacks" / "Pulumi.prod.yaml").write_text("config:\n  stagecraft:stage: later\n")
    stagecraft.project = root
    told = stagecraft.run("check", "--stack", "prod", "--json", code=2)
    assert told.out == ""
    assert "stagecraft:stage" in told.err
    assert "stagecraft:models" in told.err


def test_endpoints_are_planned_before_any_version_is_there(stagecraft: Stagecraft, tmp_path: Path) -> None:
    stack = yaml.safe_load((stagecraft.checkout / "stacks" / "Pulumi.prod.yaml").read_text())
    settings = stack["config"]
    elsewhere = "arn:aws:sagemaker:us-east-1:210987654321:model-package/challengers/7"
    model = settings["stagecraft:models"][0]
    model["release"] = {"ab": {"version": elsewhere, "percent": 10}}
    stagecraft.project = tmp_path / "ours"
    stacks = stagecraft.project / "stacks"
    stacks.mkdir(parents=True)
    for module in (stagecraft.checkout / "stacks").glob("*.py"):
        (stacks / module.name).symlink_to(module)
    (stacks / "Pulumi.prod.yaml").write_text(yaml.safe_dump(stack))
    (stagecraft.project / "Pulumi.yaml").write_text((stagecraft.checkout / "Pulumi.yaml").read_text())

    state = tmp_path / "state.json"
    told = stagecraft.run("check", "--stack", "prod", "--json", "--state-out", str(state)).object
    assert told["problems"] == []
    made = [
        resource
        for resource in json.loads(state.read_text())["deployment"]["resources"]
        if resource["type"] == "aws:sagemaker/model:Model"
    ]
    served = [each["inputs"]["containers"][0]["modelPackageName"] for each in made]
    assert elsewhere in served
    names = {each["name"] for each in settings["stagecraft:models"]}
    assert {name for name in names if any(f"model-package/{name}/2" in arn for arn in served)} == names
