"""The CI workflow: it calls the command as the command is, and keeps a pull request's code from its token."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.reports.as_markdown import MARKER
from tests.cli_driver import CHECKOUT, LABELLED, Stagecraft, waived, write_project

WORKFLOW = CHECKOUT / ".github" / "workflows" / "stagecraft-check.yml"
PROGRAM = """
import pulumi_aws as aws
aws.dynamodb.Table(
    "table", billing_mode="PAY_PER_REQUEST", hash_key="id", attributes=[{"name": "id", "type": "S"}],
)
"""


@pytest.fixture(scope="module")
def workflow() -> Any:
    # YAML 1.1 reads the key `on` as a boolean.
    return yaml.load(WORKFLOW.read_text().replace("\non:", "\ntriggers:"), yaml.SafeLoader)


def _step(workflow: Any, job: str, name: str) -> Any:
    return next(step for step in workflow["jobs"][job]["steps"] if step.get("name") == name)


def test_others_can_call_it_and_it_runs_on_pull_requests(workflow: Any) -> None:
    assert set(workflow["triggers"]) == {"pull_request", "workflow_call"}
    assert workflow["triggers"]["workflow_call"]["inputs"]["stack"]["default"] == "prod"


def test_what_runs_a_pull_requests_code_can_write_nothing(workflow: Any) -> None:
    assert workflow["permissions"] == {}
    assert workflow["jobs"]["check"]["permissions"] == {"contents": "read"}
    assert workflow["jobs"]["comment"]["permissions"] == {"pull-requests": "write"}
    checkout = workflow["jobs"]["check"]["steps"][0]
    assert checkout["with"]["persist-credentials"] is False
    text = json.dumps(workflow["jobs"]["comment"])
    assert "checkout" not in text
    assert "secrets." not in WORKFLOW.read_text()


def test_actions_are_pinned_and_no_expression_stands_in_a_script(workflow: Any) -> None:
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            assert "uses" not in step or re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"])
            assert "${{" not in step.get("run", "")


def test_it_looks_for_the_comment_that_the_report_makes(workflow: Any) -> None:
    marker = _step(workflow, "comment", "Comment")["env"]["MARKER"]
    assert marker.replace("${{ inputs.stack || 'prod' }}", "{subject}") == MARKER


@pytest.mark.slow
def test_its_script_checks_a_stack(workflow: Any, stagecraft: Stagecraft, tmp_path: Path) -> None:
    project = write_project(tmp_path / "a project", PROGRAM, {"prod": LABELLED + waived("R2", "S27")})
    tools = tmp_path / "tools"
    tools.mkdir()
    command = tools / "stagecraft"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cli.main "$@"\n')
    command.chmod(0o755)
    reports = tmp_path / "the reports"
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", _step(workflow, "check", "Check")["run"]],
        cwd=project,
        env={
            **os.environ,
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PYTHONPATH": str(CHECKOUT),
            "STAGECRAFT_HOME": str(stagecraft.home),
            "STACK": "prod",
            "BASE": "",
            "REPORTS": str(reports),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "prod is allowed" in ran.stdout
    assert sorted(path.name for path in reports.iterdir()) == [
        "check.json",
        "check.sarif",
        "check.xml",
        "comment.md",
    ]
    assert (reports / "comment.md").read_text().startswith(MARKER.format(subject="prod"))
