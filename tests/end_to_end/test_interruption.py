"""`up` killed at any point, run again, ends where an uninterrupted `up` ends: no duplicate, no orphan."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli_driver import LABELLED, Stagecraft, waived, write_project

KILLS = int(os.environ.get("STAGECRAFT_KILLS", "0"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not KILLS, reason="takes a quarter of an hour: set STAGECRAFT_KILLS=20 to run it"),
]
CONFIG = LABELLED + waived("C11", "C12", "S1", "S2", "S3", "S27", "S29")
PROGRAM = """
import pulumi
import pulumi_aws as aws

network = aws.ec2.Vpc("network", cidr_block="10.0.0.0/16")
zones = ["us-east-1a", "us-east-1b"]
subnets = [
    aws.ec2.Subnet(f"subnet-{i}", vpc_id=network.id, cidr_block=f"10.0.{i}.0/24", availability_zone=zone)
    for i, zone in enumerate(zones)
]
group = aws.ec2.SecurityGroup("group", vpc_id=network.id, description="trial")
key = aws.kms.Key("key", description="trial", enable_key_rotation=True)
bucket = aws.s3.Bucket("bucket", force_destroy=True)
aws.s3.BucketVersioning("versioning", bucket=bucket.id, versioning_configuration={"status": "Enabled"})
dead = aws.sqs.Queue("dead")
redrive = dead.arn.apply(lambda arn: '{"deadLetterTargetArn":"%s","maxReceiveCount":3}' % arn)
aws.sqs.Queue("queue", redrive_policy=redrive)
table = aws.dynamodb.Table(
    "table", billing_mode="PAY_PER_REQUEST", hash_key="id", attributes=[{"name": "id", "type": "S"}]
)
topic = aws.sns.Topic("topic", kms_master_key_id=key.id)
for i in range(8):
    aws.ssm.Parameter(f"parameter-{i}", type="String", value=topic.arn)
pulumi.export("bucket", bucket.bucket)
"""


def _shape(document: dict[str, Any]) -> list[tuple[str, str, Any]]:
    """What a state says, without what differs between any two runs: times, and ids that AWS draws."""
    resources = document["deployment"]["resources"]
    return sorted((each["urn"], each.get("parent", ""), sorted(each.get("inputs", {}))) for each in resources)


def _counts(inventory: list[dict[str, Any]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for each in inventory:
        counts[each["type"]] = counts.get(each["type"], 0) + 1
    return counts


def test_killed_at_twenty_points_it_reaches_the_same_state(tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", PROGRAM, {"local": CONFIG})
    whole = Stagecraft(tmp_path / "whole", project)
    try:
        started = time.monotonic()
        whole.run("up", "--yes", "--json")
        seconds = time.monotonic() - started
        wanted, wanted_counts = _shape(whole.state("local")), _counts(whole.inventory("local"))
    finally:
        whole.close()

    interrupted = 0
    for kill in range(KILLS):
        driver = Stagecraft(tmp_path / f"killed-{kill}", project)
        try:
            process = driver.start("up", "--yes", "--json")
            try:
                # From early in the deployment to its very end.
                process.communicate(timeout=seconds * (0.35 + 0.65 * kill / (KILLS - 1)))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                interrupted += 1
            again = driver.run("up", "--yes", "--json").object
            assert again["ok"], again["problems"]
            assert _shape(driver.state("local")) == wanted, f"kill {kill}"
            assert _counts(driver.inventory("local")) == wanted_counts, f"kill {kill}"
            assert "pending_operations" not in driver.state("local")["deployment"]
        finally:
            driver.close()
    assert interrupted >= KILLS // 2, (
        "most runs were over before they were killed: the test proves too little"
    )
