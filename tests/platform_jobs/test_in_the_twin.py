"""The demo in the twin's cloud: Batch runs processes, the endpoint is served, nothing stands in."""

import datetime
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from cli.demo import DemoError, Deployed, Progress, run_demo
from platform_jobs import demo_data, prediction_log, registry
from platform_jobs.aws import Clients
from platform_jobs.metrics import NAMESPACE
from platform_jobs.prediction_log import Record
from platform_jobs.release import PointerNames, Pointers, read
from platform_jobs.retire import retire
from tests.platform_jobs.conftest import BUCKETS, REGION
from twin.aws.cloud.client import ensure_cloud, process_environment, session, stop_cloud

pytestmark = pytest.mark.slow

GROUP = LINEAGE = "screening"
POINTERS = PointerNames(
    "/stagecraft/test/models/screening/live", "/stagecraft/test/models/screening/previous"
)
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/platform:1"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


@dataclass
class Twin:
    """What the components would make, made by hand; `deploy` is what the program would do about `live`."""

    endpoint: str
    aws: boto3.Session
    environ: dict[str, str]
    outputs: dict[str, Any]
    role: str
    deployments: int = 0
    told: list[Progress] = field(default_factory=list)

    def deploy(self) -> Deployed:
        self.deployments += 1
        sagemaker, number = self.aws.client("sagemaker"), self.deployments
        live = read(Clients(session=self.aws), POINTERS).live
        sagemaker.create_model(
            ModelName=f"model-{number}",
            ExecutionRoleArn=self.role,
            PrimaryContainer={"ModelPackageName": live},
        )
        sagemaker.create_endpoint_config(
            EndpointConfigName=f"config-{number}",
            ProductionVariants=[
                {
                    "VariantName": "live",
                    "ModelName": f"model-{number}",
                    "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5},
                }
            ],
        )
        bring = sagemaker.create_endpoint if number == 1 else sagemaker.update_endpoint
        bring(EndpointName="screening", EndpointConfigName=f"config-{number}")
        self.outputs["models"]["screening"]["endpoint"] = "screening"
        return Deployed(self.outputs, {})

    def process(self, *arguments: str, **environ: str) -> tuple[list[str], dict[str, str]]:
        """A command line of the platform's, and its environment."""
        base = {"PYTHONPATH": str(Path(__file__).parents[2]), **self.environ}
        twin = process_environment(self.endpoint, REGION, base)
        return [sys.executable, "-m", "platform_jobs", *arguments], {**twin, **environ}

    def command(self, *arguments: str, **environ: str) -> list[Any]:
        """Runs a command; the JSON lines of its answer."""
        line, environment = self.process(*arguments, **environ)
        ended = subprocess.run(line, env=environment, check=True, capture_output=True, text=True)
        return [json.loads(text) for text in ended.stdout.splitlines()]

    def batch(self, command: str, **environ: str) -> None:
        """Runs a command as a Batch job, to its good end."""
        batch = self.aws.client("batch")
        variables = [{"name": name, "value": value} for name, value in environ.items()]
        job = batch.submit_job(
            jobName=command,
            jobQueue=self.outputs["jobQueues"]["quality"],
            jobDefinition=self.outputs["jobs"]["quality"],
            containerOverrides={"command": [command], "environment": variables},
        )["jobId"]
        deadline = time.monotonic() + 120
        while (found := batch.describe_jobs(jobs=[job])["jobs"][0])["status"] != "SUCCEEDED":
            assert found["status"] != "FAILED", found
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def artifacts(self, prefix: str) -> list[str]:
        """Keys of the artifacts bucket."""
        return [item.key for item in Clients(session=self.aws).bucket(BUCKETS["artifacts"]).list(prefix)]

    def demo(self, **options: Any) -> Any:
        return run_demo(
            self.outputs, None, REGION, self.told.append, self.deploy, session=self.aws, **options
        )


def make(endpoint: str) -> Twin:
    aws = session(endpoint, REGION)
    s3, dynamodb = aws.client("s3"), aws.client("dynamodb")
    for name in BUCKETS.values():
        s3.create_bucket(Bucket=name)
    declared = f"_views/{demo_data.VIEW}.json"
    s3.put_object(Bucket=BUCKETS["features"], Key=declared, Body=json.dumps(demo_data.declaration()).encode())
    for table, key in (("online", "entity_id"), (LINEAGE, "model_package_arn")):
        dynamodb.create_table(
            TableName=table,
            KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
    aws.client("sagemaker").create_model_package_group(ModelPackageGroupName=GROUP)
    iam = aws.client("iam")
    role = iam.create_role(RoleName="serving", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    environ = {
        "STAGECRAFT_STACK": "test",
        **{f"STAGECRAFT_{zone.upper()}_BUCKET": name for zone, name in BUCKETS.items()},
        "STAGECRAFT_VIEWS_PREFIX": f"s3://{BUCKETS['features']}/_views/",
        "STAGECRAFT_ONLINE_TABLES": json.dumps({demo_data.VIEW: "online"}),
        "STAGECRAFT_MODEL": "screening",
        "STAGECRAFT_MODEL_VIEWS": json.dumps([demo_data.VIEW]),
        "STAGECRAFT_MODEL_LABEL": demo_data.LABEL,
        "STAGECRAFT_MODEL_TASK": "binary",
        "STAGECRAFT_MODEL_PACKAGE_GROUP": GROUP,
        "STAGECRAFT_LINEAGE_TABLE": LINEAGE,
        "STAGECRAFT_IMAGE_URI": IMAGE,
        "STAGECRAFT_CHECKPOINT_URI": f"s3://{BUCKETS['artifacts']}/checkpoints/train-screening/",
    }
    jobs, queue = make_jobs(aws, environ)
    outputs = {
        "buckets": BUCKETS,
        "jobs": jobs,
        "jobQueues": dict.fromkeys(jobs, queue),
        "views": {
            demo_data.VIEW: {
                "table": "online",
                "offlineUri": f"s3://{BUCKETS['features']}/{demo_data.VIEW}/",
                "declarationUri": f"s3://{BUCKETS['features']}/{declared}",
            }
        },
        "models": {
            "screening": {
                "packageGroup": GROUP,
                "endpoint": "none",
                "livePointer": POINTERS.live,
                "previousPointer": POINTERS.previous,
            }
        },
        "lineageTable": LINEAGE,
    }
    return Twin(endpoint, aws, environ, outputs, role)


def make_jobs(aws: boto3.Session, environ: Mapping[str, str]) -> tuple[dict[str, str], str]:
    ec2, batch = aws.client("ec2"), aws.client("batch")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="jobs", Description="jobs", VpcId=vpc)["GroupId"]
    profile = aws.client("iam").create_instance_profile(InstanceProfileName="jobs")["InstanceProfile"]["Arn"]
    pool = batch.create_compute_environment(
        computeEnvironmentName="pool",
        type="MANAGED",
        state="ENABLED",
        computeResources={
            "type": "SPOT",
            "allocationStrategy": "SPOT_CAPACITY_OPTIMIZED",
            "minvCpus": 0,
            "maxvCpus": 8,
            "instanceTypes": ["m6i.large"],
            "subnets": [subnet],
            "securityGroupIds": [group],
            "instanceRole": profile,
        },
    )["computeEnvironmentArn"]
    deadline = time.monotonic() + 30
    while batch.describe_compute_environments()["computeEnvironments"][0]["status"] != "VALID":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    queue = batch.create_job_queue(
        jobQueueName="jobs",
        state="ENABLED",
        priority=1,
        computeEnvironmentOrder=[{"order": 1, "computeEnvironment": pool}],
    )["jobQueueArn"]
    variables = [{"name": name, "value": value} for name, value in sorted(environ.items())]
    jobs = {
        name: batch.register_job_definition(
            jobDefinitionName=name,
            type="container",
            containerProperties={
                "image": IMAGE,
                "command": [name.partition("-")[0]],
                "environment": variables,
                "resourceRequirements": [
                    {"type": "VCPU", "value": "1"},
                    {"type": "MEMORY", "value": "2048"},
                ],
            },
        )["jobDefinitionArn"]
        for name in ("quality", "materialise", "train-screening")
    }
    return jobs, queue


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[Twin]:
    """A cloud of this test's own, in a folder with a space in its name."""
    folder = tmp_path / "a cloud"
    cloud = ensure_cloud(folder)
    try:
        yield make(cloud.endpoint)
    finally:
        stop_cloud(folder)


def test_the_demo_runs_for_real_twice_and_is_undone(twin: Twin):
    first = twin.demo()
    assert (first.rows_good, first.rows_quarantined) == (569, 3)
    assert first.metrics["accuracy"] > 0.93
    assert sum(answer.right for answer in first.answers) >= 9
    second = twin.demo()
    assert (second.added, second.version_number) == (False, 2)
    assert second.pointers == Pointers(second.version, first.version)
    (asked,) = twin.command("predict", "sample_id=s0001", STAGECRAFT_ENDPOINT="screening")
    assert (asked["prediction"], asked["probability"] > 0.9) == (1, True)
    listed = twin.command("review", "list")
    assert [(item["version"], item["status"]) for item in listed] == [(2, "Approved"), (1, "Approved")]
    (shown,) = twin.command("review", "show")
    assert (shown["model_package_arn"], shown["decisions"][0]["status"]) == (second.version, "Approved")
    pointing = {"STAGECRAFT_POINTER_PREFIX": POINTERS.live.removesuffix("screening/live")}
    (back,) = twin.command("release", "--rollback", **pointing)
    assert back == {"live": first.version, "previous": second.version}
    (forth,) = twin.command("release", **pointing)
    assert forth == {"live": second.version, "previous": first.version}

    with pytest.raises(
        DemoError, match=r"200 of 769 rows are bad .* taken its file out of raw again"
    ) as caught:
        twin.demo(bad_rows=200)
    assert any('"gate"' in line for line in caught.value.tail)

    clients = Clients(session=twin.aws)
    assert retire(clients, GROUP, POINTERS) == [second.version, first.version]
    assert read(clients, POINTERS) == Pointers("none", "none")
    assert registry.versions(clients.sagemaker, GROUP) == []
    clients.sagemaker.delete_model_package_group(ModelPackageGroupName=GROUP)


def test_a_reclaimed_machine_costs_no_result(twin: Twin):
    report = twin.demo()
    clients = Clients(session=twin.aws)
    whole = registry.describe(clients, report.version).properties["artifact_sha256"]
    command, environ = twin.process("train", AWS_BATCH_JOB_ID="reclaimed")
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if json.loads(line)["event"] == "started":
                process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
    artifacts = clients.bucket(BUCKETS["artifacts"])
    assert len(list(artifacts.list("checkpoints/"))) == 1
    again = subprocess.run(command, env=environ, check=True, stderr=subprocess.PIPE, text=True)
    events = [json.loads(line)["event"] for line in again.stderr.splitlines()]
    assert [event for event in events if event != "step"] == [
        "started",
        "resumed",
        "fitting",
        "registered",
    ]
    arn = registry.latest(clients, GROUP)
    assert arn is not None
    assert registry.describe(clients, arn).properties["artifact_sha256"] == whole
    assert list(artifacts.list("checkpoints/")) == []


def answered(twin: Twin, rows: list[dict[str, Any]]) -> list[Record]:
    """Real answers of the endpoint, logged as a gateway logs them."""
    names = demo_data.columns()
    answer = twin.aws.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="screening",
        ContentType="application/json",
        Body=json.dumps({"instances": [{name: row[name] for name in names} for row in rows]}),
    )
    body = json.loads(answer["Body"].read())
    now = datetime.datetime.now(datetime.UTC)
    records = [
        Record(
            id=f"asked/{number}",
            at=now - datetime.timedelta(minutes=1),
            model="screening",
            variant=prediction_log.LIVE,
            version=body["model_version"],
            entity={demo_data.KEY: row[demo_data.KEY]},
            features={name: row[name] for name in names},
            prediction=item["prediction"],
            probability=item["probability"],
        )
        for number, (row, item) in enumerate(zip(rows, body["predictions"], strict=True))
    ]
    prediction_log.write(Clients(session=twin.aws).bucket(BUCKETS["artifacts"]), records, now.isoformat())
    return records


def newest(twin: Twin, name: str, **dimensions: str) -> float:
    """A metric as the twin's CloudWatch has it."""
    now = datetime.datetime.now(datetime.UTC)
    points = twin.aws.client("cloudwatch").get_metric_statistics(
        Namespace=NAMESPACE,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in {"Stack": "test", **dimensions}.items()],
        StartTime=now - datetime.timedelta(hours=1),
        EndTime=now + datetime.timedelta(hours=1),
        Period=3600,
        Statistics=["Maximum"],
    )["Datapoints"]
    return max(point["Maximum"] for point in points)


def test_a_live_model_is_watched(twin: Twin, tmp_path: Path):
    twin.demo()
    samples = demo_data.samples()
    records = answered(twin, samples[::3])
    told = tmp_path / "labels.jsonl"
    labels = [
        {
            "at": records[0].at.isoformat(),
            "kind": "label",
            "prediction": record.id,
            "label": row[demo_data.LABEL],
        }
        for record, row in zip(records, samples[::3], strict=True)
    ]
    told.write_text("".join(json.dumps(item) + "\n" for item in labels))
    assert twin.command("feedback", str(told))[0]["outcomes"] == len(records)

    watching = {
        "STAGECRAFT_POINTER_PREFIX": POINTERS.live.removesuffix("screening/live"),
        "STAGECRAFT_VIEW": demo_data.VIEW,
    }
    twin.batch("watch", **watching)
    assert newest(twin, "CapturedPredictions", Model="screening") == len(records)
    assert newest(twin, "FeatureDriftMax", Model="screening") < 0.2
    assert newest(twin, "ModelQuality", Model="screening", Measure="accuracy") > 0.93
    assert newest(twin, "LabelledPredictions", Model="screening") == len(records)
    twin.batch("silent-failures", **watching)
    assert newest(twin, "RowCount", FeatureView=demo_data.VIEW) > 0

    moved = [{**row, "mean_radius": row["mean_radius"] + 3.5} for row in samples[1::3]]
    answered(twin, moved)
    twin.batch("drift", **watching, STAGECRAFT_WINDOW_HOURS="1")
    assert newest(twin, "FeatureDrift", Model="screening", Feature="mean_radius") > 0.2
    kinds = {key.split("/")[2] for key in twin.artifacts("monitoring/screening/")}
    assert kinds == {"accuracy", "drift", "feedback-volume", "kpis"}
