"""CloudWatch: composite alarms, anomaly detectors and metric streams beside moto's metric alarms."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from twin.aws.cloud.gaps.context import Context, utc_now
from twin.aws.cloud.gaps.kinds import Kind, create, tags_as_dict
from twin.aws.cloud.gaps.moto_objects import backend
from twin.aws.cloud.gaps.registry import GapRegistry
from twin.aws.cloud.gaps.store import Record
from twin.aws.cloud.http import HttpResponse
from twin.aws.cloud.live.alarms.points import Point, UnknownStatisticError, key_of, statistic, within
from twin.aws.cloud.live.alarms.series import SeriesIndex
from twin.aws.cloud.protocol import AwsError

_SERIES: Final = SeriesIndex()
"""Points by series: a model under load has one for each request, and a question is about a few series."""
_ALARM_ARN: Final = "arn:aws:cloudwatch:{region}:{account}:alarm:{name}"


def fill(registry: GapRegistry) -> None:
    """Registers CloudWatch's gap fillers."""
    registry.kind(COMPOSITE)
    registry.kind(STREAM)
    registry.answer("cloudwatch", "PutCompositeAlarm", _put_composite)
    registry.raw("cloudwatch", "PutMetricAlarm", _put_metric_alarm)
    registry.raw("cloudwatch", "DescribeAlarms", _describe_alarms)
    registry.raw("cloudwatch", "DeleteAlarms", _delete_alarms)
    registry.raw("cloudwatch", "GetMetricData", _get_metric_data)
    registry.raw("cloudwatch", "GetMetricStatistics", _get_metric_statistics)
    registry.answer("cloudwatch", "PutMetricStream", _put_stream)
    registry.answer("cloudwatch", "PutAnomalyDetector", _put_detector)
    registry.answer("cloudwatch", "DescribeAnomalyDetectors", _describe_detectors)
    registry.answer("cloudwatch", "DeleteAnomalyDetector", _delete_detector)


def _begin_composite(_context: Context, alarm: Record) -> None:
    now = utc_now()
    alarm |= {
        "AlarmConfigurationUpdatedTimestamp": now,
        "StateUpdatedTimestamp": now,
        "StateTransitionedTimestamp": now,
    }
    for name in ("AlarmActions", "OKActions", "InsufficientDataActions"):
        alarm.setdefault(name, [])


COMPOSITE: Final = Kind(
    service="cloudwatch",
    noun="CompositeAlarm",
    name="AlarmName",
    arn=_ALARM_ARN,
    arn_field="AlarmArn",
    initial={
        "ActionsEnabled": True,
        "StateValue": "OK",
        "StateReason": "Unchecked: Initial alarm creation",
        "StateReasonData": json.dumps({}),
    },
    missing=("ResourceNotFound", "Unknown {name}"),
    before_create=_begin_composite,
)


def _put_composite(context: Context) -> None:
    """Makes the alarm, or gives it what the request says and nothing else."""
    name = context.required("AlarmName")
    records = COMPOSITE.records(context)
    old = records.pop(name, None)
    if old is None:
        create(COMPOSITE, context)
        return
    tags = context.store.tags(old["AlarmArn"])
    create(COMPOSITE, context)
    given = tags_as_dict(context.parameters.get("Tags") or [])
    context.store.set_tags(old["AlarmArn"], tags | given)


_STATE: Final = ("state_value", "state_reason", "state_reason_data", "state_updated_timestamp", "history")


def _put_metric_alarm(context: Context) -> HttpResponse:
    """Moto's answer; a new alarm knows nothing yet, and one that is changed keeps its state."""
    alarms, name = backend(context, "cloudwatch").alarms, context.parameters.get("AlarmName")
    old = alarms.get(name)
    response = context.forward()
    made = alarms.get(name)
    if response.status < 300 and made is not None:
        if old is None:
            made.state_value = "INSUFFICIENT_DATA"
        else:
            for state in (
                "state_value",
                "state_reason",
                "state_reason_data",
                "state_updated_timestamp",
                "history",
            ):
                setattr(made, state, getattr(old, state))
    return response


def _describe_alarms(context: Context) -> HttpResponse:
    response = context.forward()
    if response.status >= 300:
        return response
    given = context.parameters
    types, names = given.get("AlarmTypes") or ["MetricAlarm"], given.get("AlarmNames")
    result = context.operation.result_of(response)
    # Without a type AWS lists metric alarms only, except by name.
    if "CompositeAlarm" in types or (names and not given.get("AlarmTypes")):
        prefix, state = given.get("AlarmNamePrefix") or "", given.get("StateValue")
        result["CompositeAlarms"] = [
            alarm
            for name, alarm in COMPOSITE.records(context).items()
            if (not names or name in names)
            and name.startswith(prefix)
            and (not state or alarm["StateValue"] == state)
        ]
    if "MetricAlarm" not in types:
        result["MetricAlarms"] = []
    return context.operation.answer(result)


def _delete_alarms(context: Context) -> HttpResponse:
    names = context.required("AlarmNames")
    records = COMPOSITE.records(context)
    mine = [name for name in names if name in records]
    if mine and len(names) > 1:
        raise AwsError("ValidationError", "Composite alarms are deleted one at a time, and not with others")
    if not mine:
        return context.forward()
    for name in mine:
        context.store.set_tags(records.pop(name)["AlarmArn"], {})
    return context.operation.answer({})


def _get_metric_statistics(context: Context) -> HttpResponse:
    """Percentiles and percentile ranks, which moto leaves out; all else is moto's answer."""
    given = context.parameters
    extended = given.get("ExtendedStatistics") or []
    if not extended:
        return context.forward()
    start, end = given["StartTime"].timestamp(), given["EndTime"].timestamp()
    datapoints = []
    for moment, points in _periods(context, given, start, end, given["Period"]):
        try:
            told = {stat: statistic(points, stat) for stat in extended}
            plain = {stat: statistic(points, stat) for stat in given.get("Statistics") or ()}
        except UnknownStatisticError as error:
            raise AwsError("InvalidParameterValue", str(error)) from None
        at = datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)
        known = {stat: value for stat, value in told.items() if value is not None}
        if known:
            datapoints.append({"Timestamp": at, "ExtendedStatistics": known, **plain})
    return context.operation.answer({"Label": given["MetricName"], "Datapoints": datapoints})


def _get_metric_data(context: Context) -> HttpResponse:
    """Metrics by their statistics, of which moto knows few; expressions are moto's to answer."""
    given = context.parameters
    queries = given["MetricDataQueries"]
    if not all("MetricStat" in query for query in queries):
        return context.forward()
    start, end = given["StartTime"].timestamp(), given["EndTime"].timestamp()
    ascending = given.get("ScanBy") == "TimestampAscending"
    results = []
    for query in queries:
        if not query.get("ReturnData", True):
            continue
        metric, stat = query["MetricStat"]["Metric"], query["MetricStat"]["Stat"]
        told: list[tuple[datetime, float]] = []
        for moment, points in _periods(context, metric, start, end, query["MetricStat"]["Period"]):
            try:
                value = statistic(points, stat)
            except UnknownStatisticError as error:
                raise AwsError("ValidationError", str(error)) from None
            if value is not None:
                told.append((datetime.fromtimestamp(moment, UTC).replace(tzinfo=None), value))
        told.sort(reverse=not ascending)
        results.append(
            {
                "Id": query["Id"],
                "Label": query.get("Label") or metric["MetricName"],
                "Timestamps": [at for at, _ in told],
                "Values": [value for _, value in told],
                "StatusCode": "Complete",
            }
        )
    return context.operation.answer({"MetricDataResults": results, "Messages": []})


def _periods(
    context: Context, metric: Record, start: float, end: float, seconds: int
) -> list[tuple[float, list[Point]]]:
    """A metric's points from `start` up to, not including, `end`: the start of each period that has any."""
    wanted = key_of(
        metric["Namespace"],
        metric["MetricName"],
        ((each["Name"], each["Value"]) for each in metric.get("Dimensions") or ()),
    )
    periods: dict[int, list[Point]] = {}
    backend(context, "cloudwatch")  # the first question may come before the first metric
    every = _SERIES.of(context.region, now=0)  # nothing is too old to be asked about
    for point in within(every.get(wanted, []), start, end):
        periods.setdefault(int((point.at - start) // seconds), []).append(point)
    return [(start + number * seconds, points) for number, points in sorted(periods.items())]


STREAM: Final = Kind(
    service="cloudwatch",
    noun="MetricStream",
    name="Name",
    arn="arn:aws:cloudwatch:{region}:{account}:metric-stream/{name}",
    arn_field="Arn",
    describe="GetMetricStream",
    list="ListMetricStreams",
    delete="DeleteMetricStream",
    initial={"State": "running"},
    created="CreationDate",
    modified="LastUpdateDate",
    missing=("ResourceNotFoundException", "Metric stream {name} does not exist"),
)


def _put_stream(context: Context) -> dict[str, Any]:
    records = STREAM.records(context)
    old = records.pop(context.required("Name"), None)
    result = create(STREAM, context)
    if old is not None:
        records[result["Name"]]["CreationDate"] = old["CreationDate"]
    return result


def _detectors(context: Context) -> dict[str, Record]:
    return context.store.all_of("cloudwatch", "AnomalyDetector", context.region)


def _detector_key(given: Record) -> str:
    """What makes a detector the same: its metric, or its expression."""
    metric = given.get("SingleMetricAnomalyDetector") or {
        name: given[name] for name in ("Namespace", "MetricName", "Dimensions", "Stat") if given.get(name)
    }
    math = given.get("MetricMathAnomalyDetector")
    return json.dumps(math or metric, sort_keys=True, default=str)


def _put_detector(context: Context) -> None:
    given = dict(context.parameters)
    key = _detector_key(given)
    _detectors(context)[key] = {**given, "StateValue": "PENDING_TRAINING"}


def _describe_detectors(context: Context) -> dict[str, Any]:
    given = context.parameters
    found = list(_detectors(context).values())
    for name in ("Namespace", "MetricName", "Dimensions"):
        if given.get(name):
            found = [
                each
                for each in found
                if (each.get("SingleMetricAnomalyDetector") or each).get(name) == given[name]
            ]
    return {"AnomalyDetectors": found}


def _delete_detector(context: Context) -> None:
    if _detectors(context).pop(_detector_key(context.parameters), None) is None:
        raise AwsError("ResourceNotFoundException", "The anomaly detector does not exist")
