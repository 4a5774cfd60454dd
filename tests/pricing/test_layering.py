"""`pricing` is the lowest layer: it imports nothing of ours, and AWS's SDK only to refresh."""

import ast
import subprocess
import sys
from pathlib import Path

import pricing

ROOT = Path(pricing.__file__).parent
OURS = {"cli", "components", "platform_jobs", "policies", "stacks", "twin"}


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_only_the_standard_library_and_for_refresh_aws_s_sdk() -> None:
    for path in ROOT.rglob("*.py"):
        foreign = imported(path) - set(sys.stdlib_module_names) - {"pricing"}
        allowed = {"boto3", "botocore"} if path.name == "refresh.py" else set()
        assert foreign <= allowed, path
        assert not foreign & OURS


def test_an_estimate_loads_no_sdk() -> None:
    code = (
        "import sys, pricing; pricing.estimate([], region='us-east-1');"
        "print(sorted(name for name in sys.modules if name.startswith(('boto', 'pulumi'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )
    assert done.stdout.strip() == "[]"
