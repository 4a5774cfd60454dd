"""What is refused, is refused whole: before anything is made, with every problem named."""

from pathlib import Path

import yaml

from tests.cli_driver import CHECKOUT, LABELLED, Stagecraft, waived, write_project

BAD_SETTINGS = {
    "stagecraft:stage": "valdate",
    "stagecraft:environment": "production",
    "stagecraft:labels": {"owner": "", "costCentre": "cc-1", "dataClassification": "secret"},
    "stagecraft:monthlyBudgetUsd": -5,
    "stagecraft:maxVcpus": 0,
    "stagecraft:notify": ["nobody"],
    "stagecraft:imagee": "0.1.0",
}
PROGRAM = """
import pulumi_aws as aws

aws.ssm.Parameter("first", type="String", value="x")
aws.dynamodb.Table(
    "paid-by-the-hour",
    billing_mode="PROVISIONED",
    read_capacity=5,
    write_capacity=5,
    hash_key="id",
    attributes=[{"name": "id", "type": "S"}],
)
"""


def _our_project(folder: Path, changes: dict) -> Path:
    """Stagecraft's own program with a stack file of the test's."""
    stack = yaml.safe_load((CHECKOUT / "stacks" / "Pulumi.local.yaml").read_text())
    config = {**stack["config"], **changes}
    (model,) = config["stagecraft:models"]
    config["stagecraft:models"] = [
        {**model, "slo": {"availability": 101, "latencyP95Ms": 800}},
        {**model, "name": "second", "release": {"canaryPercent": [25, 5, 100]}},
    ]
    folder.mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text(f'name: stagecraft\nruntime: python\nmain: "{CHECKOUT}/stacks"\n')
    (folder / "Pulumi.local.yaml").write_text(yaml.safe_dump({"config": config}))
    return folder


def test_ten_bad_settings_give_ten_named_problems_and_change_nothing(
    tmp_path: Path, stagecraft: Stagecraft
) -> None:
    stagecraft.project = _our_project(tmp_path / "ours", BAD_SETTINGS)
    refused = stagecraft.run("up", "--yes", code=2)
    for path in (
        "stagecraft:stage",
        "stagecraft:environment",
        "stagecraft:labels.owner",
        "stagecraft:labels.dataClassification",
        "stagecraft:monthlyBudgetUsd",
        "stagecraft:maxVcpus",
        "stagecraft:notify[0]",
        "stagecraft:imagee",
        "stagecraft:models[0].slo.availability",
        "stagecraft:models[1].release.canaryPercent",
    ):
        assert path in refused.all, path
    assert "validate" in refused.all, "the setting that was probably meant is named"
    assert "Traceback" not in refused.all
    assert not (stagecraft.home / "local").exists()


def test_a_violation_stops_up_before_anything_is_created(tmp_path: Path, stagecraft: Stagecraft) -> None:
    stagecraft.project = write_project(tmp_path / "trial", PROGRAM, {"local": LABELLED + waived("S27")})
    refused = stagecraft.run("up", "--yes", code=1)
    assert "C15" in refused.out
    assert "paid-by-the-hour" in refused.out
    assert "Remedy" in refused.out
    assert stagecraft.inventory("local") == []
    told = stagecraft.run("up", "--yes", "--json", code=1).object
    assert [each["id"] for each in told["violations"] if each["level"] == "mandatory"] == ["C15"]
    assert stagecraft.inventory("local") == []


def test_a_provider_of_a_real_cloud_is_never_run(tmp_path: Path, stagecraft: Stagecraft) -> None:
    program = 'import pulumi\npulumi.CustomResource("gcp:storage/bucket:Bucket", "b", {"location": "EU"})\n'
    stagecraft.project = write_project(tmp_path / "trial", program, {"local": LABELLED})
    refused = stagecraft.run("up", "--yes", code=1)
    assert "no provider for package 'gcp'" in refused.all


def test_a_type_that_is_not_emulated_is_named(tmp_path: Path, stagecraft: Stagecraft) -> None:
    program = 'import pulumi\npulumi.CustomResource("aws:chime/voiceConnector:VoiceConnector", "v", {})\n'
    stagecraft.project = write_project(tmp_path / "trial", program, {"local": LABELLED})
    refused = stagecraft.run("up", "--yes", code=1)
    assert "aws:chime/voiceConnector:VoiceConnector is not emulated" in refused.all


def test_a_broken_stack_file_is_named(tmp_path: Path, stagecraft: Stagecraft) -> None:
    stagecraft.project = write_project(tmp_path / "trial", PROGRAM, {"local": "config: [unclosed\n"})
    assert "Pulumi.local.yaml cannot be read" in stagecraft.run("up", "--yes", code=2).all


def test_a_damaged_state_is_refused_and_left_as_it_is(tmp_path: Path, stagecraft: Stagecraft) -> None:
    program = 'import pulumi_aws as aws\naws.ssm.Parameter("only", type="String", value="x")\n'
    stagecraft.project = write_project(tmp_path / "trial", program, {"local": LABELLED})
    stagecraft.run("up", "--yes", "--json")
    state = stagecraft.home / "local" / "state.json"
    damaged = state.read_bytes()[:-200]
    state.write_bytes(damaged)
    refused = stagecraft.run("up", "--yes", code=1)
    assert "cannot be used" in refused.all
    assert "backup" in refused.all
    assert state.read_bytes() == damaged
