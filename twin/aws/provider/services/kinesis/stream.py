"""Streams of records."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import Adapter, State, found
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging
from twin.aws.provider.waiting import wait_until
from twin.providers.problems import Problems

_NAME: Final = re.compile(r"^[\w.-]{1,128}$", re.ASCII)
_NEW_RETENTION_HOURS: Final = 24
_MOST_RETENTION_HOURS: Final = 8760
_METRICS: Final = frozenset(
    {
        "IncomingBytes",
        "IncomingRecords",
        "IteratorAgeMilliseconds",
        "OutgoingBytes",
        "OutgoingRecords",
        "ReadProvisionedThroughputExceeded",
        "WriteProvisionedThroughputExceeded",
    }
)


class Stream(Adapter):
    """A stream; its id is its ARN."""

    token = "aws:kinesis/stream:Stream"
    service = "kinesis"
    auto_name = AutoName(max_length=128)
    rename: ClassVar[Mapping[str, str]] = {"name": "StreamName"}
    handled = frozenset(
        {
            "encryptionType",
            "kmsKeyId",
            "retentionPeriod",
            "shardCount",
            "shardLevelMetrics",
            "streamModeDetails",
        }
    )
    in_place = handled
    local = frozenset({"enforceConsumerDeletion"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "encryptionType": "NONE",
        "enforceConsumerDeletion": False,
        "retentionPeriod": _NEW_RETENTION_HOURS,
    }
    tagging = Tagging(
        resource="StreamName",
        add="add_tags_to_stream",
        remove="remove_tags_from_stream",
        read="list_tags_for_stream",
        pair=None,
        target="name",
    )

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Name, shards or on demand, retention, encryption, metrics."""
        name = inputs.get("name")
        if isinstance(name, str) and not _NAME.match(name):
            problems.add("name", f"{name!r} is not allowed", "up to 128 letters, digits, _ . -")
        details, shards = inputs.get("streamModeDetails"), inputs.get("shardCount")
        mode = details.get("streamMode") if isinstance(details, dict) else "PROVISIONED"
        if isinstance(mode, str) and mode not in ("ON_DEMAND", "PROVISIONED"):
            path = "streamModeDetails.streamMode"
            problems.add(path, f"{mode!r} is not allowed", "use ON_DEMAND or PROVISIONED")
        if details is None and shards is None:
            problems.add("shardCount", "is missing", "give it, or the stream mode ON_DEMAND")
        elif isinstance(details, dict) and mode == "PROVISIONED" and shards is None:
            problems.add("shardCount", "is missing", "PROVISIONED needs it")
        if mode == "ON_DEMAND" and isinstance(shards, int):
            problems.add("shardCount", "is for PROVISIONED", "leave it out")
        elif isinstance(shards, int) and shards < 1:
            problems.add("shardCount", f"{shards} is too small", "give at least 1")
        hours = inputs.get("retentionPeriod")
        if isinstance(hours, int) and not _NEW_RETENTION_HOURS <= hours <= _MOST_RETENTION_HOURS:
            problems.add("retentionPeriod", f"{hours} is out of range", "give 24 to 8760 hours")
        _check_encryption(inputs, problems)
        metrics = inputs.get("shardLevelMetrics")
        for place, metric in enumerate(metrics if isinstance(metrics, list) else []):
            if isinstance(metric, str) and metric not in _METRICS:
                allowed = ", ".join(sorted(_METRICS))
                problems.add(f"shardLevelMetrics[{place}]", f"{metric!r}", f"use one of: {allowed}")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the stream, waits, then sets what the create operation does not take."""
        parameters: dict[str, Any] = {"StreamName": inputs["name"]}
        if inputs.get("shardCount"):
            parameters["ShardCount"] = inputs["shardCount"]
        if inputs.get("streamModeDetails"):
            mode = inputs["streamModeDetails"]["streamMode"]
            parameters["StreamModeDetails"] = {"StreamMode": mode}
        op.call("CreateStream", parameters)
        op.id = op.arn("kinesis", f"stream/{inputs['name']}")
        self._settle(op)
        if inputs.get("tags"):  # moto forgets those that the create operation is given
            op.call("AddTagsToStream", {"StreamName": inputs["name"], "Tags": inputs["tags"]})
        new: State = {"encryptionType": "NONE", "retentionPeriod": _NEW_RETENTION_HOURS}
        settings = ("encryptionType", "retentionPeriod", "shardLevelMetrics")
        self._set(op, new, inputs, frozenset(name for name in settings if inputs.get(name) != new.get(name)))
        return None

    def _settle(self, op: Operation) -> None:
        wait_until(lambda: (self._summary(op) or {}).get("StreamStatus") == "ACTIVE", f"{op.id} is active")

    def _summary(self, op: Operation) -> dict[str, Any] | None:
        answer = found(op.call, operation="DescribeStreamSummary", params={"StreamARN": op.id})
        summary: dict[str, Any] | None = answer["StreamDescriptionSummary"] if answer else None
        return summary

    def read(self, op: Operation, known: State) -> State | None:
        """Describes the stream; one that is being deleted counts as gone."""
        data = self._summary(op)
        if data is None or data.get("StreamStatus") == "DELETING":
            return None
        mode = (data.get("StreamModeDetails") or {}).get("StreamMode") or "PROVISIONED"
        metrics = [
            each for entry in data.get("EnhancedMonitoring") or () for each in entry["ShardLevelMetrics"]
        ]
        return {
            "arn": data["StreamARN"],
            "encryptionType": data.get("EncryptionType") or "NONE",
            "kmsKeyId": data.get("KeyId"),
            "name": data["StreamName"],
            "retentionPeriod": data["RetentionPeriodHours"],
            "shardCount": data["OpenShardCount"] if mode == "PROVISIONED" else None,
            "shardLevelMetrics": sorted(metrics),
            "streamModeDetails": {"streamMode": mode},
        }

    def same(self, name: str, left: Any, right: Any) -> bool:
        """A key by its id or by its ARN."""
        return name == "kmsKeyId" and str(left).rsplit("/", 1)[-1] == str(right).rsplit("/", 1)[-1]

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Each setting has a call of its own, and the stream is busy after some."""
        self._set(op, olds, news, changed)

    def _set(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        stream = {"StreamARN": op.id}
        name = {"StreamName": news["name"]}
        if "streamModeDetails" in changed and news.get("streamModeDetails"):
            mode = {"StreamMode": news["streamModeDetails"]["streamMode"]}
            op.call("UpdateStreamMode", {**stream, "StreamModeDetails": mode})
            self._settle(op)
        if "shardCount" in changed and news.get("shardCount"):
            count = {"TargetShardCount": news["shardCount"], "ScalingType": "UNIFORM_SCALING"}
            op.call("UpdateShardCount", {**name, **count})
            self._settle(op)
        before, after = olds.get("retentionPeriod") or _NEW_RETENTION_HOURS, news["retentionPeriod"]
        if "retentionPeriod" in changed and before != after:
            verb = "Increase" if after > before else "Decrease"
            op.call(f"{verb}StreamRetentionPeriod", {**name, "RetentionPeriodHours": after})
            self._settle(op)
        if changed & {"encryptionType", "kmsKeyId"}:
            self._encrypt(op, olds, news)
        if "shardLevelMetrics" in changed:
            had, has = set(olds.get("shardLevelMetrics") or ()), set(news.get("shardLevelMetrics") or ())
            for verb, metrics in (("Disable", had - has), ("Enable", has - had)):
                if metrics:
                    op.call(f"{verb}EnhancedMonitoring", {**name, "ShardLevelMetrics": sorted(metrics)})
                    self._settle(op)

    def _encrypt(self, op: Operation, olds: State, news: State) -> None:
        stream = {"StreamName": news["name"], "EncryptionType": "KMS"}
        if news.get("encryptionType") == "KMS":
            op.call("StartStreamEncryption", {**stream, "KeyId": news["kmsKeyId"]})
        elif olds.get("encryptionType") == "KMS":
            op.call("StopStreamEncryption", {**stream, "KeyId": olds["kmsKeyId"]})
        self._settle(op)

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the stream and waits until it is gone."""
        force = bool(known.get("enforceConsumerDeletion"))
        op.call("DeleteStream", {"StreamARN": op.id, "EnforceConsumerDeletion": force})
        wait_until(lambda: self._summary(op) is None, f"{op.id} is deleted")

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The ARN, or the name as for an import."""
        arn = identifier if identifier.startswith("arn:") else op.arn("kinesis", f"stream/{identifier}")
        op.id = arn
        return {"arn": arn, "name": arn.rsplit("/", 1)[-1]}


def _check_encryption(inputs: Mapping[str, Any], problems: Problems) -> None:
    kind, key = inputs.get("encryptionType"), inputs.get("kmsKeyId")
    if isinstance(kind, str) and kind not in ("KMS", "NONE"):
        problems.add("encryptionType", f"{kind!r} is not allowed", "use KMS or NONE")
    if kind == "KMS" and key is None:
        problems.add("kmsKeyId", "is missing", 'name a key, or "alias/aws/kinesis"')
    if kind == "NONE" and key is not None:
        problems.add("kmsKeyId", "is for encryptionType KMS", 'say encryptionType "KMS"')
