"""The gate as a command: it reads the gateway's metrics, and prints a verdict that can be kept."""

import datetime
import json
from pathlib import Path

import pytest
from moto import mock_aws

from platform_jobs import metrics
from platform_jobs.__main__ import main
from platform_jobs.aws import Clients
from platform_jobs.metrics import Metric

NOW = datetime.datetime.now(datetime.UTC)
BEGAN = NOW - datetime.timedelta(minutes=30)
BEFORE = BEGAN - datetime.timedelta(minutes=10)


def put(clients: Clients, metric: Metric, variant: str, value: float, at: datetime.datetime) -> None:
    dimensions = {"Stack": "test", "Model": "churn", "Variant": variant}
    clients.client("cloudwatch").put_metric_data(
        Namespace=metrics.NAMESPACE,
        MetricData=[
            {
                "MetricName": metric.name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in metric.ordered(dimensions)],
                "Timestamp": at,
                "Value": value,
            }
        ],
    )


def serve(clients: Clients, variant: str, requests: int, errors: int, *, at: datetime.datetime = NOW) -> None:
    put(clients, metrics.VARIANT_REQUESTS, variant, requests, at)
    put(clients, metrics.VARIANT_ERRORS, variant, errors, at)
    put(clients, metrics.VARIANT_SLOW_REQUESTS, variant, requests // 100, at)


@pytest.fixture
def clients(monkeypatch: pytest.MonkeyPatch) -> Clients:
    for name, value in {
        "AWS_DEFAULT_REGION": "us-east-1",
        "STAGECRAFT_STACK": "test",
        "STAGECRAFT_MODEL": "churn",
        "STAGECRAFT_SLO_AVAILABILITY": "99.9",
        "STAGECRAFT_GATE_SINCE": BEGAN.isoformat(),
        "STAGECRAFT_GATE_QUALITY": "if-known",
    }.items():
        monkeypatch.setenv(name, value)
    return Clients(region="us-east-1")


def half_an_hour(clients: Clients, *, canary_errors: int) -> None:
    minutes = [BEGAN + datetime.timedelta(minutes=minute) for minute in (1, 10, 20)]
    serve(clients, "canary", 9_000, 9_000, at=BEFORE)  # before the release: another canary's
    for minute in minutes:
        serve(clients, "live", 60_000, 10, at=minute)
        serve(clients, "canary", 20_000, canary_errors, at=minute)


@mock_aws
def test_a_good_canary_is_promoted_on_the_gateways_metrics(
    clients: Clients, capsys: pytest.CaptureFixture[str]
):
    half_an_hour(clients, canary_errors=3)
    assert main(["gate"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["decision"] == "promote"
    errors = verdict["findings"][0]
    assert (errors["measure"], errors["standing"]) == ("errors", "fine")
    assert (errors["canary"]["bad"], errors["canary"]["of"]) == (9, 60_000)
    assert errors["live"]["of"] == 180_000
    assert errors["burnRate"][0] < 0.15 < errors["burnRate"][1]


@mock_aws
def test_a_bad_one_is_rolled_back_by_errors_or_by_labels(
    clients: Clients, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    half_an_hour(clients, canary_errors=3)
    labels = tmp_path / "labels.json"
    labels.write_text(
        '{"canary": {"labelled": 4000, "wrong": 700}, "live": {"labelled": 9000, "wrong": 900}}'
    )
    assert main(["gate", "--quality", str(labels)]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["decision"] == "roll-back"
    assert "more wrong answers" in verdict["reason"]
    serve(clients, "canary", 20_000, 300)
    main(["gate"])
    assert "more errors" in json.loads(capsys.readouterr().out)["reason"]


@mock_aws
def test_it_waits_where_labels_are_required(
    clients: Clients, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("STAGECRAFT_GATE_QUALITY")
    half_an_hour(clients, canary_errors=3)
    main(["gate"])
    assert json.loads(capsys.readouterr().out)["decision"] == "wait"


def test_wrong_settings_and_labels_are_told(
    clients: Clients, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    for labels, told in (
        ("{", "is not JSON"),
        ("[]", "must be"),
        ('{"canary": {"labelled": 1, "wrong": 2}}', "canary needs whole numbers"),
    ):
        path = tmp_path / "labels.json"
        path.write_text(labels)
        assert main(["gate", "--quality", str(path)]) == 2
        assert told in capsys.readouterr().err
    monkeypatch.setenv("STAGECRAFT_SLO_AVAILABILITY", "0.999")
    monkeypatch.setenv("STAGECRAFT_GATE_SINCE", "yesterday")
    monkeypatch.setenv("STAGECRAFT_GATE_ERROR_RATE", "1")
    assert main(["gate"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 3
