"""What every command of the twin must hold, on small programs with the real AWS provider and cloud."""

import json
from pathlib import Path

import pytest

from tests.cli_driver import LABELLED, Stagecraft, waived, write_project

CONFIG = LABELLED + waived("S27", "S29") + '  trial:team: growth\n  trial:size: "60"\n'
PROGRAM = """
import pulumi
import pulumi_aws as aws

config = pulumi.Config()
tags = {"team": config.require("team")}
tagged = [aws.sqs.Queue(f"tagged-{i}", tags=tags) for i in range(3)]
aws.sqs.Queue("plain", visibility_timeout_seconds=config.require_int("size"))
table = aws.dynamodb.Table(
    "table", billing_mode="PAY_PER_REQUEST", hash_key=config.get("hash") or "id",
    attributes=[{"name": config.get("hash") or "id", "type": "S"}],
)
aws.ssm.Parameter("pointer", type="String", value=table.arn)
pulumi.export("secret", pulumi.Output.secret("correct-horse-battery"))
pulumi.export("table", table.name)
"""


@pytest.fixture
def trial(tmp_path: Path, stagecraft: Stagecraft) -> Stagecraft:
    stagecraft.project = write_project(
        tmp_path / "a project", PROGRAM, {"local": CONFIG, "local-two": CONFIG}
    )
    return stagecraft


def _ops(ran: dict) -> dict[str, int]:
    return {op: count for op, count in ran["changes"].items() if count and op != "same"}


def test_a_second_up_changes_nothing_and_destroy_leaves_nothing(trial: Stagecraft) -> None:
    first = trial.run("up", "--yes", "--json").object
    assert first["ok"]
    assert first["changes"]["create"] == 8
    assert first["outputs"]["secret"] == "[secret]"
    assert {each["level"] for each in first["violations"]} <= {"advisory"}
    assert first["durationSeconds"] > 0
    second = trial.run("up", "--yes", "--json").object
    assert _ops(second) == {}
    assert second["outputs"] == first["outputs"]
    assert len(trial.inventory("local")) >= 6

    ended = trial.run("destroy", "--yes", "--json").object
    assert ended["changes"]["delete"] == 8
    assert trial.inventory("local") == []
    assert trial.state("local")["deployment"]["resources"] == []


def test_one_tag_updates_exactly_what_carries_it(trial: Stagecraft) -> None:
    trial.run("up", "--yes", "--json")
    (trial.project / "Pulumi.local.yaml").write_text(CONFIG.replace("team: growth", "team: risk"))
    changed = trial.run("up", "--yes", "--json").object
    assert _ops(changed) == {"update": 3}


def test_an_immutable_property_replaces_it_and_updates_what_depends_on_it(trial: Stagecraft) -> None:
    before = trial.run("up", "--yes", "--json").object["outputs"]["table"]
    (trial.project / "Pulumi.local.yaml").write_text(CONFIG + "  trial:hash: key\n")
    preview = trial.run("preview", "--json").object
    assert preview["changes"]["replace"] == 1
    changed = trial.run("up", "--yes", "--json").object
    assert _ops(changed) == {"replace": 1, "update": 1}
    assert changed["outputs"]["table"] != before
    tables = [each for each in trial.inventory("local") if "dynamodb" in each["type"].lower()]
    assert len(tables) == 1


def test_refresh_finds_and_shows_an_outside_change(trial: Stagecraft) -> None:
    trial.run("up", "--yes", "--json")
    from twin.aws.cloud.client import ensure_cloud, session

    sqs = session(ensure_cloud(trial.home / "local" / "cloud").endpoint, "us-east-1").client("sqs")
    urls = {url.rsplit("/", 1)[-1]: url for url in sqs.list_queues()["QueueUrls"]}
    plain = next(url for name, url in urls.items() if name.startswith("plain"))
    tagged = next(url for name, url in urls.items() if name.startswith("tagged-1"))
    sqs.set_queue_attributes(QueueUrl=plain, Attributes={"VisibilityTimeout": "99"})
    sqs.delete_queue(QueueUrl=tagged)

    shown = trial.run("refresh")
    assert "visibilityTimeoutSeconds: 60 → 99" in shown.out
    mended = trial.run("up", "--yes", "--json").object
    assert _ops(mended) == {"update": 1, "create": 1}


def test_two_stacks_side_by_side_do_not_disturb_each_other(trial: Stagecraft) -> None:
    first, second = (
        trial.start("up", "--yes", "--json"),
        trial.start("up", "--stack", "local-two", "--yes", "--json"),
    )
    for process in (first, second):
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert json.loads(out)["changes"]["create"] == 8
    trial.run("destroy", "--yes", "--json")
    assert trial.inventory("local") == []
    assert len(trial.inventory("local-two")) >= 6
    assert _ops(trial.run("up", "--stack", "local-two", "--yes", "--json").object) == {}


def test_no_secret_appears_anywhere(trial: Stagecraft) -> None:
    up = trial.run("up", "--yes")
    assert "correct-horse-battery" not in up.all
    shown = trial.run("outputs")
    assert "correct-horse-battery" not in shown.all
    for path in trial.home.rglob("*"):
        if path.is_file() and path.stat().st_size < 50_000_000:
            assert b"correct-horse-battery" not in path.read_bytes(), path
    assert trial.run("outputs", "secret", "--show-secrets").out.strip() == "correct-horse-battery"


def test_real_credentials_and_endpoints_are_ignored_and_refused(trial: Stagecraft) -> None:
    trial.environment = {
        "AWS_ACCESS_KEY_ID": "AKIAREALREALREALREAL",
        "AWS_SECRET_ACCESS_KEY": "real-secret-key-of-a-person",
        "AWS_PROFILE": "production",
        "AWS_ENDPOINT_URL": "https://sqs.us-east-1.amazonaws.com",
    }
    assert trial.run("up", "--yes", "--json").object["ok"]
    trial.environment = {"STAGECRAFT_CLOUD": "https://sqs.us-east-1.amazonaws.com"}
    refused = trial.run("up", "--yes", code=2)
    assert "not on this machine" in refused.all or "this machine only" in refused.all


def test_a_provider_that_dies_is_named_and_the_next_run_resumes(trial: Stagecraft, tmp_path: Path) -> None:
    trial.run("up", "--yes", "--json")
    killer = tmp_path / "killer"
    killer.mkdir()
    (trial.project / "program" / "__main__.py").write_text(
        PROGRAM
        + """
import os, pathlib, signal, subprocess
def kill(_):
    marker = pathlib.Path(os.environ["PWD_OF_TEST"]) / "done"
    if not pulumi.runtime.is_dry_run() and not marker.exists():
        marker.touch()
        mine = os.environ["STAGECRAFT_HOME"]
        for entry in pathlib.Path("/proc").iterdir():
            try:
                line = (entry / "cmdline").read_bytes()
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if b"twin.aws.provider" in line and mine.encode() in environment:
                os.kill(int(entry.name), signal.SIGKILL)
    return "late"
for i in range(5):
    aws.sqs.Queue(f"late-{i}", tags={"when": tagged[0].arn.apply(kill)})
"""
    )
    trial.environment = {"PWD_OF_TEST": str(killer)}
    died = trial.run("up", "--yes", code=1)
    assert "provider plugin aws died" in died.all
    assert "Traceback" not in died.all
    resumed = trial.run("up", "--yes", "--json").object
    assert resumed["ok"]
    queues = [each for each in trial.inventory("local") if "sqs" in each["type"].lower()]
    assert len(queues) == 9


def test_a_wrong_stack_name_or_missing_stack_is_told(trial: Stagecraft) -> None:
    missing = trial.run("up", "--stack", "local-nine", "--yes", code=2)
    assert "there is no stack 'local-nine'" in missing.all
    assert "local, local-two" in missing.all
    wrong = trial.run("up", "--stack", "../etc", "--yes", code=2)
    assert "is not a stack name" in wrong.all


def test_without_the_official_cli_a_cloud_stack_says_how_to_install_it(stagecraft: Stagecraft) -> None:
    stagecraft.environment = {"PATH": "/usr/bin"}
    told = stagecraft.run("up", "--stack", "dev", "--yes", code=1)
    assert "official Pulumi CLI" in told.all
    assert "brew install pulumi" in told.all


def test_export_and_import_carry_a_stack(trial: Stagecraft, tmp_path: Path) -> None:
    trial.run("up", "--yes", "--json")
    file = tmp_path / "state.json"
    trial.run("stack", "export", "--file", str(file))
    document = json.loads(file.read_text())
    assert document["version"] == 3
    trial.run("stack", "import", "--file", str(file))
    assert _ops(trial.run("up", "--yes", "--json").object) == {}

    document["deployment"]["resources"].reverse()
    file.write_text(json.dumps(document))
    refused = trial.run("stack", "import", "--file", str(file), code=2)
    assert "which stands after it" in refused.all
    assert _ops(trial.run("up", "--yes", "--json").object) == {}
