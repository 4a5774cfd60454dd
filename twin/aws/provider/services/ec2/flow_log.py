"""Flow logs: who talked to whom in a network."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import State
from twin.aws.provider.clients import Cloud
from twin.aws.provider.operation import Operation
from twin.aws.provider.services.ec2.resource import (
    Ec2Resource,
    check_exactly_one,
    given,
    tag_specifications,
    unsuccessful,
)
from twin.providers.problems import Problems
from twin.wire import UNKNOWN

_LOGGED: Final[Mapping[str, str]] = {
    "vpcId": "VPC",
    "subnetId": "Subnet",
    "eniId": "NetworkInterface",
    "transitGatewayId": "TransitGateway",
    "transitGatewayAttachmentId": "TransitGatewayAttachment",
    "regionalNatGatewayId": "RegionalNatGateway",
}
_PREFIXES: Final[Mapping[str, str]] = {
    "vpc-": "vpcId",
    "subnet-": "subnetId",
    "eni-": "eniId",
    "tgw-attach-": "transitGatewayAttachmentId",
    "tgw-": "transitGatewayId",
    "nat-": "regionalNatGatewayId",
}
_LOGS: Final = "cloud-watch-logs"
_INTERVALS: Final = (60, 600)
_DESTINATIONS: Final[Mapping[str, re.Pattern[str]]] = {
    _LOGS: re.compile(r"^arn:[\w-]+:logs:"),
    "s3": re.compile(r"^arn:[\w-]+:s3:::"),
    "kinesis-data-firehose": re.compile(r"^arn:[\w-]+:firehose:"),
}


class FlowLog(Ec2Resource):
    """One log; nothing of it but its tags can be changed."""

    token = "aws:ec2/flowLog:FlowLog"
    noun = "vpc-flow-log"
    create_call, describe_call, delete_call = "CreateFlowLogs", "DescribeFlowLogs", "DeleteFlowLogs"
    members, id_member = "FlowLogs", "FlowLogId"
    rename: ClassVar[Mapping[str, str]] = {"iamRoleArn": "DeliverLogsPermissionArn"}
    handled = frozenset(_LOGGED)
    unemulated = frozenset({"tagFieldSpecifications"})
    defaults: ClassVar[Mapping[str, Any]] = {"logDestinationType": _LOGS, "maxAggregationInterval": 600}

    def shapes(self, cloud: Cloud) -> tuple[str, ...]:
        """The create operation's input."""
        return ("CreateFlowLogs.input",)

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """One thing to log, somewhere to log to, and what goes with it."""
        check_exactly_one(inputs, tuple(_LOGGED), problems, "thing to log")
        gateway = given(inputs, ("transitGatewayId", "transitGatewayAttachmentId"))
        if not gateway and not given(inputs, ("trafficType",)):
            problems.add("trafficType", "is missing", "give ALL, ACCEPT or REJECT")
        interval = inputs.get("maxAggregationInterval")
        if isinstance(interval, int) and interval not in _INTERVALS:
            problems.add("maxAggregationInterval", f"{interval} is not allowed", "give 60 or 600 seconds")
        if gateway and interval == 600:
            problems.add("maxAggregationInterval", "a transit gateway's logs take 60", "give 60")
        kind, destination = inputs.get("logDestinationType"), inputs.get("logDestination")
        if kind == _LOGS and not given(inputs, ("iamRoleArn",)):
            problems.add("iamRoleArn", "is missing", "CloudWatch Logs need a role that writes them")
        if kind in ("s3", "kinesis-data-firehose") and given(inputs, ("iamRoleArn",)):
            problems.add("iamRoleArn", f"is not for the destination {kind}", "leave it out")
        if destination is not UNKNOWN and not destination:
            problems.add("logDestination", "is missing", "give the destination's ARN")
        pattern = _DESTINATIONS.get(kind) if isinstance(kind, str) else None
        if pattern is not None and isinstance(destination, str) and not pattern.match(destination):
            problems.add("logDestination", f"{destination!r} is no ARN of {kind}", "give the ARN that fits")
        if kind != "s3" and kind is not UNKNOWN and given(inputs, ("destinationOptions",)):
            problems.add("destinationOptions", f"is not for the destination {kind}", "leave it out")

    def same(self, name: str, left: Any, right: Any) -> bool:
        """A log group's ARN with or without what stands for its streams."""
        return name == "logDestination" and str(left).removesuffix(":*") == str(right).removesuffix(":*")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the log; the operation is made for many, and says of each what failed."""
        logged = next(name for name in _LOGGED if inputs.get(name))
        parameters = self.request(op, "CreateFlowLogs.input", inputs)
        parameters.update(ResourceIds=[inputs[logged]], ResourceType=_LOGGED[logged])
        parameters.update(tag_specifications(self.noun, inputs))
        answer = op.call(self.create_call, parameters)
        unsuccessful(answer)
        op.id = answer["FlowLogIds"][0]
        return None

    def state(self, op: Operation, data: Mapping[str, Any], known: Mapping[str, Any]) -> State:
        """The log; what it is of tells its id."""
        state = super().state(op, data, known)
        logged = str(data["ResourceId"])
        name = next((each for prefix, each in _PREFIXES.items() if logged.startswith(prefix)), "eniId")
        state.update({**dict.fromkeys(_LOGGED), name: logged})
        return state

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the log."""
        unsuccessful(op.call("DeleteFlowLogs", {"FlowLogIds": [op.id]}))
