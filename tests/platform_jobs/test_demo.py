"""The demo, with Batch and the endpoint stood in for by their contracts: both run the platform's own code."""

import io
import json
import signal
import tarfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from cli.demo import STEPS, DemoError, Progress, run_demo
from platform_jobs import __main__ as entrypoint
from platform_jobs import artifact, demo_data, registry
from platform_jobs.aws import Clients
from platform_jobs.serve import Predictor
from tests.platform_jobs.conftest import BUCKETS, REGION, World
from tests.platform_jobs.training import GROUP, LINEAGE

POINTERS = "/stagecraft/test/models/screening/"
JOBS = ("quality", "materialise", "train-screening")


class Environment:
    """A deployed environment. Jobs run when they are submitted, models answer with what is live."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.deployed = "none"
        self._monkeypatch = monkeypatch
        self._jobs: dict[str, dict[str, Any]] = {}
        self.session = boto3.Session(region_name=REGION)
        events = self.session.events
        for name, answer in {
            "batch.SubmitJob": self._submit,
            "batch.DescribeJobs": self._describe,
            "batch.DescribeJobDefinitions": self._definitions,
            "cloudwatch-logs.GetLogEvents": self._log,
            "sagemaker.DescribeEndpoint": lambda _: {"EndpointStatus": "InService"},
            "sagemaker-runtime.InvokeEndpoint": self._invoke,
        }.items():
            events.register(f"before-call.{name}", self._handler(answer))

    @staticmethod
    def _handler(answer: Any) -> Any:
        def handle(params: dict[str, Any], **_: Any) -> tuple[Any, dict[str, Any]]:
            body = params["body"]
            told = json.loads(body) if body else {}
            return type("Response", (), {"status_code": 200})(), answer(told)

        return handle

    def _submit(self, told: dict[str, Any]) -> dict[str, Any]:
        job = str(uuid.uuid4())
        name = told["jobDefinition"]
        with self._monkeypatch.context() as patch:
            overrides = {item["name"]: item["value"] for item in told["containerOverrides"]["environment"]}
            for key, value in {**self.world.environ, **overrides, "AWS_BATCH_JOB_ID": job}.items():
                patch.setenv(key, value)
            patch.setenv("AWS_DEFAULT_REGION", REGION)
            log = io.StringIO()
            patch.setattr("sys.stderr", log)
            handler = signal.getsignal(signal.SIGTERM)
            code = entrypoint.main([name.partition("-")[0]])
            signal.signal(signal.SIGTERM, handler)
        self._jobs[job] = {"code": code, "log": log.getvalue()}
        return {"jobId": job}

    def _describe(self, told: dict[str, Any]) -> dict[str, Any]:
        (job,) = told["jobs"]
        status = "FAILED" if self._jobs[job]["code"] else "SUCCEEDED"
        return {"jobs": [{"status": status, "container": {"logStreamName": job}}]}

    def _definitions(self, told: dict[str, Any]) -> dict[str, Any]:
        views = {"name": "STAGECRAFT_MODEL_VIEWS", "value": self.world.environ["STAGECRAFT_MODEL_VIEWS"]}
        return {"jobDefinitions": [{"containerProperties": {"environment": [views]}}]}

    def _log(self, told: dict[str, Any]) -> dict[str, Any]:
        lines = self._jobs[told["logStreamName"]]["log"].splitlines()
        return {"events": [{"message": line} for line in lines]}

    def _invoke(self, told: dict[str, Any]) -> dict[str, Any]:
        package = self.world.clients.sagemaker.describe_model_package(ModelPackageName=self.deployed)
        container = package["InferenceSpecification"]["Containers"][0]
        bucket = self.world.clients.bucket(BUCKETS["artifacts"])
        body = bucket.get(container["ModelDataUrl"].removeprefix(f"s3://{bucket.name}/")) or b""
        folder = self.world.folder / "model"
        with tarfile.open(fileobj=io.BytesIO(body)) as tar:
            tar.extractall(folder, filter="data")
        model = artifact.load(folder, container["Environment"]["STAGECRAFT_MODEL_DIGEST"])
        answer = Predictor(model).invoke(json.dumps(told).encode(), "application/json")
        return {"Body": io.BytesIO(json.dumps(answer).encode())}

    def deploy(self) -> Mapping[str, Any]:
        self.deployed = self.world.clients.ssm.get_parameter(Name=f"{POINTERS}live")["Parameter"]["Value"]
        return self.outputs()

    def outputs(self) -> dict[str, Any]:
        return {
            "buckets": BUCKETS,
            "jobs": {name: name for name in JOBS},
            "jobQueues": dict.fromkeys(JOBS, "queue"),
            "views": {
                demo_data.VIEW: {
                    "table": f"online-{demo_data.VIEW}",
                    "offlineUri": f"s3://{BUCKETS['features']}/{demo_data.VIEW}/",
                    "declarationUri": f"s3://{BUCKETS['features']}/_views/{demo_data.VIEW}.json",
                }
            },
            "models": {
                "screening": {
                    "packageGroup": GROUP,
                    "endpoint": "none" if self.deployed == "none" else "screening",
                    "livePointer": f"{POINTERS}live",
                    "previousPointer": f"{POINTERS}previous",
                }
            },
            "lineageTable": LINEAGE,
        }


@pytest.fixture
def environment(demo: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Environment]:
    """What `up` leaves behind."""
    demo.clients.sagemaker.create_model_package_group(ModelPackageGroupName=GROUP)
    demo.clients.dynamodb.create_table(
        TableName=LINEAGE,
        KeySchema=[{"AttributeName": "model_package_arn", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "model_package_arn", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    demo.environ |= {
        "STAGECRAFT_MODEL": "screening",
        "STAGECRAFT_MODEL_VIEWS": json.dumps([demo_data.VIEW]),
        "STAGECRAFT_MODEL_LABEL": demo_data.LABEL,
        "STAGECRAFT_MODEL_PACKAGE_GROUP": GROUP,
        "STAGECRAFT_LINEAGE_TABLE": LINEAGE,
        "STAGECRAFT_IMAGE_URI": "123456789012.dkr.ecr.us-east-1.amazonaws.com/platform:1",
    }
    return Environment(demo, monkeypatch)


def run(environment: Environment, told: list[Progress], **options: Any) -> Any:
    return run_demo(
        environment.outputs(),
        None,
        REGION,
        told.append,
        environment.deploy,
        session=environment.session,
        **options,
    )


def test_the_demo_goes_from_a_file_to_predictions_twice(environment: Environment):
    told: list[Progress] = []
    report = run(environment, told)
    assert [item.step for item in told if item.done] == [name for name, _ in STEPS]
    assert [item.step for item in told if not item.done] == [name for name, _ in STEPS]
    assert (report.rows_in, report.rows_good, report.rows_quarantined) == (572, 569, 3)
    assert report.metrics["accuracy"] > 0.93
    assert (report.added, report.version_number) == (True, 1)
    assert report.pointers.previous == "none"
    assert len(report.answers) == 10
    assert sum(answer.right for answer in report.answers) >= 9
    assert {answer.truth for answer in report.answers} == {0, 1}

    again = run(environment, told)
    assert (again.added, again.version_number) == (False, 2)
    assert (again.pointers.live, again.pointers.previous) == (again.version, report.version)
    known = registry.lineage(environment.world.clients, LINEAGE, again.version)
    assert known is not None
    assert known["decisions"][0]["status"] == "Approved"


def test_a_refused_data_set_fails_with_the_jobs_words_and_leaves_no_obstacle(environment: Environment):
    with pytest.raises(DemoError) as caught:
        run(environment, [], bad_rows=200)
    assert caught.value.step == "quality"
    assert "200 of 769 rows are bad (26.0%, at most 5.0%)" in str(caught.value)
    assert any('"refused"' in line for line in caught.value.tail)
    assert run(environment, []).rows_good == 569


def test_a_stack_without_the_demos_view_is_told_so(environment: Environment):
    outputs = {**environment.outputs(), "views": {}}
    with pytest.raises(DemoError, match="declares no feature view cell_measurements"):
        run_demo(outputs, None, REGION, lambda _: None, environment.deploy, session=environment.session)


def test_clients_use_the_sessions_own_endpoint(tmp_path: Path):
    class TwinSession(boto3.Session):
        def client(self, *args: Any, **kwargs: Any) -> Any:
            return super().client(*args, **{"endpoint_url": "http://127.0.0.1:1", **kwargs})

    session = TwinSession(region_name=REGION)
    assert Clients(session=session).s3.meta.endpoint_url == "http://127.0.0.1:1"
    assert (
        Clients(session=session, endpoint_url="http://127.0.0.1:2").s3.meta.endpoint_url
        == "http://127.0.0.1:2"
    )
