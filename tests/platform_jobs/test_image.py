"""The container image: what it installs is what was tested, and nothing of ours but the jobs."""

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^ ;]+)", re.MULTILINE)


def pins(path: str) -> dict[str, str]:
    return {name.lower(): version for name, version in PIN.findall((ROOT / path).read_text())}


def test_the_image_installs_the_versions_that_are_tested():
    image, tested = pins("platform_jobs/requirements.lock"), pins("requirements.lock")
    assert image.items() <= tested.items()
    assert "moto" not in image
    assert "pulumi" not in image
    text = (ROOT / "platform_jobs/requirements.lock").read_text()
    assert text.count("--hash=sha256:") > len(image)
    assert "://" not in text


def test_the_image_installs_the_jobs_extra_and_boto3():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {*project["optional-dependencies"]["jobs"]}
    wanted |= {item for item in project["dependencies"] if item.startswith("boto3")}
    lines = (ROOT / "platform_jobs/requirements.in").read_text().splitlines()
    assert {line for line in lines if line and not line.startswith("#")} == wanted


def test_the_image_for_reports_is_the_same_and_evidently():
    image, larger = pins("platform_jobs/requirements.lock"), pins("platform_jobs/requirements-reports.lock")
    assert image.items() <= larger.items()
    assert "evidently" in larger
    assert larger.items() <= pins("requirements-dev.lock").items()
    assert "evidently" not in {**image, **pins("requirements.lock")}
    assert "://" not in (ROOT / "platform_jobs/requirements-reports.lock").read_text()


def test_jobs_import_nothing_else_of_ours():
    ours = {"cli", "components", "policies", "pricing", "stacks", "tests", "twin"}
    for path in sorted((ROOT / "platform_jobs").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {name.partition(".")[0] for name in names} & ours, path


def test_the_image_is_not_run_by_root_and_is_started_with_a_command():
    lines = (ROOT / "platform_jobs/Dockerfile").read_text().splitlines()
    assert "USER 10001:10001" in lines
    assert 'ENTRYPOINT ["python", "-m", "platform_jobs"]' in lines
    assert any("--require-hashes" in line for line in lines)
