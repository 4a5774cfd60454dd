"""`stagecraft cost`: a stack's estimate, against itself at another commit or in a state file."""

import json
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli_driver import Stagecraft, write_project

CONFIG = "config:\n  aws:region: us-east-1\n  trial:keys: {keys}\n"
PROGRAM = """
import pulumi
import pulumi_aws as aws
from parts import SECRETS

vault = pulumi.ComponentResource("trial:index:Vault", "vault")
inside = pulumi.ResourceOptions(parent=vault)
for index in range(pulumi.Config().require_int("keys")):
    aws.kms.Key(f"key-{index}", opts=inside)
for index in range(SECRETS):
    aws.secretsmanager.Secret(f"secret-{index}", opts=inside)
"""
KEY, SECRET = Decimal(1), Decimal("0.40")
GB_MONTH = Decimal("0.08")


def _git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def _disk(name: str, size: int) -> dict:
    return {"type": "aws:ebs/volume:Volume", "name": name, "properties": {"size": size, "type": "gp3"}}


def _table(**properties) -> dict:
    return {"type": "aws:dynamodb/table:Table", "name": "t", "properties": properties}


def _write(path: Path, document) -> str:
    path.write_text(json.dumps(document))
    return str(path)


@pytest.fixture
def trial(tmp_path: Path, stagecraft: Stagecraft) -> Stagecraft:
    repository = tmp_path / "a repository"
    stagecraft.project = write_project(repository / "infra", PROGRAM, {"prod": CONFIG.format(keys=1)})
    (stagecraft.project / "program" / "parts.py").write_text("SECRETS = 1\n")
    _git(tmp_path, "init", "--quiet", str(repository))
    _git(repository, "add", ".")
    _git(repository, "commit", "--quiet", "-m", "a key and a secret")
    return stagecraft


@pytest.mark.slow
def test_a_change_is_priced_against_the_programs_own_past(trial: Stagecraft) -> None:
    (trial.project / "Pulumi.prod.yaml").write_text(CONFIG.format(keys=3))
    (trial.project / "program" / "parts.py").write_text("SECRETS = 4\n")
    told = trial.run("cost", "--stack", "prod", "--against", "HEAD", "--format", "json").object
    assert Decimal(told["idle"]) == 3 * KEY + 4 * SECRET
    against = told["against"]
    assert against["what"] == "HEAD"
    assert Decimal(against["before"]["idle"]) == KEY + SECRET
    assert Decimal(against["change"]["idle"]) == 2 * KEY + 3 * SECRET
    (vault,) = against["byComponent"]
    assert (vault["name"], vault["change"]["idle"]) == ("vault", "3.20")
    listed = subprocess.run(
        ["git", "-C", str(trial.project), "worktree", "list"], capture_output=True, text=True, check=True
    )
    assert len(listed.stdout.splitlines()) == 1

    shown = trial.run("check", "--stack", "prod", "--against", "HEAD", "--format", "markdown", code=None)
    assert "change against `HEAD`" in shown.out
    assert "+\\$3.20" in shown.out


@pytest.mark.slow
def test_where_there_is_nothing_to_compare_with_it_says_why(trial: Stagecraft) -> None:
    (trial.project / "Pulumi.new.yaml").write_text(CONFIG.format(keys=2))
    told = trial.run("cost", "--stack", "new", "--against", "HEAD", code=1)
    assert "at HEAD: there is no stack 'new'" in told.err
    verdict = trial.run("check", "--stack", "new", "--against", "HEAD", "--json", code=None).object
    assert verdict["cost"]["idle"] == "2.40"
    assert "there is no stack 'new'" in verdict["cost"]["against"]["problem"]

    parts = trial.project / "program" / "parts.py"
    parts.write_text("raise Exception('not today')\n")
    _git(trial.project, "commit", "--quiet", "--all", "-m", "broken")
    parts.write_text("SECRETS = 1\n")
    broken = trial.run("cost", "--stack", "prod", "--against", "HEAD", code=1)
    assert "stack 'prod' cannot be planned at HEAD" in broken.err
    assert "not today" in broken.err
    option = trial.run("cost", "--stack", "prod", "--against", "--upload-pack=x", code=2)
    assert "no such commit" in option.err


def test_files_are_compared_to_the_cent(stagecraft: Stagecraft, tmp_path: Path) -> None:
    before = _write(tmp_path / "before.json", [_disk("a", 1)])
    after = _write(tmp_path / "after.json", [_disk("a", 1), _disk("b", 3), {"type": "aws:braket/job:Job"}])
    told = stagecraft.run("cost", "--state", after, "--against", before, "--json").object
    assert (told["idle"], told["against"]["before"]["idle"]) == ("0.32", "0.08")
    assert told["against"]["change"]["idle"] == "0.24"
    assert [item["type"] for item in told["unpriced"]] == ["aws:braket/job:Job"]
    assert [item["type"] for item in told["against"]["newlyUnpriced"]] == ["aws:braket/job:Job"]
    lines = [line for item in told["byResource"] for line in item["lines"]]
    assert sum(Decimal(line["amount"]["idle"]) for line in lines) == Decimal("0.32")
    table = stagecraft.run("cost", "--state", after, "--against", before).out
    assert "not in these sums (1):" in table
    assert "+$0.24" in table
    markdown = stagecraft.run("cost", "--state", after, "--format", "markdown").out
    assert "| **total** | **\\$0.32** |" in markdown


def test_known_prices(stagecraft: Stagecraft, tmp_path: Path) -> None:
    group = {
        "type": "aws:eks/nodeGroup:NodeGroup",
        "name": "system",
        "properties": {
            "instanceTypes": ["m5.xlarge"],
            "diskSize": 20,
            "scalingConfig": {"minSize": 3, "desiredSize": 3, "maxSize": 3},
        },
    }
    told = stagecraft.run("cost", "--state", _write(tmp_path / "group.json", [group]), "--json").object
    assert Decimal(told["expected"]) == 3 * Decimal("0.192") * 730 + 3 * 20 * GB_MONTH


def test_declared_usage_is_what_is_priced(stagecraft: Stagecraft, tmp_path: Path) -> None:
    state = _write(tmp_path / "list.json", [_table(billingMode="PAY_PER_REQUEST")])
    usage = tmp_path / "usage.yaml"
    usage.write_text("dynamodbWrites: 0\ndynamodbReads: 0\nbyName: {t: {dynamodb_storage_gb: 100}}\n")
    told = stagecraft.run("cost", "--state", state, "--usage", str(usage), "--json").object
    assert told["expected"] == "25.00"


def test_every_problem_of_the_call_is_told_at_once(stagecraft: Stagecraft, tmp_path: Path) -> None:
    usage = tmp_path / "usage.yaml"
    usage.write_text("logsGB: 1\nautoscalingShare: 2\n")
    told = stagecraft.run(
        *("cost", "--state", str(tmp_path / "gone.json"), "--against", str(usage), "--usage", str(usage)),
        code=2,
    )
    for part in ("autoscalingShare: 2", "gone.json cannot be read", "usage.yaml is not JSON"):
        assert part in told.err
    assert "Traceback" not in told.err
