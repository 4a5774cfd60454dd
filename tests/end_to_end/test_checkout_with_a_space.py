"""Everything works from a checkout whose path has a space in it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli_driver import CHECKOUT, Stagecraft

pytestmark = pytest.mark.slow


def test_the_local_stack_comes_up_and_goes_down(tmp_path: Path, stagecraft: Stagecraft) -> None:
    copy = tmp_path / "a checkout with spaces"
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, listed.split("\0")):
        if not name.startswith("tests/") and (CHECKOUT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, copy / name)
    stagecraft.project = stagecraft.checkout = copy
    up = stagecraft.run("up", "--yes", "--json").object
    assert up["ok"], up["problems"]
    assert up["changes"]["create"] > 100
    again = stagecraft.run("up", "--yes", "--json").object
    assert again["changes"] == {**again["changes"], "create": 0, "update": 0, "replace": 0, "delete": 0}
    assert stagecraft.run("destroy", "--yes", "--json").object["ok"]
    assert stagecraft.inventory("local") == []
