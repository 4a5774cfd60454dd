"""The cloud comes back as it was: after a clean end, after SIGKILL, and not at all from damaged files."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.twin.aws.cloud.conftest import Cloud, wait_for
from twin.aws.cloud.client import CloudError, copy_cloud, ensure_cloud, running_cloud, save_cloud, stop_cloud

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "batch.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


def fill(cloud: Cloud) -> bytes:
    """Makes some of everything; returns a ciphertext of one of the keys."""
    kms, s3, ec2, iam = (cloud.client(name) for name in ("kms", "s3", "ec2", "iam"))
    key = kms.create_key(Description="data")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/data", TargetKeyId=key)
    kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    ciphertext: bytes = kms.encrypt(KeyId=key, Plaintext=b"secret")["CiphertextBlob"]
    s3.create_bucket(Bucket="lake")
    s3.put_bucket_versioning(Bucket="lake", VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket="lake", Key="a/b c.txt", Body=b"one", Metadata={"my_key": "v"})
    s3.put_object(Bucket="lake", Key="a/b c.txt", Body=bytes(range(256)) * 1000)
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")
    role = iam.create_role(RoleName="runs", AssumeRolePolicyDocument=TRUST)["Role"]
    iam.attach_role_policy(RoleName="runs", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess")
    table = cloud.client("dynamodb")
    table.create_table(
        TableName="online",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    table.put_item(TableName="online", Item={"id": {"S": "1"}, "n": {"N": "2.5"}})
    sagemaker = cloud.client("sagemaker")
    sagemaker.create_model_package_group(
        ModelPackageGroupName="churn", Tags=[{"Key": "owner", "Value": "me"}]
    )
    sagemaker.create_model_package(ModelPackageGroupName="churn", ModelApprovalStatus="Approved")
    cloud.client("ssm").put_parameter(Name="/live", Value="none", Type="String")
    cloud.client("secretsmanager").create_secret(Name="token", SecretString="x")
    cloud.client("sqs").create_queue(QueueName="events")
    cloud.client("sns").create_topic(Name="alerts")
    cloud.client("glue").create_database(DatabaseInput={"Name": "features"})
    cloud.client("events").put_rule(Name="nightly", ScheduleExpression="rate(1 day)")
    cloud.client("logs").create_log_group(logGroupName="/a")
    cloud.client("ecr").create_repository(repositoryName="platform")
    cloud.client("stepfunctions").create_state_machine(
        name="loop",
        roleArn=role["Arn"],
        definition=json.dumps({"StartAt": "P", "States": {"P": {"Type": "Pass", "End": True}}}),
    )
    return ciphertext


def seen(cloud: Cloud, ciphertext: bytes) -> dict[str, Any]:
    """What the APIs say of it all, ids and times included."""
    kms, s3, ec2, iam = (cloud.client(name) for name in ("kms", "s3", "ec2", "iam"))
    sagemaker = cloud.client("sagemaker")
    (group,) = sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"]
    (package,) = sagemaker.list_model_packages(ModelPackageGroupName="churn")["ModelPackageSummaryList"]
    return {
        "inventory": cloud.inventory(),
        "plaintext": kms.decrypt(CiphertextBlob=ciphertext)["Plaintext"],
        "keys": [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"]],
        "public": [
            kms.get_public_key(KeyId=key["KeyId"])["PublicKey"]
            for key in kms.list_keys()["Keys"]
            if kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyUsage"] == "SIGN_VERIFY"
        ],
        "versions": s3.list_object_versions(Bucket="lake")["Versions"],
        "body": s3.get_object(Bucket="lake", Key="a/b c.txt")["Body"].read(),
        "buckets": s3.list_buckets()["Buckets"],
        "vpcs": ec2.describe_vpcs()["Vpcs"],
        "subnets": ec2.describe_subnets()["Subnets"],
        "groups": ec2.describe_security_groups()["SecurityGroups"],
        "role": iam.get_role(RoleName="runs")["Role"],
        "attached": iam.list_attached_role_policies(RoleName="runs")["AttachedPolicies"],
        "items": cloud.client("dynamodb").scan(TableName="online")["Items"],
        "table": cloud.client("dynamodb").describe_table(TableName="online")["Table"],
        "group": group,
        "package": package,
        "tags": sagemaker.list_tags(ResourceArn=group["ModelPackageGroupArn"])["Tags"],
        "parameter": cloud.client("ssm").get_parameter(Name="/live")["Parameter"],
        "secret": _bare(cloud.client("secretsmanager").get_secret_value(SecretId="token")),
        "database": cloud.client("glue").get_database(Name="features")["Database"],
        "machines": cloud.client("stepfunctions").list_state_machines()["stateMachines"],
        "repositories": cloud.client("ecr").describe_repositories()["repositories"],
    }


def _bare(answer: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def kill(cloud: Cloud) -> None:
    handle = running_cloud(cloud.directory)
    assert handle is not None
    os.kill(handle.pid, signal.SIGKILL)
    wait_for(lambda: running_cloud(cloud.directory), None)


def assert_same(before: dict[str, Any], after: dict[str, Any]) -> None:
    for name, value in before.items():
        assert after[name] == value, name


@pytest.mark.slow
def test_everything_is_the_same_after_a_clean_end(cloud: Cloud) -> None:
    ciphertext = fill(cloud)
    before = seen(cloud, ciphertext)
    assert stop_cloud(cloud.directory)
    assert running_cloud(cloud.directory) is None
    assert_same(before, seen(cloud, ciphertext))


@pytest.mark.slow
def test_everything_is_the_same_after_sigkill(cloud: Cloud) -> None:
    ciphertext = fill(cloud)
    before = seen(cloud, ciphertext)
    kill(cloud)
    assert_same(before, seen(cloud, ciphertext))
    cloud.client("sqs").create_queue(QueueName="later")
    before = seen(cloud, ciphertext)
    kill(cloud)
    assert_same(before, seen(cloud, ciphertext))


@pytest.mark.slow
def test_what_came_after_a_save_survives_sigkill(cloud: Cloud) -> None:
    ciphertext = fill(cloud)
    save_cloud(cloud.endpoint)
    cloud.client("ec2").create_vpc(CidrBlock="10.9.0.0/16")
    before = seen(cloud, ciphertext)
    kill(cloud)
    assert_same(before, seen(cloud, ciphertext))


def test_a_read_that_makes_something_is_remembered(cloud: Cloud) -> None:
    # Looking at an AWS-managed alias makes the key behind it.
    key = cloud.client("kms").describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["Arn"]
    kill(cloud)
    assert cloud.client("kms").describe_key(KeyId="alias/aws/s3")["KeyMetadata"]["Arn"] == key


@pytest.mark.slow
def test_two_clouds_give_the_same_ids_and_share_nothing(new_cloud: Callable[..., Cloud]) -> None:
    one, two = new_cloud("one"), new_cloud("two")
    vpcs = [each.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"] for each in (one, two)]
    assert vpcs[0] == vpcs[1]
    one.client("s3").create_bucket(Bucket="only-here")
    assert two.client("s3").list_buckets()["Buckets"] == []
    assert one.endpoint != two.endpoint


@pytest.mark.slow
def test_a_repeated_creation_is_answered_as_the_first_time(cloud: Cloud) -> None:
    ec2 = cloud.client("ec2")
    mark = {"X-Stagecraft-Idempotency": "scope.token.1"}
    add = lambda params, **_: params["headers"].update(mark)  # noqa: E731
    ec2.meta.events.register("before-call", add)
    first = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    assert ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"] == first
    kill(cloud)
    ec2 = cloud.client("ec2")
    ec2.meta.events.register("before-call", add)
    assert ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"] == first
    mark["X-Stagecraft-Idempotency"] = "scope.other.1"
    assert ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"] != first
    mark.clear()
    mark["X-Stagecraft-Idempotency-Forget"] = "scope"
    ec2.describe_vpcs()
    mark.clear()
    mark["X-Stagecraft-Idempotency"] = "scope.other.1"
    assert len({ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"], first}) == 2
    mark.clear()
    assert len(ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])["Vpcs"]) == 3


@pytest.mark.parametrize("damage", ["truncate", "flip", "nonsense", "version"])
def test_a_damaged_snapshot_is_refused_and_left_alone(cloud: Cloud, damage: str) -> None:
    for name in ("one", "two"):  # the second save leaves the first as the backup
        cloud.client("sqs").create_queue(QueueName=name)
        stop_cloud(cloud.directory)
    snapshot = cloud.directory / "state.snapshot"
    data = snapshot.read_bytes()
    damaged = {
        "truncate": data[:-10],
        "flip": data[:-10] + bytes([data[-10] ^ 1]) + data[-9:],
        "nonsense": b"\x00\xff" * 100,
        "version": data.replace(b'"format": 1', b'"format": 9', 1),
    }[damage]
    snapshot.write_bytes(damaged)
    with pytest.raises(CloudError) as refused:
        ensure_cloud(cloud.directory)
    text = str(refused.value)
    assert str(snapshot) in text
    assert str(cloud.directory / "state.backup") in text
    assert "Traceback" not in text
    assert snapshot.read_bytes() == damaged
    (cloud.directory / "state.backup").replace(snapshot)
    (cloud.directory / "journal").unlink()
    assert [each["id"] for each in cloud.inventory()] == ["one"]


def test_a_torn_last_record_is_cut_off_and_a_damaged_one_refused(cloud: Cloud) -> None:
    for name in ("one", "two"):
        cloud.client("sqs").create_queue(QueueName=name)
    kill(cloud)
    journal = cloud.directory / "journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-7])
    assert [each["id"] for each in cloud.inventory()] == ["one"]
    kill(cloud)
    journal.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    with pytest.raises(CloudError, match="fails its checksum"):
        ensure_cloud(cloud.directory)


def test_a_copy_holds_the_same_and_lives_its_own_life(new_cloud: Callable[..., Cloud]) -> None:
    cloud, copy = new_cloud("original"), new_cloud("copy")
    with pytest.raises(CloudError, match="no cloud runs in"):
        copy_cloud(cloud.directory, copy.directory)
    cloud.client("s3").create_bucket(Bucket="kept")
    copy_cloud(cloud.directory, copy.directory)
    assert copy.inventory() == cloud.inventory()
    copy.client("s3").create_bucket(Bucket="another")
    assert [each["id"] for each in cloud.inventory()] == ["kept"]
    assert len(copy.inventory()) == 2


def test_saved_state_is_private(cloud: Cloud) -> None:
    cloud.client("ssm").put_parameter(Name="/secret", Value="x", Type="SecureString")
    assert (cloud.directory / "journal").stat().st_mode & 0o077 == 0
    stop_cloud(cloud.directory)
    assert (cloud.directory / "state.snapshot").stat().st_mode & 0o077 == 0
    assert cloud.directory.stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_a_cloud_of_some_hundred_resources_starts_quickly(cloud: Cloud) -> None:
    ssm, sqs = cloud.client("ssm"), cloud.client("sqs")
    for number in range(150):
        ssm.put_parameter(Name=f"/many/{number}", Value="x", Type="String")
        sqs.create_queue(QueueName=f"many-{number}")
    stop_cloud(cloud.directory)
    begin = time.monotonic()
    ensure_cloud(cloud.directory)
    # The aim is 2 s on an idle machine; the tests may share theirs.
    assert time.monotonic() - begin < 10
    assert len(cloud.inventory()) == 300


def test_no_temporary_files_stay_behind(cloud: Cloud) -> None:
    cloud.client("sqs").create_queue(QueueName="one")
    stop_cloud(cloud.directory)
    left = {path.name for path in Path(cloud.directory).iterdir()}
    assert left == {"cloud.log", "journal", "life.lock", "start.lock", "state.snapshot"}
