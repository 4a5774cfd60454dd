"""What a bucket tells queues, topics and functions of."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from twin.aws.provider.adapter import Adapter, State
from twin.aws.provider.clients import is_missing
from twin.aws.provider.operation import Operation
from twin.providers.problems import Problems

_TARGETS: Final[Mapping[str, tuple[str, str, str]]] = {
    "lambdaFunctions": ("LambdaFunctionConfigurations", "lambdaFunctionArn", "LambdaFunctionArn"),
    "queues": ("QueueConfigurations", "queueArn", "QueueArn"),
    "topics": ("TopicConfigurations", "topicArn", "TopicArn"),
}
_FILTERS: Final[Mapping[str, str]] = {"filterPrefix": "prefix", "filterSuffix": "suffix"}


class BucketNotification(Adapter):
    """All notifications of one bucket; its id is the bucket's name."""

    token = "aws:s3/bucketNotification:BucketNotification"
    service = "s3"
    handled = frozenset({"bucket", "eventbridge", *_TARGETS})
    in_place = handled - {"bucket"}

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Events are S3's."""
        for kind in _TARGETS:
            entries = inputs.get(kind)
            for place, entry in enumerate(entries if isinstance(entries, list) else []):
                events = entry.get("events") if isinstance(entry, dict) else None
                for number, event in enumerate(events if isinstance(events, list) else []):
                    if isinstance(event, str) and not event.startswith("s3:"):
                        path = f"{kind}[{place}].events[{number}]"
                        problems.add(path, f"{event!r} is no event", "give one such as s3:ObjectCreated:*")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Puts all of them at once."""
        self._put(op, inputs["bucket"], inputs)
        op.id = inputs["bucket"]
        return None

    def _put(self, op: Operation, bucket: str, inputs: Mapping[str, Any]) -> None:
        configuration: dict[str, Any] = {}
        for kind, (member, name, api_name) in _TARGETS.items():
            if inputs.get(kind):
                configuration[member] = [_sent(entry, name, api_name) for entry in inputs[kind]]
        if inputs.get("eventbridge"):
            configuration["EventBridgeConfiguration"] = {}
        op.client().put_bucket_notification_configuration(
            Bucket=bucket, NotificationConfiguration=configuration, SkipDestinationValidation=True
        )

    def read(self, op: Operation, known: State) -> State | None:
        """Gets all of them."""
        try:
            found = op.client().get_bucket_notification_configuration(Bucket=op.id)
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        state: State = {"bucket": op.id}
        for kind, (member, name, api_name) in _TARGETS.items():
            entries = found.get(member) or []
            state[kind] = [
                _received(entry, name, api_name, given) for entry, given in _paired(entries, known.get(kind))
            ]
        state["eventbridge"] = "EventBridgeConfiguration" in found
        nothing = not any(state[kind] for kind in _TARGETS) and not state["eventbridge"]
        return None if nothing else state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Puts all of them again."""
        self._put(op, op.id, news)

    def delete(self, op: Operation, known: State) -> None:
        """An empty configuration."""
        self._put(op, op.id, {})

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The id is the bucket's name."""
        return {"bucket": identifier}


def _sent(entry: Mapping[str, Any], name: str, api_name: str) -> dict[str, Any]:
    result: dict[str, Any] = {api_name: entry[name], "Events": entry["events"]}
    if entry.get("id"):
        result["Id"] = entry["id"]
    rules = [
        {"Name": rule, "Value": entry[property_name]}
        for property_name, rule in _FILTERS.items()
        if entry.get(property_name)
    ]
    return {**result, "Filter": {"Key": {"FilterRules": rules}}} if rules else result


def _received(entry: Mapping[str, Any], name: str, api_name: str, given: Any) -> dict[str, Any]:
    result: dict[str, Any] = {name: entry[api_name], "events": entry["Events"], "id": entry.get("Id")}
    rules = {
        rule["Name"].lower(): rule["Value"]
        for rule in entry.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    }
    result.update({key: rules.get(rule) for key, rule in _FILTERS.items()})
    return {key: value for key, value in result.items() if value is not None}


def _paired(entries: Iterable[Any], given: Any) -> list[tuple[Any, Any]]:
    known = given if isinstance(given, list) else []
    return [(entry, known[place] if place < len(known) else {}) for place, entry in enumerate(entries)]
