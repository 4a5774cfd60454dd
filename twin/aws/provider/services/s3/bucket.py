"""Buckets."""

import re
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from twin.aws.provider.adapter import Adapter, State
from twin.aws.provider.clients import is_missing
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import as_pairs, from_pairs
from twin.providers.problems import Problems

_NAME: Final = re.compile(r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")
_ADDRESS: Final = re.compile(r"^\d+\.\d+\.\d+\.\d+$")
_RESERVED: Final = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_ENDINGS: Final = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_HOSTED_ZONES: Final[Mapping[str, str]] = {
    "us-east-1": "Z3AQBSTGFYJSTF",
    "us-east-2": "Z2O1EMRO9K5GLX",
    "us-west-1": "Z2F56UZL2M1ACD",
    "us-west-2": "Z3BJ6K6RIION7M",
    "ca-central-1": "Z1QDHH18159H29",
    "eu-central-1": "Z21DNDUVLTQW6Q",
    "eu-north-1": "Z3BAZG2TWCNX0D",
    "eu-west-1": "Z1BKCTXD74EZPE",
    "eu-west-2": "Z3GKZC51ZF0DB4",
    "eu-west-3": "Z3R1K369G5AVDG",
    "ap-northeast-1": "Z2M4EHUR26P7ZW",
    "ap-southeast-1": "Z3O0J2DXBE1FTB",
    "ap-southeast-2": "Z1WCIGYICN2BYD",
    "ap-south-1": "Z11RGJOFQNVJUP",
    "sa-east-1": "Z7KQH4QJS55SO",
}
_SEPARATE: Final[Mapping[str, str]] = {
    "accelerationStatus": "BucketAccelerateConfiguration",
    "corsRules": "BucketCorsConfiguration",
    "lifecycleRules": "BucketLifecycleConfiguration",
    "logging": "BucketLogging",
    "loggings": "BucketLogging",
    "objectLockConfiguration": "BucketObjectLockConfiguration",
    "policy": "BucketPolicy",
    "replicationConfiguration": "BucketReplicationConfig",
    "replicationConfigurations": "BucketReplicationConfig",
    "serverSideEncryptionConfiguration": "BucketServerSideEncryptionConfiguration",
    "serverSideEncryptionConfigurations": "BucketServerSideEncryptionConfiguration",
    "versioning": "BucketVersioning",
    "versionings": "BucketVersioning",
}
"""Inputs that AWS's provider deprecates for resources of their own."""


class Bucket(Adapter):
    """A bucket; its id is its name."""

    token = "aws:s3/bucket:Bucket"
    service = "s3"
    auto_name = AutoName("bucket", 63, transform=str.lower)
    handled = frozenset({"objectLockEnabled", *_SEPARATE})
    local = frozenset({"forceDestroy"})

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The rules for names; settings have resources of their own."""
        name = inputs.get("bucket")
        if isinstance(name, str) and not _allowed(name):
            problems.add(
                "bucket",
                f"{name!r} is no bucket name",
                "3 to 63 lower-case letters, digits, dots and hyphens; letter or digit first and last",
            )
        for setting, resource in _SEPARATE.items():
            if inputs.get(setting):
                problems.add(setting, "is deprecated", f"declare an aws.s3.{resource} for the bucket")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the bucket, then tags it; the state follows from both."""
        name = inputs["bucket"]
        parameters: dict[str, Any] = {"Bucket": name}
        if op.region != "us-east-1":
            parameters["CreateBucketConfiguration"] = {"LocationConstraint": op.region}
        if inputs.get("objectLockEnabled"):
            parameters["ObjectLockEnabledForBucket"] = True
        op.client().create_bucket(**parameters)
        op.id = name
        self._tag(op, name, inputs.get("tags") or {})
        return {**computed(op, name), **inputs}

    def _tag(self, op: Operation, name: str, tags: Mapping[str, str]) -> None:
        if tags:
            op.client().put_bucket_tagging(Bucket=name, Tagging={"TagSet": as_pairs(tags)})

    def read(self, op: Operation, known: State) -> State | None:
        """Asks for the tags, which an existing bucket has or has not."""
        client, name = op.client(), op.id
        try:
            tags = from_pairs(client.get_bucket_tagging(Bucket=name)["TagSet"])
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchTagSet":
                if is_missing(error):
                    return None
                raise
            tags = {}
        state = {**computed(op, name), "tagsAll": tags}
        state["forceDestroy"] = bool(known.get("forceDestroy"))
        state["objectLockEnabled"] = known.get("objectLockEnabled", False) or self._locked(op, name, known)
        return state

    def _locked(self, op: Operation, name: str, known: State) -> bool:
        if "objectLockEnabled" in known:  # it can't be switched off
            return bool(known["objectLockEnabled"])
        try:
            found = op.client().get_object_lock_configuration(Bucket=name)
        except ClientError:
            return False
        return bool(found["ObjectLockConfiguration"].get("ObjectLockEnabled") == "Enabled")

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Only tags change in place."""
        if "tags" not in changed:
            return
        if news.get("tags"):
            self._tag(op, op.id, news["tags"])
        else:
            op.client().delete_bucket_tagging(Bucket=op.id)

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the bucket; with `forceDestroy` what is in it goes first."""
        # What comes in while it is emptied (access logs) is emptied too.
        for last in (False, False, False, True):
            if known.get("forceDestroy"):
                self._empty(op)
            try:
                op.client().delete_bucket(Bucket=op.id)
            except ClientError as error:
                if last or not known.get("forceDestroy") or "BucketNotEmpty" not in str(error):
                    raise
            else:
                return

    def _empty(self, op: Operation) -> None:
        client = op.client()
        # The first page again and again: a page's marker would name an object that is gone.
        before: list[dict[str, str]] = []
        while True:
            page = client.list_object_versions(Bucket=op.id)
            found = [
                {"Key": entry["Key"], "VersionId": entry["VersionId"]}
                for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
            ]
            if found in ([], before):  # all is gone, or none of it goes: the deletion tells
                return
            before = found
            answer = client.delete_objects(
                Bucket=op.id,
                Delete={"Objects": found, "Quiet": True},
                BypassGovernanceRetention=True,
            )
            for failed in answer.get("Errors", ()):
                raise ValueError(f"{op.id}: {failed.get('Key')} can't be deleted: {failed.get('Message')}")


class BucketV2(Bucket):
    """The name that the type had in pulumi-aws 6."""

    token = "aws:s3/bucketV2:BucketV2"


def computed(op: Operation, name: str) -> State:
    """The outputs that follow from a bucket's name and region."""
    return {
        "arn": op.arn("s3", name, region="", account=""),
        "bucket": name,
        "bucketDomainName": f"{name}.s3.{op.dns_suffix}",
        "bucketRegion": op.region,
        "bucketRegionalDomainName": f"{name}.s3.{op.region}.{op.dns_suffix}",
        "hostedZoneId": _HOSTED_ZONES.get(op.region),
        "objectLockEnabled": False,
        "requestPayer": "BucketOwner",
        "forceDestroy": False,
    }


def _allowed(name: str) -> bool:
    return (
        _NAME.match(name) is not None
        and ".." not in name
        and _ADDRESS.match(name) is None
        and not name.startswith(_RESERVED)
        and not name.endswith(_RESERVED_ENDINGS)
    )
