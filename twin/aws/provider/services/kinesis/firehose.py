"""Delivery of records to S3."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import Adapter, State, found
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.schema import ObjectType, nested
from twin.aws.provider.tagging import Tagging
from twin.aws.provider.waiting import wait_until
from twin.providers.problems import Problems

_NAME: Final = re.compile(r"^[\w.-]{1,64}$", re.ASCII)
_TARGET: Final = "extendedS3Configuration"
_BACKUP: Final = "s3BackupConfiguration"
_DEFAULTS: Final[Mapping[str, Any]] = {
    "bufferingInterval": 300,
    "bufferingSize": 5,
    "compressionFormat": "UNCOMPRESSED",
}
_FLAT: Final = ("bufferingInterval", "bufferingSize", "kmsKeyArn")
_OTHERS: Final = frozenset(
    {
        "elasticsearchConfiguration",
        "httpEndpointConfiguration",
        "icebergConfiguration",
        "mskSourceConfiguration",
        "opensearchConfiguration",
        "opensearchserverlessConfiguration",
        "redshiftConfiguration",
        "snowflakeConfiguration",
        "splunkConfiguration",
    }
)
_LEAST_MIB_PARTITIONED: Final = 64


class FirehoseDeliveryStream(Adapter):
    """A delivery stream; its id is its ARN."""

    token = "aws:kinesis/firehoseDeliveryStream:FirehoseDeliveryStream"
    service = "firehose"
    auto_name = AutoName(max_length=64)
    create_shapes = ("CreateDeliveryStream.input",)
    rename: ClassVar[Mapping[str, str]] = {
        "arn": "DeliveryStreamARN",
        "kinesisSourceConfiguration": "KinesisStreamSourceConfiguration",
        "name": "DeliveryStreamName",
        _TARGET: "ExtendedS3DestinationConfiguration",
        **{f"{_TARGET}.{name}": "" for name in _FLAT},
        **{f"{_TARGET}.{_BACKUP}.{name}": "" for name in _FLAT},
        f"{_TARGET}.dynamicPartitioningConfiguration.retryDuration": "",
    }
    handled = frozenset({"destination", "serverSideEncryption"})
    in_place = frozenset({_TARGET, "serverSideEncryption"})
    volatile = frozenset({"versionId"})
    tagging = Tagging(
        resource="DeliveryStreamName",
        add="tag_delivery_stream",
        remove="untag_delivery_stream",
        read="list_tags_for_delivery_stream",
        target="name",
    )

    def supported(self, cloud: Any) -> frozenset[str]:
        """S3 as destination, Kinesis or the API as source."""
        return super().supported(cloud) - _OTHERS - {"arn", "destinationId", "versionId"}

    @property
    def _target(self) -> ObjectType:
        kind = nested(self.described.inputs.properties[_TARGET])
        if kind is None:
            raise TypeError(f"{_TARGET} is no object")
        return kind

    def complete(self, op: Operation, inputs: State) -> None:
        """Buffers and compression, where nothing is said of them."""
        target = inputs.get(_TARGET)
        if isinstance(target, dict):
            target = {**_DEFAULTS, "s3BackupMode": "Disabled", **target}
            if isinstance(target.get(_BACKUP), dict):
                target[_BACKUP] = {**_DEFAULTS, **target[_BACKUP]}
            inputs[_TARGET] = target

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The destination, its buffers, encryption."""
        name, destination = inputs.get("name"), inputs.get("destination")
        if isinstance(name, str) and not _NAME.match(name):
            problems.add("name", f"{name!r} is not allowed", "up to 64 letters, digits, _ . -")
        if isinstance(destination, str) and destination != "extended_s3":
            problems.add("destination", f"{destination!r} is not emulated by the twin", "use extended_s3")
        target = inputs.get(_TARGET)
        if target is None:
            problems.add(_TARGET, "is missing", "say where in S3")
        elif isinstance(target, dict):
            _check_target(target, problems)
        encryption = inputs.get("serverSideEncryption")
        if isinstance(encryption, dict):
            _check_encryption(encryption, inputs, problems)

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the delivery stream and waits until it works."""
        parameters = self.request(op, "CreateDeliveryStream.input", inputs)
        source = inputs.get("kinesisSourceConfiguration")
        parameters["DeliveryStreamType"] = "KinesisStreamAsSource" if source else "DirectPut"
        target = parameters["ExtendedS3DestinationConfiguration"]
        _add_flat(target, inputs[_TARGET])
        if inputs[_TARGET].get(_BACKUP):
            _add_flat(target["S3BackupConfiguration"], inputs[_TARGET][_BACKUP])
        encryption = inputs.get("serverSideEncryption") or {}
        if encryption.get("enabled"):
            parameters["DeliveryStreamEncryptionConfigurationInput"] = _encryption(encryption)
        op.id = op.call("CreateDeliveryStream", parameters)["DeliveryStreamARN"]
        op.made["name"] = inputs["name"]
        self._settle(op, inputs["name"])
        return None

    def _settle(self, op: Operation, name: str) -> None:
        def settled() -> bool:
            data = self._describe(op, name) or {}
            status = str(data.get("DeliveryStreamStatus"))
            if status.endswith("FAILED"):
                details = (data.get("FailureDescription") or {}).get("Details")
                raise ValueError(f"{name}: {status}: {details or 'no reason given'}")
            return status == "ACTIVE"

        wait_until(settled, f"{name} is active")

    def _describe(self, op: Operation, name: str) -> dict[str, Any] | None:
        answer = found(op.call, operation="DescribeDeliveryStream", params={"DeliveryStreamName": name})
        data: dict[str, Any] | None = answer["DeliveryStreamDescription"] if answer else None
        return data

    def read(self, op: Operation, known: State) -> State | None:
        """Describes the delivery stream; one that is being deleted counts as gone."""
        data = self._describe(op, known["name"])
        if data is None or data.get("DeliveryStreamStatus") == "DELETING":
            return None
        described = data["Destinations"][0]
        state: State = {
            "arn": data["DeliveryStreamARN"],
            "destination": "extended_s3",
            "destinationId": described["DestinationId"],
            "name": data["DeliveryStreamName"],
            "versionId": data["VersionId"],
            _TARGET: self._target_state(op, described["ExtendedS3DestinationDescription"]),
        }
        source = (data.get("Source") or {}).get("KinesisStreamSourceDescription")
        if source:
            names = {"kinesisStreamArn": "KinesisStreamARN", "roleArn": "RoleARN"}
            state["kinesisSourceConfiguration"] = {name: source[member] for name, member in names.items()}
        encryption = data.get("DeliveryStreamEncryptionConfiguration") or {}
        if encryption.get("KeyType") and encryption.get("Status", "ENABLED") in ("ENABLED", "ENABLING"):
            given = {
                "enabled": True,
                "keyType": encryption.get("KeyType"),
                "keyArn": encryption.get("KeyARN"),
            }
            state["serverSideEncryption"] = {key: value for key, value in given.items() if value is not None}
        else:
            state["serverSideEncryption"] = None
        return state

    def _target_state(self, op: Operation, data: Mapping[str, Any]) -> State:
        mapper = self.mapper(op.cloud)
        described = {**data, "S3BackupConfiguration": data.get("S3BackupDescription")}
        shape = "ExtendedS3DestinationConfiguration"
        state = mapper.properties(shape, described, self._target, _TARGET)
        _read_flat(state, data)
        if data.get("S3BackupDescription"):
            _read_flat(state[_BACKUP], data["S3BackupDescription"])
        retry = ((data.get("DynamicPartitioningConfiguration") or {}).get("RetryOptions") or {}).get(
            "DurationInSeconds"
        )
        if retry is not None:
            state["dynamicPartitioningConfiguration"]["retryDuration"] = retry
        return state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """The destination, then encryption."""
        name = {"DeliveryStreamName": news["name"]}
        if _TARGET in changed:
            mapper = self.mapper(op.cloud)
            target = mapper.request("ExtendedS3DestinationUpdate", news[_TARGET], self._target, path=_TARGET)
            _add_flat(target, news[_TARGET])
            backup = news[_TARGET].get(_BACKUP)
            if backup:
                kind = nested(self._target.properties[_BACKUP])
                path = f"{_TARGET}.{_BACKUP}"
                sent = mapper.request("S3DestinationUpdate", backup, kind or self._target, path=path)
                _add_flat(sent, backup)
                target["S3BackupUpdate"] = sent
            data = self._describe(op, news["name"]) or {}
            op.call(
                "UpdateDestination",
                {
                    **name,
                    "CurrentDeliveryStreamVersionId": data["VersionId"],
                    "DestinationId": data["Destinations"][0]["DestinationId"],
                    "ExtendedS3DestinationUpdate": target,
                },
            )
        if "serverSideEncryption" in changed:
            encryption = news.get("serverSideEncryption") or {}
            if encryption.get("enabled"):
                given = {"DeliveryStreamEncryptionConfigurationInput": _encryption(encryption)}
                op.call("StartDeliveryStreamEncryption", {**name, **given})
            else:
                op.call("StopDeliveryStreamEncryption", name)
        self._settle(op, news["name"])

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the delivery stream and waits until it is gone."""
        op.call("DeleteDeliveryStream", {"DeliveryStreamName": known["name"]})
        wait_until(lambda: self._describe(op, known["name"]) is None, f"{op.id} is deleted")

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The ARN, which ends in the name."""
        return {"arn": identifier, "name": identifier.rsplit("/", 1)[-1]}


def _add_flat(target: dict[str, Any], given: Mapping[str, Any]) -> None:
    """What Pulumi flattens: buffers, the key, how long is tried again."""
    target["BufferingHints"] = {
        "SizeInMBs": given["bufferingSize"],
        "IntervalInSeconds": given["bufferingInterval"],
    }
    key = given.get("kmsKeyArn")
    target["EncryptionConfiguration"] = (
        {"KMSEncryptionConfig": {"AWSKMSKeyARN": key}} if key else {"NoEncryptionConfig": "NoEncryption"}
    )
    retry = (given.get("dynamicPartitioningConfiguration") or {}).get("retryDuration")
    if retry is not None:
        target["DynamicPartitioningConfiguration"]["RetryOptions"] = {"DurationInSeconds": retry}


def _read_flat(state: State, data: Mapping[str, Any]) -> None:
    hints = data.get("BufferingHints") or {}
    state["bufferingSize"] = hints.get("SizeInMBs", _DEFAULTS["bufferingSize"])
    state["bufferingInterval"] = hints.get("IntervalInSeconds", _DEFAULTS["bufferingInterval"])
    state.setdefault("compressionFormat", _DEFAULTS["compressionFormat"])
    key = (data.get("EncryptionConfiguration") or {}).get("KMSEncryptionConfig") or {}
    if key:
        state["kmsKeyArn"] = key["AWSKMSKeyARN"]


def _encryption(given: Mapping[str, Any]) -> dict[str, Any]:
    kind = {"KeyType": given.get("keyType") or "AWS_OWNED_CMK"}
    return {**kind, "KeyARN": given["keyArn"]} if given.get("keyArn") else kind


def _check_target(target: Mapping[str, Any], problems: Problems) -> None:
    size, seconds = target.get("bufferingSize"), target.get("bufferingInterval")
    if isinstance(size, int) and not 1 <= size <= 128:
        problems.add(f"{_TARGET}.bufferingSize", f"{size} is out of range", "give 1 to 128 MiB")
    if isinstance(seconds, int) and not 0 <= seconds <= 900:
        problems.add(f"{_TARGET}.bufferingInterval", f"{seconds} is out of range", "give 0 to 900 seconds")
    for name in ("dataFormatConversionConfiguration", "dynamicPartitioningConfiguration"):
        part = target.get(name)
        if not isinstance(part, dict) or not part.get("enabled", name.startswith("data")):
            continue
        if isinstance(size, int) and size < _LEAST_MIB_PARTITIONED:
            path = f"{_TARGET}.bufferingSize"
            problems.add(
                path, f"{size} is too small for {name}", f"give at least {_LEAST_MIB_PARTITIONED} MiB"
            )
        if name.startswith("data") and target.get("compressionFormat") != "UNCOMPRESSED":
            path = f"{_TARGET}.compressionFormat"
            problems.add(path, f"the serializer compresses with {name}", "say UNCOMPRESSED, or leave it out")
    if target.get("s3BackupMode") == "Enabled" and target.get(_BACKUP) is None:
        problems.add(f"{_TARGET}.{_BACKUP}", "is missing", "s3BackupMode Enabled needs it")


def _check_encryption(encryption: Mapping[str, Any], inputs: Mapping[str, Any], problems: Problems) -> None:
    if encryption.get("enabled") is True and inputs.get("kinesisSourceConfiguration") is not None:
        problems.add("serverSideEncryption", "the stream encrypts its own records", "leave it out")
    kind, key = encryption.get("keyType"), encryption.get("keyArn")
    if isinstance(kind, str) and kind not in ("AWS_OWNED_CMK", "CUSTOMER_MANAGED_CMK"):
        path = "serverSideEncryption.keyType"
        problems.add(path, f"{kind!r} is not allowed", "use AWS_OWNED_CMK or CUSTOMER_MANAGED_CMK")
    if kind == "CUSTOMER_MANAGED_CMK" and key is None:
        problems.add("serverSideEncryption.keyArn", "is missing", "name the key")
    if key is not None and kind in (None, "AWS_OWNED_CMK"):
        problems.add("serverSideEncryption.keyArn", "is for CUSTOMER_MANAGED_CMK", "say that keyType")
