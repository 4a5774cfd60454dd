"""The archive that functions run from."""

import subprocess
import sys
from pathlib import Path

import pytest

from stacks.code import PACKAGE, function_code

HANDLERS = ("platform_jobs.events", "platform_jobs.loop.steps", "platform_jobs.reaper")
RUNTIME = {"boto3", "botocore", "dateutil", "jmespath", "platform_jobs", "s3transfer", "six", "urllib3"}
"""What Lambda's Python has, beside the standard library."""


def test_the_archive_holds_the_package_and_nothing_a_run_leaves_behind() -> None:
    names = list(function_code().assets)
    assert names == sorted(names)
    assert "platform_jobs/loop/steps.py" in names
    assert all(name.startswith("platform_jobs/") and name.endswith(".py") for name in names)
    assert len(names) == len(list(PACKAGE.rglob("*.py")))


@pytest.mark.parametrize("handler", HANDLERS)
def test_functions_import_what_lambdas_runtime_has(handler: str) -> None:
    program = f"import {handler}, sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    ran = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[1:1] = {sys.path[1:]!r}; {program}"],
        cwd=Path(PACKAGE).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    imported = set(ran.stdout.split()) - set(sys.stdlib_module_names)
    foreign = {name for name in imported if not name.startswith("_")} - RUNTIME
    assert not foreign & {"numpy", "pandas", "pandera", "pyarrow", "pydantic", "scipy", "sklearn"}, foreign
