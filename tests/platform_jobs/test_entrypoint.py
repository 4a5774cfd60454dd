import json
import os
import subprocess
import sys

import pytest

from platform_jobs.__main__ import COMMANDS


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    known = {key: value for key, value in os.environ.items() if not key.startswith(("STAGECRAFT_", "AWS_"))}
    command = [sys.executable, "-m", "platform_jobs", *arguments]
    return subprocess.run(
        command, check=False, env={**known, **environ}, capture_output=True, text=True, timeout=120
    )


def test_help_names_every_command():
    shown = run("--help")
    assert shown.returncode == 0
    assert all(name in shown.stdout for name in COMMANDS)
    assert run().returncode == 2
    unknown = run("dance")
    assert unknown.returncode == 2
    assert "there is no command 'dance'" in unknown.stderr


MISSING = {
    "quality": 4,
    "materialise": 5,
    "train": 8,
    "serve": 1,
    "drift": 4,
    "bias": 8,
    "watch": 7,
    "silent-failures": 6,
}


@pytest.mark.parametrize("command", MISSING)
def test_missing_settings_are_all_named_at_once(command: str):
    ended = run(command)
    assert ended.returncode == 2
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert all(line["event"] == "bad-settings" for line in lines)
    assert len(lines) == MISSING[command]


def test_a_failure_is_one_line_with_its_cause():
    ended = run(
        "quality",
        STAGECRAFT_STACK="test",
        STAGECRAFT_RAW_BUCKET="raw",
        STAGECRAFT_CURATED_BUCKET="curated",
        STAGECRAFT_VIEWS_PREFIX="s3://features/_views/",
        STAGECRAFT_VIEW="x",
        AWS_ENDPOINT_URL="http://127.0.0.1:9",
        AWS_REGION="us-east-1",
        AWS_ACCESS_KEY_ID="known",
        AWS_SECRET_ACCESS_KEY="hush-hush",
        AWS_MAX_ATTEMPTS="1",
        AWS_BATCH_JOB_ID="job-7",
    )
    assert ended.returncode == 1
    (line,) = [json.loads(text) for text in ended.stderr.splitlines()]
    assert (line["stack"], line["run"], line["event"]) == ("test", "job-7", "failed")
    assert "Could not connect to the endpoint" in line["cause"]
    assert "hush-hush" not in ended.stderr


def test_demo_data_goes_to_stdout():
    shown = run("demo-data", "--anchor", "2026-03-01", "--bad-rows", "7")
    assert shown.returncode == 0
    lines = shown.stdout.splitlines()
    assert len(lines) == 1 + 569 + 7
    assert lines[0].startswith("sample_id,measured_at,mean_radius,")
    assert run("demo-data", "--anchor", "2026-03-01", "--bad-rows", "7").stdout == shown.stdout
