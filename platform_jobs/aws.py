"""The AWS side: clients made at first use, and a bucket with the few calls that the jobs need."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    import datetime

    from types_boto3_cloudwatch import CloudWatchClient
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_glue import GlueClient
    from types_boto3_s3 import S3Client
    from types_boto3_sagemaker import SageMakerClient
    from types_boto3_sagemaker_runtime import SageMakerRuntimeClient
    from types_boto3_ssm import SSMClient

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

THREADS = 16
"""Calls in flight at once; clients are safe to share between threads, and keep as many connections."""


class Clients:
    """AWS clients of one session.

    Region, credentials and endpoint come from the environment (`AWS_REGION`, `AWS_ENDPOINT_URL`, …) unless
    given: a caller that must reach one cloud and no other passes a session and an endpoint.
    """

    def __init__(
        self,
        *,
        session: boto3.Session | None = None,
        region: str | None = None,
        endpoint_url: str | None = None,
    ) -> None:
        self._session = session or boto3.Session(region_name=region)
        self._endpoint_url = endpoint_url

    @property
    def session(self) -> boto3.Session:
        """Whose credentials the clients use."""
        return self._session

    def client(self, service: Any, **config: Any) -> Any:
        """A client of any service, with retries that suit a job."""
        options = {"max_pool_connections": THREADS, "retries": {"mode": "standard", "max_attempts": 6}}
        # Not given, it must not be passed at all: a session may have an endpoint of its own.
        endpoint: dict[str, Any] = {}
        if self._endpoint_url is not None:
            endpoint["endpoint_url"] = self._endpoint_url
        return self._session.client(service, config=Config(**{**options, **config}), **endpoint)

    @cached_property
    def s3(self) -> "S3Client":
        """Object storage."""
        client: S3Client = self.client("s3")
        return client

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        """Online features and lineage."""
        client: DynamoDBClient = self.client("dynamodb")
        return client

    @cached_property
    def glue(self) -> "GlueClient":
        """The data catalogue."""
        client: GlueClient = self.client("glue")
        return client

    @cached_property
    def sagemaker(self) -> "SageMakerClient":
        """The model registry."""
        client: SageMakerClient = self.client("sagemaker")
        return client

    @cached_property
    def sagemaker_runtime(self) -> "SageMakerRuntimeClient":
        """The endpoints. Fails fast: a caller waits for the answer."""
        client: SageMakerRuntimeClient = self.client("sagemaker-runtime", connect_timeout=2, read_timeout=60)
        return client

    @cached_property
    def cloudwatch(self) -> "CloudWatchClient":
        """Metrics."""
        client: CloudWatchClient = self.client("cloudwatch")
        return client

    @cached_property
    def ssm(self) -> "SSMClient":
        """The release pointers."""
        client: SSMClient = self.client("ssm")
        return client

    @cached_property
    def states(self) -> Any:
        """Step Functions: the model loop's executions."""
        return self.client("stepfunctions")

    def bucket(self, name: str) -> "Bucket":
        """A bucket by its name."""
        return Bucket(self.s3, name)


class StoredObject(NamedTuple):
    """One listed object."""

    key: str
    size: int
    etag: str
    modified: "datetime.datetime"


@dataclass(frozen=True)
class Bucket:
    """One bucket."""

    s3: "S3Client"
    name: str

    def uri(self, key: str) -> str:
        """The object's address."""
        return f"s3://{self.name}/{key}"

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """The objects under a prefix, in key order."""
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
            for item in page.get("Contents", []):
                yield StoredObject(item["Key"], item["Size"], item["ETag"].strip('"'), item["LastModified"])

    def get(self, key: str) -> bytes | None:
        """The object's bytes, or None where there is no such object."""
        try:
            return self.s3.get_object(Bucket=self.name, Key=key)["Body"].read()
        except ClientError as error:
            # Who may list only some prefixes is told "forbidden" where the truth is "not there".
            forbidden = error_code(error) in {"403", "AccessDenied"}
            if is_missing(error) or (forbidden and not any(item.key == key for item in self.list(key))):
                return None
            raise

    def metadata(self, key: str) -> dict[str, str] | None:
        """The object's own metadata, or None where there is no such object."""
        try:
            return self.s3.head_object(Bucket=self.name, Key=key)["Metadata"]
        except ClientError as error:
            if is_missing(error):
                return None
            raise

    def put(
        self, key: str, body: bytes, *, content_type: str, metadata: dict[str, str] | None = None
    ) -> None:
        """Writes an object whole."""
        self.s3.put_object(
            Bucket=self.name, Key=key, Body=body, ContentType=content_type, Metadata=metadata or {}
        )

    def download(self, key: str, target: IO[bytes]) -> None:
        """Streams an object into a file."""
        self.s3.download_fileobj(self.name, key, target)

    def stream(self, key: str, size: int) -> Iterator[bytes]:
        """The object's bytes in pieces of this size; none where there is no such object."""
        try:
            body = self.s3.get_object(Bucket=self.name, Key=key)["Body"]
        except ClientError as error:
            if is_missing(error):
                return
            raise
        yield from body.iter_chunks(size)

    def delete(self, key: str) -> None:
        """Removes an object; one that is not there is no error."""
        self.s3.delete_object(Bucket=self.name, Key=key)


def is_missing(error: ClientError) -> bool:
    """Whether AWS says that there is no such object, item or resource."""
    return error_code(error) in {
        "404",
        "NoSuchKey",
        "NotFound",
        "EntityNotFoundException",
        "ParameterNotFound",
        "ResourceNotFoundException",
    }


def error_code(error: ClientError) -> str:
    """AWS's name of the error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def in_parallel(work: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """Does the work for every item on a few threads; results in the items' order, the first error raised."""
    with ThreadPoolExecutor(THREADS) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
