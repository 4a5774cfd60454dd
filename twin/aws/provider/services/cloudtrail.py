"""AWS CloudTrail."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from botocore.exceptions import ClientError

from twin.aws.provider.adapter import Declared, State, listed
from twin.aws.provider.clients import code_of
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.shapes import NOT_SENT
from twin.aws.provider.tagging import Tagging, from_pairs
from twin.providers.problems import Problems

_SELECTORS: Final = frozenset({"advancedEventSelectors", "eventSelectors"})
_MATCHES: Final[Mapping[str, str]] = {
    "endsWiths": "EndsWith",
    "equals": "Equals",
    "notEndsWiths": "NotEndsWith",
    "notEquals": "NotEquals",
    "notStartsWiths": "NotStartsWith",
    "startsWiths": "StartsWith",
}


class Trail(Declared):
    """An audit trail; its id is its ARN."""

    token = "aws:cloudtrail/trail:Trail"
    service = "cloudtrail"
    auto_name = AutoName(max_length=128)
    create_call, read_call, result = "CreateTrail", "GetTrail", "Trail"
    update_call, delete_call = "UpdateTrail", "DeleteTrail"
    rename: ClassVar[Mapping[str, str]] = {
        "advancedEventSelectors": NOT_SENT,
        "arn": "TrailARN",
        "cloudWatchLogsGroupArn": "CloudWatchLogsLogGroupArn",
        "eventSelectors": NOT_SENT,
        "insightSelectors": NOT_SENT,
        "snsTopicArn": "SnsTopicARN",
        "tags": "TagsList",
    }
    handled = frozenset({"enableLogging", "insightSelectors", *_SELECTORS})
    in_place = handled | {"enableLogFileValidation"}
    key: ClassVar[Mapping[str, str]] = {"Name": "arn"}
    delete_key: ClassVar[Mapping[str, str]] = {"Name": "name"}
    id_property = "arn"
    fixed = frozenset({"name"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "enableLogFileValidation": False,
        "enableLogging": True,
        "includeGlobalServiceEvents": True,
        "isMultiRegionTrail": False,
        "isOrganizationTrail": False,
    }
    tagging = Tagging(
        resource="ResourceId", tags="TagsList", keys="TagsList", add="add_tags", remove="remove_tags"
    )

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """One kind of selectors; a log group and the role that writes to it."""
        if inputs.get("eventSelectors") and inputs.get("advancedEventSelectors"):
            problems.add("advancedEventSelectors", "conflicts with eventSelectors", "give one of them")
        if bool(inputs.get("cloudWatchLogsGroupArn")) != bool(inputs.get("cloudWatchLogsRoleArn")):
            problems.add("cloudWatchLogsRoleArn", "goes with cloudWatchLogsGroupArn", "give both or neither")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the trail, says what it records, and starts it."""
        super().create(op, inputs)
        self._select(op, inputs, frozenset({name for name in self.handled if inputs.get(name)}))
        if inputs["enableLogging"]:
            op.client().start_logging(Name=op.id)
        return None

    def parameters(self, op: Operation, call: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Tags are part of the creation only."""
        parameters = super().parameters(op, call, inputs)
        if call != self.create_call:
            parameters.pop("TagsList", None)
        return parameters

    def _select(self, op: Operation, inputs: Mapping[str, Any], changed: frozenset[str]) -> None:
        if changed & _SELECTORS:
            plain = [_selector(each) for each in listed(inputs.get("eventSelectors"))]
            advanced = [_advanced(each) for each in listed(inputs.get("advancedEventSelectors"))]
            if advanced:
                op.client().put_event_selectors(TrailName=op.id, AdvancedEventSelectors=advanced)
            else:
                op.client().put_event_selectors(TrailName=op.id, EventSelectors=plain or [_selector({})])
        if "insightSelectors" in changed:
            kinds = [{"InsightType": each["insightType"]} for each in listed(inputs.get("insightSelectors"))]
            op.client().put_insight_selectors(TrailName=op.id, InsightSelectors=kinds)

    def adjust(self, op: Operation, state: State, data: Mapping[str, Any]) -> None:
        """Selectors and status are asked for one by one."""
        client, arn = op.client(), data["TrailARN"]
        selectors = client.get_event_selectors(TrailName=arn)
        plain = [_read_selector(each) for each in selectors.get("EventSelectors") or ()]
        state["eventSelectors"] = None if plain == [_read_selector(_selector({}))] else plain
        state["advancedEventSelectors"] = [
            _read_advanced(each) for each in selectors.get("AdvancedEventSelectors") or ()
        ]
        state["insightSelectors"] = self._insights(op, arn)
        state["enableLogging"] = client.get_trail_status(Name=arn)["IsLogging"]
        state["enableLogFileValidation"] = bool(data.get("LogFileValidationEnabled"))
        pages = client.list_tags(ResourceIdList=[arn])["ResourceTagList"]
        state["tagsAll"] = from_pairs(pages[0]["TagsList"]) if pages else {}

    def _insights(self, op: Operation, arn: str) -> list[State]:
        try:
            found = op.client().get_insight_selectors(TrailName=arn).get("InsightSelectors") or ()
        except ClientError as error:
            if code_of(error) == "InsightNotEnabledException":
                return []
            raise
        return [{"insightType": each["InsightType"]} for each in found]

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Settings, selectors and the switch have calls of their own."""
        if changed - self.handled - {"tags"}:
            super().update(op, olds, news, changed)
        self._select(op, news, changed)
        if "enableLogging" in changed:
            client = op.client()
            (client.start_logging if news["enableLogging"] else client.stop_logging)(Name=op.id)


def _selector(given: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ReadWriteType": given.get("readWriteType") or "All",
        "IncludeManagementEvents": given.get("includeManagementEvents", True),
        "DataResources": [
            {"Type": each["type"], "Values": each["values"]} for each in listed(given.get("dataResources"))
        ],
    }
    if given.get("excludeManagementEventSources"):
        result["ExcludeManagementEventSources"] = given["excludeManagementEventSources"]
    return result


def _read_selector(data: Mapping[str, Any]) -> State:
    return {
        "readWriteType": data.get("ReadWriteType") or "All",
        "includeManagementEvents": data.get("IncludeManagementEvents", True),
        "dataResources": [
            {"type": each["Type"], "values": each["Values"]} for each in data.get("DataResources") or ()
        ],
        "excludeManagementEventSources": data.get("ExcludeManagementEventSources") or [],
    }


def _advanced(given: Mapping[str, Any]) -> dict[str, Any]:
    fields = [
        {
            "Field": each["field"],
            **{member: each[name] for name, member in _MATCHES.items() if each.get(name)},
        }
        for each in listed(given.get("fieldSelectors"))
    ]
    return {**({"Name": given["name"]} if given.get("name") else {}), "FieldSelectors": fields}


def _read_advanced(data: Mapping[str, Any]) -> State:
    fields = [
        {"field": each["Field"], **{name: each[m] for name, m in _MATCHES.items() if each.get(m)}}
        for each in data.get("FieldSelectors") or ()
    ]
    return {"name": data.get("Name") or "", "fieldSelectors": fields}
