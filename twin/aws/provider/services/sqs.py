"""Amazon SQS."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from botocore.exceptions import ClientError

from twin.aws.provider import documents
from twin.aws.provider.adapter import Adapter, State
from twin.aws.provider.clients import is_missing
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging
from twin.providers.problems import Problems
from twin.wire import UNKNOWN

_ATTRIBUTES: Final[Mapping[str, str]] = {
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "deduplicationScope": "DeduplicationScope",
    "delaySeconds": "DelaySeconds",
    "fifoQueue": "FifoQueue",
    "fifoThroughputLimit": "FifoThroughputLimit",
    "kmsDataKeyReusePeriodSeconds": "KmsDataKeyReusePeriodSeconds",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "maxMessageSize": "MaximumMessageSize",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "policy": "Policy",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "redrivePolicy": "RedrivePolicy",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
}
_RANGES: Final = {
    "delaySeconds": (0, 900),
    "maxMessageSize": (1024, 1_048_576),
    "messageRetentionSeconds": (60, 1_209_600),
    "receiveWaitTimeSeconds": (0, 20),
    "visibilityTimeoutSeconds": (0, 43_200),
    "kmsDataKeyReusePeriodSeconds": (60, 86_400),
}
_NUMBERS: Final = frozenset(_RANGES)
_TRUTHS: Final = frozenset({"contentBasedDeduplication", "fifoQueue", "sqsManagedSseEnabled"})


class Queue(Adapter):
    """A queue; its id is its URL."""

    token = "aws:sqs/queue:Queue"
    service = "sqs"
    auto_name = AutoName(
        max_length=80, suffix=lambda inputs: ".fifo" if inputs.get("fifoQueue") is True else ""
    )
    handled = frozenset(_ATTRIBUTES)
    elsewhere = frozenset({"policy", "redrivePolicy"})
    in_place = frozenset(_ATTRIBUTES) - {"fifoQueue"}
    defaults: ClassVar[Mapping[str, Any]] = {
        "delaySeconds": 0,
        "maxMessageSize": 262_144,
        "messageRetentionSeconds": 345_600,
        "receiveWaitTimeSeconds": 0,
        "visibilityTimeoutSeconds": 30,
    }
    tagging = Tagging(
        resource="QueueUrl",
        add="tag_queue",
        remove="untag_queue",
        read="list_queue_tags",
        pair=None,
        target="url",
    )
    policies: ClassVar[Mapping[str, bool]] = {"policy": True}

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Ranges, the name's letters, and what goes with FIFO."""
        for limited, (least, most) in _RANGES.items():
            value = inputs.get(limited)
            if isinstance(value, int) and not least <= value <= most:
                problems.add(limited, f"{value} is out of range", f"give {least} to {most}")
        name = inputs.get("name")
        if isinstance(name, str):
            plain = name.removesuffix(".fifo")
            if not plain.replace("-", "").replace("_", "").isalnum() or len(name) > 80:
                problems.add("name", f"{name!r} is not allowed", "up to 80 letters, digits, - and _")
            if inputs.get("fifoQueue") is not UNKNOWN and name.endswith(".fifo") != bool(
                inputs.get("fifoQueue")
            ):
                problems.add("name", f"{name!r}", "exactly the names of FIFO queues end in .fifo")
        if inputs.get("contentBasedDeduplication") is True and not inputs.get("fifoQueue"):
            problems.add("contentBasedDeduplication", "is for FIFO queues", "set fifoQueue, or leave it out")
        if inputs.get("kmsMasterKeyId") and inputs.get("sqsManagedSseEnabled") is True:
            problems.add("sqsManagedSseEnabled", "conflicts with kmsMasterKeyId", "give one of the two")
        redrive = inputs.get("redrivePolicy")
        if isinstance(redrive, str) and documents.parse(redrive) is None:
            problems.add("redrivePolicy", "is not JSON", "give a JSON object")

    def create(self, op: Operation, inputs: State) -> State | None:
        """One call; the state follows from it."""
        parameters: dict[str, Any] = {"QueueName": inputs["name"], "Attributes": _attributes(inputs)}
        if inputs.get("tags"):
            parameters["tags"] = inputs["tags"]
        op.client().create_queue(**parameters)
        url = op.id = _url(op, inputs["name"])
        encrypted = inputs.get("sqsManagedSseEnabled", not inputs.get("kmsMasterKeyId"))
        fifo = {"deduplicationScope": "queue", "fifoThroughputLimit": "perQueue"}
        return {
            **(fifo if inputs.get("fifoQueue") else {}),
            **inputs,
            "arn": op.arn("sqs", inputs["name"]),
            "url": url,
            "fifoQueue": bool(inputs.get("fifoQueue")),
            "contentBasedDeduplication": bool(inputs.get("contentBasedDeduplication")),
            "kmsDataKeyReusePeriodSeconds": inputs.get("kmsDataKeyReusePeriodSeconds", 300),
            "sqsManagedSseEnabled": encrypted,
        }

    def read(self, op: Operation, known: State) -> State | None:
        """The queue's attributes."""
        url = op.id
        try:
            found = op.client().get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        state: State = {name: _parsed(name, found.get(member)) for name, member in _ATTRIBUTES.items()}
        state["arn"] = found["QueueArn"]
        state["name"] = found["QueueArn"].rsplit(":", 1)[-1]
        state["url"] = url
        state["fifoQueue"] = bool(state["fifoQueue"])
        state["contentBasedDeduplication"] = bool(state["contentBasedDeduplication"])
        if state["kmsDataKeyReusePeriodSeconds"] is None:
            state["kmsDataKeyReusePeriodSeconds"] = 300
        return state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Sets the attributes that changed; one that was taken away is emptied."""
        attributes = _attributes({name: news.get(name, "") for name in changed if name in _ATTRIBUTES})
        if attributes:
            op.client().set_queue_attributes(QueueUrl=op.id, Attributes=attributes)

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the queue and its messages."""
        op.client().delete_queue(QueueUrl=op.id)

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The id is the URL."""
        return {"url": identifier, "name": identifier.rsplit("/", 1)[-1]}


def _url(op: Operation, name: str) -> str:
    """The queue's URL in AWS: the emulator's own would change with its port."""
    return f"https://sqs.{op.region}.{op.dns_suffix}/{op.account}/{name}"


def _attributes(inputs: Mapping[str, Any]) -> dict[str, str]:
    result = {}
    for name, member in _ATTRIBUTES.items():
        value = inputs.get(name)
        if value is None or (name == "fifoQueue" and not value):
            continue
        if name == "contentBasedDeduplication" and not value and "fifoQueue" not in inputs:
            continue
        result[member] = ("true" if value else "false") if isinstance(value, bool) else str(value)
    return result


def _parsed(name: str, text: str | None) -> Any:
    if text is None:
        return None
    if name in _NUMBERS:
        return int(text)
    return text.lower() == "true" if name in _TRUTHS else text


class _QueueAttribute(Adapter):
    """One attribute of a queue as a resource of its own; its id is the queue's URL."""

    service = "sqs"
    attribute: ClassVar[str]
    carried: ClassVar[str]
    """The input that holds the attribute."""

    def create(self, op: Operation, inputs: State) -> State | None:
        """Sets the attribute."""
        self._set(op, inputs["queueUrl"], inputs[self.carried])
        op.id = inputs["queueUrl"]
        return None

    def _set(self, op: Operation, url: str, value: Any) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        op.client().set_queue_attributes(QueueUrl=url, Attributes={self.attribute: text})

    def read(self, op: Operation, known: State) -> State | None:
        """Reads the attribute."""
        try:
            found = op.client().get_queue_attributes(QueueUrl=op.id, AttributeNames=["All"])
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        text = (found.get("Attributes") or {}).get(self.attribute)
        return {"queueUrl": op.id, self.carried: text} if text else None

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Sets the attribute again."""
        self._set(op, op.id, news[self.carried])

    def delete(self, op: Operation, known: State) -> None:
        """Empties the attribute."""
        self._set(op, op.id, "")

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The id is the queue's URL."""
        return {"queueUrl": identifier}


class QueuePolicy(_QueueAttribute):
    """Who may use a queue."""

    token = "aws:sqs/queuePolicy:QueuePolicy"
    attribute, carried = "Policy", "policy"
    handled = frozenset({"queueUrl", "policy"})
    in_place = frozenset({"policy"})
    policies: ClassVar[Mapping[str, bool]] = {"policy": True}


class RedrivePolicy(_QueueAttribute):
    """Where a queue's failed messages go."""

    token = "aws:sqs/redrivePolicy:RedrivePolicy"
    attribute, carried = "RedrivePolicy", "redrivePolicy"
    handled = frozenset({"queueUrl", "redrivePolicy"})
    in_place = frozenset({"redrivePolicy"})
