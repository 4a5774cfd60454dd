"""Kinesis streams feed Firehose: records are judged by the stream's function and land in S3.

moto keeps both and joins them nowhere. What AWS collects for minutes is delivered here at once, record by
record group; prefixes are worked out as Firehose does, errors go where it would put them.
"""

import base64
import datetime
import gzip
import json
import logging
import re
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

from twin.aws.cloud.client import session
from twin.aws.cloud.gateway import Gateway
from twin.aws.cloud.http import HttpResponse
from twin.aws.cloud.protocol import Call

_log = logging.getLogger(__name__)
_PUTS: Final = frozenset({"PutRecord", "PutRecords"})
_EXPRESSION: Final = re.compile(r"!\{([A-Za-z-]+):([^}]*)\}")
_JAVA_TIME: Final = (("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M"), ("ss", "%S"))
_DEFAULT_FOLDERS: Final = "%Y/%m/%d/%H/"
_FAILED: Final = "processing-failed"

Destination = Mapping[str, Any]


@dataclass(frozen=True)
class Put:
    """Records that were put into a stream."""

    region: str
    stream: str
    data: tuple[str, ...]
    """Base64."""
    places: tuple[Mapping[str, Any], ...]
    """Shard and sequence number of each."""


@dataclass(frozen=True)
class Outcome:
    """A record after its function has seen it."""

    data: str
    keys: Mapping[str, str]
    failed: bool = False


class DeliveryStreams:
    """Delivers what is put into Kinesis streams that a delivery stream reads."""

    def __init__(self, endpoint: str, *, live: bool) -> None:
        self._endpoint = endpoint
        self._live = live
        self._gateway: Gateway | None = None
        # One at a time: a stream's records keep their order.
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="firehose")
        self._pending = 0
        self._guard = threading.Lock()

    def attach(self, gateway: Gateway) -> None:
        """Hears of records that are put."""
        self._gateway = gateway
        gateway.intercept(self._intercept)

    def busy(self) -> bool:
        """Whether a record is still on its way."""
        return self._pending > 0

    def start(self) -> None:
        """Nothing is left over from an earlier process: what was on its way is lost."""

    def stop(self) -> None:
        """Delivers no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _intercept(self, call: Call) -> HttpResponse | None:
        if call.signer != "kinesis" or call.action not in _PUTS or not self._live or self._gateway is None:
            return None
        response = self._gateway.perform(call)
        if response.status == 200:
            self._queue(_put(call, response))
        return response

    def _queue(self, put: Put) -> None:
        with self._guard:
            self._pending += 1
        try:
            self._pool.submit(self._deliver, put)
        except RuntimeError:  # the cloud is ending
            with self._guard:
                self._pending -= 1

    def _deliver(self, put: Put) -> None:
        try:
            aws: Any = session(self._endpoint, put.region)
            for name, destination in _readers(aws.client("firehose"), put.stream):
                _store(aws, name, destination, _judged(aws, destination, put))
        except Exception:
            _log.exception("records of stream %s were not delivered", put.stream)
        finally:
            with self._guard:
                self._pending -= 1


def _put(call: Call, response: HttpResponse) -> Put:
    asked, answer = json.loads(call.request.body), json.loads(response.body)
    stream = asked.get("StreamName") or str(asked.get("StreamARN", "")).rpartition("/")[2]
    if call.action == "PutRecord":
        return Put(call.region, stream, (asked["Data"],), (answer,))
    accepted = [
        (record["Data"], place)
        for record, place in zip(asked["Records"], answer["Records"], strict=True)
        if not place.get("ErrorCode")
    ]
    return Put(
        call.region, stream, tuple(data for data, _ in accepted), tuple(place for _, place in accepted)
    )


def _readers(firehose: Any, stream: str) -> Iterator[tuple[str, Destination]]:
    """The delivery streams that read a stream, with where they store."""
    for name in firehose.list_delivery_streams(Limit=100)["DeliveryStreamNames"]:
        described = firehose.describe_delivery_stream(DeliveryStreamName=name)["DeliveryStreamDescription"]
        source = described.get("Source", {}).get("KinesisStreamSourceDescription", {})
        if str(source.get("KinesisStreamARN", "")).endswith(f":stream/{stream}"):
            for destination in described["Destinations"]:
                if "ExtendedS3DestinationDescription" in destination:
                    yield name, destination["ExtendedS3DestinationDescription"]


def _judged(aws: Any, destination: Destination, put: Put) -> list[Outcome]:
    function = _function(destination)
    if function is None:
        return [Outcome(data, {}) for data in put.data]
    records = [
        {
            "recordId": str(number),
            "data": data,
            "kinesisRecordMetadata": {"shardId": place["ShardId"], "sequenceNumber": place["SequenceNumber"]},
        }
        for number, (data, place) in enumerate(zip(put.data, put.places, strict=True))
    ]
    invoked = aws.client("lambda").invoke(FunctionName=function, Payload=json.dumps({"records": records}))
    answer = json.load(invoked["Payload"])
    if invoked.get("FunctionError"):
        _log.warning("function %s failed: %s", function, str(answer)[:500])
        return [Outcome(data, {}, failed=True) for data in put.data]
    return [
        Outcome(
            each["data"],
            each.get("metadata", {}).get("partitionKeys", {}),
            each["result"] == "ProcessingFailed",
        )
        for each in answer["records"]
        if each["result"] != "Dropped"
    ]


def _function(destination: Destination) -> str | None:
    """ARN of the function that sees records first."""
    configured = destination.get("ProcessingConfiguration") or {}
    for processor in configured.get("Processors", []) if configured.get("Enabled") else []:
        if processor["Type"] == "Lambda":
            told = {each["ParameterName"]: each["ParameterValue"] for each in processor["Parameters"]}
            return str(told["LambdaArn"]).removesuffix(":$LATEST")
    return None


def _store(aws: Any, name: str, destination: Destination, outcomes: Sequence[Outcome]) -> None:
    now = datetime.datetime.now(datetime.UTC)
    objects: dict[str, list[bytes]] = defaultdict(list)
    for outcome in outcomes:
        data = base64.b64decode(outcome.data)
        if outcome.failed:
            prefix = expanded(destination.get("ErrorOutputPrefix", ""), now, {}, error=_FAILED)
            told = {"errorCode": "Lambda.FunctionError", "attemptsMade": 1, "rawData": outcome.data}
            data = json.dumps(told).encode() + b"\n"
        else:
            prefix = expanded(destination.get("Prefix", ""), now, outcome.keys)
        objects[prefix].append(data)
    bucket = str(destination["BucketARN"]).rpartition(":")[2]
    for prefix, parts in objects.items():
        body, extension = b"".join(parts), destination.get("FileExtension", "")
        if destination.get("CompressionFormat") == "GZIP":
            body = gzip.compress(body, mtime=0)
        key = f"{prefix}{name}-1-{now:%Y-%m-%d-%H-%M-%S}-{uuid4()}{extension}"
        aws.client("s3").put_object(Bucket=bucket, Key=key, Body=body)


def expanded(prefix: str, now: datetime.datetime, keys: Mapping[str, str], *, error: str = "") -> str:
    """A prefix with its expressions worked out; one without any gets the hour's folders, as in Firehose."""

    def value(found: re.Match[str]) -> str:
        namespace, what = found.groups()
        if namespace == "timestamp":
            return now.strftime(_strftime(what))
        if namespace == "firehose" and what == "error-output-type":
            return error
        if namespace.startswith("partitionKeyFrom"):
            return keys.get(what, "")
        return found[0]

    if "!{" not in prefix:
        return prefix + now.strftime(_DEFAULT_FOLDERS)
    return _EXPRESSION.sub(value, prefix)


def _strftime(java: str) -> str:
    for letters, directive in _JAVA_TIME:
        java = java.replace(letters, directive)
    return java
