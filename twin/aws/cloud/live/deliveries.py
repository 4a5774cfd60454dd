"""How EventBridge hands a text to a target: each service by the call that EventBridge itself would make."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

Target = Mapping[str, Any]
"""A rule's or a schedule's target, by botocore's names."""
Answer = dict[str, Any]
Delivery = Callable[[Any, Target, str], Answer]
_UNIVERSAL: Final = "aws-sdk:"
"""In ARNs of EventBridge Scheduler's targets that are any call of AWS's API."""


class NoDeliveryError(Exception):
    """Nothing can be delivered to the target; the text says why."""


def deliver(aws: Any, target: Target, text: str) -> Answer:
    """Delivers a text to a target; what the service answered.

    Args:
        aws: A session of the cloud.
        target: Where to.
        text: The input.

    Raises:
        NoDeliveryError: the twin delivers nothing to such a target, or the text is not what it takes.
        botocore.exceptions.ClientError: the service refused it.
    """
    service = service_of(target)
    delivery = _DELIVERIES.get(service)
    if delivery is None:
        raise NoDeliveryError(f"the twin's cloud delivers nothing to {target['Arn']}")
    return delivery(aws, target, text)


def service_of(target: Target) -> str:
    """The service that the target's ARN names."""
    return str(target["Arn"].split(":")[2])


def _to_function(aws: Any, target: Target, text: str) -> Answer:
    answer: Answer = aws.client("lambda").invoke(
        FunctionName=target["Arn"], InvocationType="Event", Payload=text.encode()
    )
    return answer


def _to_execution(aws: Any, target: Target, text: str) -> Answer:
    answer: Answer = aws.client("stepfunctions").start_execution(stateMachineArn=target["Arn"], input=text)
    return answer


def _to_topic(aws: Any, target: Target, text: str) -> Answer:
    answer: Answer = aws.client("sns").publish(TopicArn=target["Arn"], Message=text)
    return answer


def _to_job(aws: Any, target: Target, _text: str) -> Answer:
    told = target["BatchParameters"]
    more: dict[str, Any] = {}
    if told.get("RetryStrategy"):
        more["retryStrategy"] = {"attempts": told["RetryStrategy"]["Attempts"]}
    if told.get("ArrayProperties"):
        more["arrayProperties"] = {"size": told["ArrayProperties"]["Size"]}
    answer: Answer = aws.client("batch").submit_job(
        jobName=told["JobName"], jobQueue=target["Arn"], jobDefinition=told["JobDefinition"], **more
    )
    return answer


def _to_stream(aws: Any, target: Target, text: str) -> Answer:
    name = target["Arn"].rpartition("/")[2]
    answer: Answer = aws.client("kinesis").put_record(
        StreamName=name, Data=text.encode(), PartitionKey="event"
    )
    return answer


def _to_delivery_stream(aws: Any, target: Target, text: str) -> Answer:
    name = target["Arn"].rpartition("/")[2]
    answer: Answer = aws.client("firehose").put_record(
        DeliveryStreamName=name, Record={"Data": text.encode()}
    )
    return answer


def _by_any_call(aws: Any, target: Target, text: str) -> Answer:
    """`arn:aws:scheduler:::aws-sdk:batch:submitJob`, with the call's parameters as the text."""
    _, universal, named = str(target["Arn"]).partition(_UNIVERSAL)
    service, _, operation = named.partition(":")
    if not universal or not operation:
        raise NoDeliveryError(f"{target['Arn']} names no call of AWS's API")
    client = aws.client({"sfn": "stepfunctions"}.get(service, service))
    known = {name.casefold(): (method, name) for method, name in client.meta.method_to_api_mapping.items()}
    if operation.casefold() not in known:
        raise NoDeliveryError(f"{service} has no call {operation}")
    method, name = known[operation.casefold()]
    given = json.loads(text)
    answer: Answer = getattr(client, method)(
        **_named_as(client.meta.service_model.operation_model(name).input_shape, given)
    )
    return answer


def _named_as(shape: Any, given: Any) -> Any:
    """Members as botocore spells them: EventBridge begins all of them with a capital."""
    if shape is None or given is None:
        return given
    if shape.type_name == "structure" and isinstance(given, dict):
        members = {name.casefold(): name for name in shape.members}
        spelt = {members.get(str(key).casefold(), key): value for key, value in given.items()}
        return {
            name: _named_as(shape.members[name], value) if name in shape.members else value
            for name, value in spelt.items()
        }
    if shape.type_name == "list" and isinstance(given, list):
        return [_named_as(shape.member, item) for item in given]
    return given


_DELIVERIES: Final[dict[str, Delivery]] = {
    "batch": _to_job,
    "firehose": _to_delivery_stream,
    "kinesis": _to_stream,
    "lambda": _to_function,
    "scheduler": _by_any_call,
    "sns": _to_topic,
    "states": _to_execution,
}
