"""CloudWatch: alarms and dashboards."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Final

from twin.aws import alarm_rule
from twin.aws.provider import documents
from twin.aws.provider.adapter import Adapter, Declared, State, found, listed
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.shapes import NOT_SENT
from twin.aws.provider.tagging import Tagging, from_pairs
from twin.providers.problems import Problems
from twin.wire import UNKNOWN

_PERIODS: Final = (10, 20, 30)
_HOUR: Final = 3_600
_DAY: Final = 86_400
_WEEK: Final = 7 * _DAY


class MetricAlarm(Declared):
    """An alarm on a metric, or on an expression of several; its id is its name."""

    token = "aws:cloudwatch/metricAlarm:MetricAlarm"
    service = "cloudwatch"
    auto_name = AutoName(max_length=255)
    create_call = update_call = "PutMetricAlarm"
    read_call, result = "DescribeAlarms", "MetricAlarms"
    delete_call = "DeleteAlarms"
    rename: ClassVar[Mapping[str, str]] = {
        "name": "AlarmName",
        "arn": "AlarmArn",
        "metricQueries": NOT_SENT,
        "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile",
        "evaluationCriteria": NOT_SENT,
        "evaluationWindow": NOT_SENT,
        "warmUpConfiguration": NOT_SENT,
    }
    handled = frozenset({"metricQueries"})
    in_place = frozenset({"metricQueries"})
    key: ClassVar[Mapping[str, str]] = {"AlarmNames": "name"}
    defaults: ClassVar[Mapping[str, Any]] = {"actionsEnabled": True, "treatMissingData": "missing"}
    tagging = Tagging(resource="ResourceARN")

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Either a metric or queries, with the numbers that go with it."""
        queries, metric = inputs.get("metricQueries"), inputs.get("metricName")
        if bool(queries) == bool(metric):
            problems.add("metricName", "there must be one metric", "give either metricName or metricQueries")
        if metric and not (inputs.get("statistic") or inputs.get("extendedStatistic")):
            problems.add("statistic", "is missing", "give statistic or extendedStatistic")
        if metric and not inputs.get("period"):
            problems.add("period", "is missing", "give the seconds of one data point")
        for name in ("comparisonOperator", "evaluationPeriods"):
            if not inputs.get(name):
                problems.add(name, "is missing", "it is required: give a value")
        if inputs.get("threshold") is None and not inputs.get("thresholdMetricId"):
            problems.add("threshold", "is missing", "give threshold, or thresholdMetricId")
        period = inputs.get("period")
        if isinstance(period, int) and period not in _PERIODS and (period < 60 or period % 60):
            problems.add("period", f"{period} is not allowed", "use 10, 20, 30 or a multiple of 60")
        points, periods = inputs.get("datapointsToAlarm"), inputs.get("evaluationPeriods")
        if isinstance(points, int) and isinstance(periods, int) and points > periods:
            problems.add(
                "datapointsToAlarm", f"{points} is more than evaluationPeriods", f"give at most {periods}"
            )
        treat = inputs.get("treatMissingData")
        if treat not in (None, UNKNOWN, "missing", "ignore", "breaching", "notBreaching"):
            problems.add(
                "treatMissingData", f"{treat!r} is not allowed", "missing, ignore, breaching, notBreaching"
            )
        _check_range(inputs, problems)
        returned = [each.get("returnData") for each in listed(queries) if isinstance(each, dict)]
        complete = len(returned) == len(listed(queries)) and UNKNOWN not in returned
        banded = inputs.get("thresholdMetricId") is not None
        if returned and complete and returned.count(True) != 1 + banded:
            wanted = "two must: the metric and its band" if banded else "exactly one must: the one judged"
            problems.add("metricQueries", f"{returned.count(True)} return data", wanted)

    def parameters(self, op: Operation, call: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Adds the queries, whose shape is CloudWatch's own."""
        parameters = super().parameters(op, call, inputs)
        if inputs.get("metricQueries"):
            parameters["Metrics"] = [_query(each) for each in inputs["metricQueries"]]
        return parameters

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Puts the whole alarm again; tags are not part of that."""
        if changed - {"tags"}:
            inputs = {name: value for name, value in news.items() if name != "tags"}
            op.call(self.update_call, self.parameters(op, self.update_call, inputs))

    def adjust(self, op: Operation, state: State, data: Mapping[str, Any]) -> None:
        """Queries back; a number that belongs to them is not the alarm's own."""
        queries = [_read_query(each) for each in data.get("Metrics") or ()]
        state["metricQueries"] = queries or None
        for name in ("okActions", "alarmActions", "insufficientDataActions"):
            state[name] = state.get(name) or None
        if not data.get("Dimensions"):
            state["dimensions"] = None
        state["actionsEnabled"] = data.get("ActionsEnabled", True)
        state["treatMissingData"] = data.get("TreatMissingData") or "missing"

    def named(self, known: Mapping[str, Any], key: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The calls take a list of names."""
        return {"AlarmNames": [known["name"]]}


def _check_range(inputs: Mapping[str, Any], problems: Problems) -> None:
    """What an alarm looks back over is limited, and the metrics of an expression share one period."""
    metrics = [each.get("metric") for each in listed(inputs.get("metricQueries")) if isinstance(each, dict)]
    given = [inputs.get("period"), *(each.get("period") for each in metrics if isinstance(each, dict))]
    seconds = sorted({each for each in given if isinstance(each, int)})
    if len(seconds) > 1:
        problems.add(
            "metricQueries", f"periods differ: {seconds}", "give all metrics of an alarm the same one"
        )
    periods = inputs.get("evaluationPeriods")
    if not seconds or not isinstance(periods, int):
        return
    most = _WEEK if seconds[0] >= _HOUR else _DAY
    if seconds[0] * periods > most:
        said = f"{periods} periods of {seconds[0]} s are too long"
        problems.add("evaluationPeriods", said, f"period times evaluationPeriods is at most {most} s")


def _query(given: Mapping[str, Any]) -> dict[str, Any]:
    plain = {
        "id": "Id",
        "expression": "Expression",
        "label": "Label",
        "returnData": "ReturnData",
        "period": "Period",
        "accountId": "AccountId",
    }
    result: dict[str, Any] = {member: given[name] for name, member in plain.items() if given.get(name)}
    result["ReturnData"] = bool(given.get("returnData"))
    if given.get("metric"):
        metric = given["metric"]
        described: dict[str, Any] = {"MetricName": metric["metricName"]}
        if metric.get("namespace"):
            described["Namespace"] = metric["namespace"]
        if metric.get("dimensions"):
            dimensions = metric["dimensions"]
            described["Dimensions"] = [
                {"Name": name, "Value": dimensions[name]} for name in sorted(dimensions)
            ]
        stat = {"Metric": described, "Period": metric["period"], "Stat": metric["stat"]}
        if metric.get("unit"):
            stat["Unit"] = metric["unit"]
        result["MetricStat"] = stat
    return result


def _read_query(data: Mapping[str, Any]) -> State:
    result: State = {
        "id": data["Id"],
        "expression": data.get("Expression"),
        "label": data.get("Label"),
        "returnData": bool(data.get("ReturnData")),
        "period": data.get("Period"),
        "accountId": data.get("AccountId"),
    }
    stat = data.get("MetricStat")
    if stat:
        metric = stat["Metric"]
        result["metric"] = _present(
            {
                "metricName": metric["MetricName"],
                "namespace": metric.get("Namespace"),
                "dimensions": _dimensions(metric.get("Dimensions")),
                "period": stat["Period"],
                "stat": stat["Stat"],
                "unit": stat.get("Unit"),
            }
        )
    return _present(result)


def _dimensions(pairs: Iterable[Mapping[str, Any]] | None) -> dict[str, str] | None:
    return from_pairs(pairs, "Name") or None


def _present(values: State) -> State:
    return {name: value for name, value in values.items() if value is not None}


class CompositeAlarm(Declared):
    """An alarm on the states of others; its id is its name."""

    token = "aws:cloudwatch/compositeAlarm:CompositeAlarm"
    service = "cloudwatch"
    create_call = update_call = "PutCompositeAlarm"
    read_call, result = "DescribeAlarms", "CompositeAlarms"
    delete_call = "DeleteAlarms"
    rename: ClassVar[Mapping[str, str]] = {"arn": "AlarmArn", "actionsSuppressor": NOT_SENT}
    handled = frozenset({"actionsSuppressor"})
    in_place = frozenset({"actionsSuppressor"})
    fixed = frozenset({"actionsEnabled"})  # Terraform's provider, and so Pulumi's, makes it anew for that
    key: ClassVar[Mapping[str, str]] = {"AlarmNames": "alarmName"}
    id_property = "alarmName"
    defaults: ClassVar[Mapping[str, Any]] = {"actionsEnabled": True}
    tagging = Tagging(resource="ResourceARN")

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The rule can be read; a suppressor comes with both its times."""
        rule = inputs.get("alarmRule")
        if isinstance(rule, str) and (said := alarm_rule.problem(rule)):
            problems.add("alarmRule", said, 'combine ALARM("name"), OK("name"), NOT, AND, OR and brackets')

    def parameters(self, op: Operation, call: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Adds the suppressor, which is three parameters of the call."""
        parameters = super().parameters(op, call, inputs)
        suppressor = inputs.get("actionsSuppressor")
        if suppressor:
            parameters |= {member: suppressor[name] for member, name in _SUPPRESSOR.items()}
        return parameters

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Puts the whole alarm again; tags are not part of that."""
        if changed - {"tags"}:
            inputs = {name: value for name, value in news.items() if name != "tags"}
            op.call(self.update_call, self.parameters(op, self.update_call, inputs))

    def adjust(self, op: Operation, state: State, data: Mapping[str, Any]) -> None:
        """The suppressor as one property again."""
        for name in ("okActions", "alarmActions", "insufficientDataActions"):
            state[name] = state.get(name) or None
        state["actionsEnabled"] = data.get("ActionsEnabled", True)
        known = data.get("ActionsSuppressor")
        state["actionsSuppressor"] = (
            {name: data[member] for member, name in _SUPPRESSOR.items()} if known else None
        )

    def described_in(self, op: Operation, answer: Mapping[str, Any]) -> tuple[Any, str]:
        """The answer lists composite alarms only when it is asked for them by name."""
        return super().described_in(op, {"CompositeAlarms": answer.get("CompositeAlarms") or []})

    def named(self, known: Mapping[str, Any], key: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The calls take a list of names."""
        return {"AlarmNames": [known["alarmName"]]}


_SUPPRESSOR: Final[Mapping[str, str]] = {
    "ActionsSuppressor": "alarm",
    "ActionsSuppressorExtensionPeriod": "extensionPeriod",
    "ActionsSuppressorWaitPeriod": "waitPeriod",
}


class Dashboard(Adapter):
    """A dashboard; its id is its name."""

    token = "aws:cloudwatch/dashboard:Dashboard"
    service = "cloudwatch"
    handled = frozenset({"dashboardBody", "dashboardName"})
    in_place = frozenset({"dashboardBody"})

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The body is JSON with widgets; the name has few letters."""
        name, body = inputs.get("dashboardName"), inputs.get("dashboardBody")
        if isinstance(name, str) and not name.replace("-", "").replace("_", "").isalnum():
            problems.add("dashboardName", f"{name!r} is not allowed", "up to 255 letters, digits, - and _")
        if isinstance(body, str):
            parsed = documents.parse(body)
            if not isinstance(parsed, dict):
                problems.add("dashboardBody", "is not a JSON object", 'give {"widgets": […]}')
            elif not isinstance(parsed.get("widgets", []), list):
                problems.add("dashboardBody", "widgets is not a list", 'give {"widgets": […]}')

    def create(self, op: Operation, inputs: State) -> State | None:
        """Puts the dashboard."""
        self._put(op, inputs)
        op.id = inputs["dashboardName"]
        return None

    def _put(self, op: Operation, inputs: State) -> None:
        op.client().put_dashboard(
            DashboardName=inputs["dashboardName"], DashboardBody=inputs["dashboardBody"]
        )

    def read(self, op: Operation, known: State) -> State | None:
        """Gets the dashboard."""
        answer = found(op.client().get_dashboard, DashboardName=op.id)
        if answer is None:
            return None
        return {
            "dashboardName": op.id,
            "dashboardBody": answer["DashboardBody"],
            "dashboardArn": op.arn("cloudwatch", f"dashboard/{op.id}", region=""),
        }

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Puts it again."""
        self._put(op, news)

    def delete(self, op: Operation, known: State) -> None:
        """Deletes it."""
        op.client().delete_dashboards(DashboardNames=[op.id])

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The name."""
        return {"dashboardName": identifier}
