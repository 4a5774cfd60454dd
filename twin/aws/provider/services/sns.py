"""Amazon SNS."""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider import documents
from twin.aws.provider.adapter import Adapter, State, found
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging, as_pairs
from twin.providers.problems import Problems
from twin.wire import UNKNOWN

_TOPIC: Final[Mapping[str, str]] = {
    "archivePolicy": "ArchivePolicy",
    "contentBasedDeduplication": "ContentBasedDeduplication",
    "deliveryPolicy": "DeliveryPolicy",
    "displayName": "DisplayName",
    "fifoThroughputScope": "FifoThroughputScope",
    "fifoTopic": "FifoTopic",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "policy": "Policy",
    "signatureVersion": "SignatureVersion",
    "tracingConfig": "TracingConfig",
}
_SUBSCRIPTION: Final[Mapping[str, str]] = {
    "deliveryPolicy": "DeliveryPolicy",
    "filterPolicy": "FilterPolicy",
    "filterPolicyScope": "FilterPolicyScope",
    "rawMessageDelivery": "RawMessageDelivery",
    "redrivePolicy": "RedrivePolicy",
    "subscriptionRoleArn": "SubscriptionRoleArn",
}
_TRUTHS: Final = frozenset({"contentBasedDeduplication", "fifoTopic", "rawMessageDelivery"})
_PROTOCOLS: Final = (
    "application",
    "email",
    "email-json",
    "firehose",
    "http",
    "https",
    "lambda",
    "sms",
    "sqs",
)


class Topic(Adapter):
    """A topic; its id is its ARN."""

    token = "aws:sns/topic:Topic"
    service = "sns"
    auto_name = AutoName(
        max_length=256, suffix=lambda inputs: ".fifo" if inputs.get("fifoTopic") is True else ""
    )
    handled = frozenset(_TOPIC)
    elsewhere = frozenset({"policy"})
    in_place = frozenset(_TOPIC) - {"fifoTopic"}
    tagging = Tagging()
    policies: ClassVar[Mapping[str, bool]] = {"policy": True}

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The name's letters, and what goes with FIFO."""
        name = inputs.get("name")
        if isinstance(name, str):
            plain = name.removesuffix(".fifo").replace("-", "").replace("_", "")
            if not plain.isalnum() or not plain.isascii():
                problems.add("name", f"{name!r} is not allowed", "up to 256 letters, digits, - and _")
            if inputs.get("fifoTopic") is not UNKNOWN and name.endswith(".fifo") != bool(
                inputs.get("fifoTopic")
            ):
                problems.add("name", f"{name!r}", "exactly the names of FIFO topics end in .fifo")
        if inputs.get("contentBasedDeduplication") is True and not inputs.get("fifoTopic"):
            problems.add("contentBasedDeduplication", "is for FIFO topics", "set fifoTopic, or leave it out")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the topic with its attributes."""
        parameters: dict[str, Any] = {"Name": inputs["name"], "Attributes": _attributes(inputs, _TOPIC)}
        if inputs.get("tags"):
            parameters["Tags"] = as_pairs(inputs["tags"])
        op.id = op.client().create_topic(**parameters)["TopicArn"]
        return None

    def read(self, op: Operation, known: State) -> State | None:
        """The topic's attributes."""
        answer = found(op.client().get_topic_attributes, TopicArn=op.id)
        if answer is None:
            return None
        attributes = answer["Attributes"]
        state = {name: _parsed(name, attributes.get(member)) for name, member in _TOPIC.items()}
        if state["signatureVersion"] is None:
            state["signatureVersion"] = known.get("signatureVersion", 0)
        return {
            **state,
            "arn": op.id,
            "name": op.id.rsplit(":", 1)[-1],
            "owner": attributes.get("Owner") or op.account,
            "fifoTopic": bool(state["fifoTopic"]),
            "contentBasedDeduplication": bool(state["contentBasedDeduplication"]),
        }

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Sets each attribute that changed; one that was taken away is emptied."""
        for name in sorted(changed & set(_TOPIC)):
            op.client().set_topic_attributes(
                TopicArn=op.id, AttributeName=_TOPIC[name], AttributeValue=_text(news.get(name))
            )

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the topic and its subscriptions."""
        op.client().delete_topic(TopicArn=op.id)

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The ARN."""
        return {"arn": identifier, "name": identifier.rsplit(":", 1)[-1]}


class TopicPolicy(Adapter):
    """Who may use a topic; its id is the topic's ARN."""

    token = "aws:sns/topicPolicy:TopicPolicy"
    service = "sns"
    handled = frozenset({"arn", "policy"})
    in_place = frozenset({"policy"})
    policies: ClassVar[Mapping[str, bool]] = {"policy": True}

    def create(self, op: Operation, inputs: State) -> State | None:
        """Sets the policy."""
        self._set(op, inputs["arn"], inputs["policy"])
        op.id = inputs["arn"]
        return None

    def _set(self, op: Operation, arn: str, policy: Any) -> None:
        text = policy if isinstance(policy, str) else documents.dump(policy)
        op.client().set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=text)

    def read(self, op: Operation, known: State) -> State | None:
        """Reads the policy."""
        answer = found(op.client().get_topic_attributes, TopicArn=op.id)
        policy = (answer or {}).get("Attributes", {}).get("Policy")
        if not answer or not policy or documents.same(policy, self._default(op)):
            return None
        return {"arn": op.id, "policy": policy, "owner": answer["Attributes"].get("Owner") or op.account}

    def _default(self, op: Operation) -> str:
        """The policy that every topic begins with: its owner may use it."""
        actions = [
            "SNS:GetTopicAttributes",
            "SNS:SetTopicAttributes",
            "SNS:AddPermission",
            "SNS:RemovePermission",
            "SNS:DeleteTopic",
            "SNS:Subscribe",
            "SNS:ListSubscriptionsByTopic",
            "SNS:Publish",
        ]
        statement = {
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": actions,
            "Resource": op.id,
            "Condition": {"StringEquals": {"AWS:SourceOwner": op.account}},
        }
        return documents.dump(
            {"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}
        )

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Sets the policy again."""
        self._set(op, op.id, news["policy"])

    def delete(self, op: Operation, known: State) -> None:
        """Sets the policy back to the one that a topic begins with."""
        self._set(op, op.id, self._default(op))

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The topic's ARN."""
        return {"arn": identifier}


class TopicSubscription(Adapter):
    """Who is told; its id is its ARN."""

    token = "aws:sns/topicSubscription:TopicSubscription"
    service = "sns"
    handled = frozenset({"endpoint", "protocol", "topic", *_SUBSCRIPTION})
    in_place = frozenset(_SUBSCRIPTION)
    local = frozenset({"confirmationTimeoutInMinutes", "endpointAutoConfirms"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "confirmationTimeoutInMinutes": 1,
        "endpointAutoConfirms": False,
        "rawMessageDelivery": False,
    }

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The protocol, and an endpoint of its form."""
        protocol, endpoint = inputs.get("protocol"), inputs.get("endpoint")
        if isinstance(protocol, str) and protocol not in _PROTOCOLS:
            problems.add("protocol", f"{protocol!r} is not allowed", f"use one of: {', '.join(_PROTOCOLS)}")
        if not isinstance(endpoint, str):
            return
        if protocol in ("sqs", "lambda", "firehose", "application") and not endpoint.startswith("arn:"):
            problems.add("endpoint", f"{endpoint!r} is no ARN", f"{protocol} takes an ARN")
        if protocol in ("http", "https") and not endpoint.startswith(f"{protocol}://"):
            problems.add("endpoint", f"{endpoint!r} is no {protocol} URL", f"begin with {protocol}://")
        if protocol in ("email", "email-json") and "@" not in endpoint:
            problems.add("endpoint", f"{endpoint!r} is no mail address", "give one")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Subscribes with its attributes."""
        op.id = op.client().subscribe(
            TopicArn=inputs["topic"],
            Protocol=inputs["protocol"],
            Endpoint=inputs["endpoint"],
            Attributes=_attributes(inputs, _SUBSCRIPTION),
            ReturnSubscriptionArn=True,
        )["SubscriptionArn"]
        return None

    def read(self, op: Operation, known: State) -> State | None:
        """The subscription's attributes."""
        answer = found(op.client().get_subscription_attributes, SubscriptionArn=op.id)
        if answer is None:
            return None
        attributes = answer["Attributes"]
        return {
            **{name: _parsed(name, attributes.get(member)) for name, member in _SUBSCRIPTION.items()},
            "arn": op.id,
            "topic": attributes["TopicArn"],
            "protocol": attributes["Protocol"],
            "endpoint": attributes["Endpoint"],
            "ownerId": attributes.get("Owner") or op.account,
            "pendingConfirmation": attributes.get("PendingConfirmation") == "true",
            "confirmationWasAuthenticated": attributes.get("ConfirmationWasAuthenticated") == "true",
            "rawMessageDelivery": attributes.get("RawMessageDelivery") == "true",
            "filterPolicyScope": attributes.get("FilterPolicyScope")
            or ("MessageAttributes" if attributes.get("FilterPolicy") else None),
        }

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Sets each attribute that changed."""
        for name in sorted(changed & set(_SUBSCRIPTION)):
            op.client().set_subscription_attributes(
                SubscriptionArn=op.id, AttributeName=_SUBSCRIPTION[name], AttributeValue=_text(news.get(name))
            )

    def delete(self, op: Operation, known: State) -> None:
        """Unsubscribes."""
        op.client().unsubscribe(SubscriptionArn=op.id)

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The ARN."""
        return {"arn": identifier}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return documents.dump(value) if isinstance(value, dict) else "" if value is None else str(value)


def _attributes(inputs: Mapping[str, Any], members: Mapping[str, str]) -> dict[str, str]:
    return {member: _text(inputs[name]) for name, member in members.items() if inputs.get(name)}


def _parsed(name: str, text: str | None) -> Any:
    if text is None or text == "":
        return None
    if name in _TRUTHS:
        return text.lower() == "true"
    return int(text) if name == "signatureVersion" else text
