"""What the README says, done: its commands are run, its examples are loaded."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.cli_driver import CHECKOUT, LABELLED, Stagecraft, write_project

README = (CHECKOUT / "README.md").read_text()

FILES = ("state.json", "report.html")
"""What the README's commands write."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    """The `stagecraft` lines, in order, without their comments."""
    lines = [line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith("stagecraft ")]


@pytest.mark.slow
def test_make_up_and_the_commands_after_it(tmp_path: Path, stagecraft: Stagecraft) -> None:
    environment = {**os.environ, "STAGECRAFT_HOME": str(stagecraft.home)}
    done = subprocess.run(
        ["make", "up"],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "prediction" in done.stdout
    assert "--endpoint-url" in done.stdout
    stagecraft.environment = {"PWD": str(tmp_path)}
    for line in commands():
        # Files go where the test's are; a path may have a space, so only after the split.
        words = line.removeprefix("stagecraft ").split()
        arguments = [str(tmp_path / word) if word in FILES else word for word in words]
        ran = stagecraft.run(*arguments)
        if arguments[0] == "up":
            assert "0 changes" in ran.out
    assert stagecraft.inventory("local") == []
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "screening" in page
    assert "InService" in page


def test_the_stack_example_has_no_problem() -> None:
    from stacks.settings import problems_of

    (example,) = blocks("yaml")
    assert problems_of(yaml.safe_load(example)["config"]) == []


@pytest.mark.slow
def test_the_component_example_deploys(tmp_path: Path, stagecraft: Stagecraft) -> None:
    (example,) = blocks("python")
    stagecraft.project = write_project(tmp_path / "alone", example, {"local": LABELLED})
    up = stagecraft.run("up", "--yes", "--json", code=None)
    assert up.object["problems"] == []
    assert up.object["outputs"]["raw"].startswith("lake-raw-")
