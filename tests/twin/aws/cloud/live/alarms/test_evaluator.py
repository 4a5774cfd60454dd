"""Alarms in a running cloud: they see what is put, tell their topics, and remember over a restart."""

import datetime
import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.twin.aws.cloud.conftest import Cloud, wait_for
from tests.twin.aws.cloud.test_endpoints import ask, deploy, status_of
from twin.aws.cloud.client import inbox, stop_cloud


def put(cloud: Cloud, name: str, value: float, **more: Any) -> None:
    cloud.client("cloudwatch").put_metric_data(
        Namespace="it", MetricData=[{"MetricName": name, "Value": value, **more}]
    )


def topic(cloud: Cloud, name: str) -> str:
    arn: str = cloud.client("sns").create_topic(Name=name)["TopicArn"]
    return arn


def alarm(cloud: Cloud, name: str, metric: str, **more: Any) -> None:
    given: dict[str, Any] = {
        "AlarmName": name,
        "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 1,
        "Threshold": 10.0,
        "TreatMissingData": "notBreaching",
    }
    if "Metrics" not in more:
        given |= {"Namespace": "it", "MetricName": metric, "Period": 60, "Statistic": "Maximum"}
    cloud.client("cloudwatch").put_metric_alarm(**{**given, **more})


def composite(cloud: Cloud, name: str, rule: str, **more: Any) -> None:
    cloud.client("cloudwatch").put_composite_alarm(AlarmName=name, AlarmRule=rule, **more)


def states(cloud: Cloud) -> dict[str, str]:
    found = cloud.client("cloudwatch").describe_alarms(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    return {
        each["AlarmName"]: each["StateValue"] for each in found["MetricAlarms"] + found["CompositeAlarms"]
    }


def told(cloud: Cloud) -> list[tuple[str, str]]:
    """Which alarm told of which state, in order."""
    messages = [json.loads(each["message"]) for each in inbox(cloud.endpoint)]
    return [(each["AlarmName"], each["NewStateValue"]) for each in messages]


def test_one_outage_is_told_of_once_and_remembered(cloud: Cloud) -> None:
    pages = topic(cloud, "pages")
    for name in ("long", "short", "slow"):
        alarm(cloud, name, name)
    alarm(cloud, "alone", "alone", AlarmActions=[pages], OKActions=[pages], AlarmDescription="It is high")
    composite(cloud, "outage", 'ALARM("long") AND ALARM("short")', AlarmActions=[pages])
    composite(
        cloud,
        "slow-burn",
        'ALARM("slow")',
        AlarmActions=[pages],
        ActionsSuppressor="outage",
        ActionsSuppressorWaitPeriod=60,
        ActionsSuppressorExtensionPeriod=60,
    )
    for name in ("long", "short", "slow", "alone"):
        put(cloud, name, 11)
    on = dict.fromkeys(("long", "short", "slow", "alone", "outage", "slow-burn"), "ALARM")
    wait_for(lambda: states(cloud), on)
    wait_for(lambda: sorted(told(cloud)), [("alone", "ALARM"), ("outage", "ALARM")])
    message = next(json.loads(each["message"]) for each in inbox(cloud.endpoint))
    assert message["AlarmDescription"] == "It is high"
    assert message["OldStateValue"] in ("OK", "INSUFFICIENT_DATA")
    assert "11" in message["NewStateReason"]

    stop_cloud(cloud.directory)
    assert states(cloud) == on
    assert len(told(cloud)) == 2
    time.sleep(4)
    assert len(told(cloud)) == 2, "a restart tells nothing again"
    history = cloud.client("cloudwatch").describe_alarms(AlarmNames=["alone"])["MetricAlarms"][0]
    assert "greater than 10" in history["StateReason"]
    (outage,) = cloud.client("cloudwatch").describe_alarms(
        AlarmNames=["outage"], AlarmTypes=["CompositeAlarm"]
    )["CompositeAlarms"]
    assert outage["StateReason"] == "in alarm: long, short"


def test_an_alarm_that_hears_nothing_any_more_tells_and_a_new_one_does_not(cloud: Cloud) -> None:
    """A changed alarm keeps its state; its points are then out of sight."""
    tickets = topic(cloud, "tickets")
    silence = {"TreatMissingData": "missing", "InsufficientDataActions": [tickets]}
    alarm(cloud, "fresh", "never", **silence)
    alarm(cloud, "silent", "heard", **silence)
    put(cloud, "heard", 1)
    wait_for(lambda: states(cloud), {"fresh": "INSUFFICIENT_DATA", "silent": "OK"})
    alarm(cloud, "silent", "unheard", **silence)
    wait_for(lambda: told(cloud), [("silent", "INSUFFICIENT_DATA")])


def test_expressions_bands_and_what_the_twin_does_not_compute(cloud: Cloud) -> None:
    def query(name: str, stat: str = "Sum", period: int = 300) -> dict[str, Any]:
        return {
            "Id": name,
            "ReturnData": False,
            "MetricStat": {
                "Metric": {"Namespace": "it", "MetricName": name},
                "Period": period,
                "Stat": stat,
            },
        }

    def judged(expression: str) -> dict[str, Any]:
        return {"Id": "judged", "Expression": expression, "ReturnData": True}

    burn = "IF((FILL(errors, 0)) >= 3, (FILL(errors, 0)) / calls / 0.001, 0)"
    alarm(cloud, "burn", "", Metrics=[judged(burn), query("errors"), query("calls")])
    alarm(cloud, "few", "", Metrics=[judged(burn.replace("calls", "many")), query("errors"), query("many")])
    alarm(cloud, "beyond", "", Metrics=[judged("RATE(calls)"), query("calls")])
    usual = {
        "Metrics": [
            judged("ANOMALY_DETECTION_BAND(traffic, 3)"),
            {**query("traffic", "Maximum"), "ReturnData": True},
        ],
        "ThresholdMetricId": "judged",
        "ComparisonOperator": "GreaterThanUpperThreshold",
    }
    client = cloud.client("cloudwatch")
    alarm_without_threshold = {
        "AlarmName": "unusual",
        "EvaluationPeriods": 1,
        "TreatMissingData": "notBreaching",
        **usual,
    }
    client.put_metric_alarm(**alarm_without_threshold)
    now = datetime.datetime.now(datetime.UTC)
    client.put_metric_data(
        Namespace="it",
        MetricData=[
            {
                "MetricName": "traffic",
                "Value": 100 + back % 3,
                "Timestamp": now - datetime.timedelta(minutes=5 * back),
            }
            for back in range(4, 60)
        ],
    )
    put(cloud, "traffic", 200)
    put(cloud, "errors", 30)
    put(cloud, "calls", 1000)
    put(cloud, "many", 10_000_000)
    wanted = {"burn": "ALARM", "few": "OK", "beyond": "INSUFFICIENT_DATA", "unusual": "ALARM"}
    wait_for(lambda: states(cloud), wanted)
    (beyond,) = client.describe_alarms(AlarmNames=["beyond"])["MetricAlarms"]
    assert "does not evaluate" in beyond["StateReason"]
    assert "RATE(calls)" in beyond["StateReason"]


def test_endpoints_emit_what_sagemaker_emits(cloud: Cloud) -> None:
    deploy(cloud, {"red": 1})
    wait_for(lambda: status_of(cloud), "InService")
    for _ in range(5):
        ask(cloud)
    with pytest.raises(ClientError):
        ask(cloud, b"bad")
    client = cloud.client("cloudwatch")

    def total(name: str, stat: str) -> float | None:
        now = datetime.datetime.now(datetime.UTC)
        found = client.get_metric_statistics(
            Namespace="AWS/SageMaker",
            MetricName=name,
            Dimensions=[{"Name": "EndpointName", "Value": "live"}, {"Name": "VariantName", "Value": "red"}],
            StartTime=now - datetime.timedelta(minutes=10),
            EndTime=now + datetime.timedelta(minutes=10),
            Period=3600,
            Statistics=[stat],
        )["Datapoints"]
        return sum(point[stat] for point in found) if found else None

    wait_for(lambda: total("Invocations", "Sum"), 6)
    assert total("Invocation4XXErrors", "Sum") == 1
    assert total("Invocation5XXErrors", "Sum") == 0
    assert total("ModelLatency", "SampleCount") == 6


def test_what_waits_in_a_queue_is_seen_until_it_is_taken(cloud: Cloud) -> None:
    sqs, pages = cloud.client("sqs"), topic(cloud, "pages")
    url = sqs.create_queue(QueueName="letters")["QueueUrl"]
    alarm(
        cloud,
        "letters",
        "",
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Dimensions=[{"Name": "QueueName", "Value": "letters"}],
        Period=60,
        Statistic="Maximum",
        Threshold=0,
        AlarmActions=[pages],
    )
    wait_for(lambda: states(cloud), {"letters": "OK"})
    sqs.send_message(QueueUrl=url, MessageBody="a run failed")
    wait_for(lambda: states(cloud), {"letters": "ALARM"})
    wait_for(lambda: told(cloud), [("letters", "ALARM")])
    stop_cloud(cloud.directory)
    assert states(cloud) == {"letters": "ALARM"}
    sqs = cloud.client("sqs")
    sqs.purge_queue(QueueUrl=url)

    def least() -> float:
        now = datetime.datetime.now(datetime.UTC)
        answer = cloud.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/SQS",
            MetricName="ApproximateNumberOfMessagesVisible",
            Dimensions=[{"Name": "QueueName", "Value": "letters"}],
            StartTime=now - datetime.timedelta(hours=1),
            EndTime=now + datetime.timedelta(minutes=1),
            Period=60,
            Statistics=["Minimum"],
        )
        return min((point["Minimum"] for point in answer["Datapoints"]), default=-1.0)

    wait_for(least, 0.0)
