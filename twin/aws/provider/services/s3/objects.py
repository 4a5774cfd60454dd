"""Objects in buckets."""

import base64
import hashlib
import mimetypes
from collections.abc import Mapping
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from twin.aws.provider import assets
from twin.aws.provider.adapter import Adapter, State
from twin.aws.provider.clients import is_missing
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import as_pairs, from_pairs
from twin.providers.problems import Problems
from twin.wire import UNKNOWN, Archive, Asset

_SETTINGS: Final[Mapping[str, str]] = {
    "cacheControl": "CacheControl",
    "contentDisposition": "ContentDisposition",
    "contentEncoding": "ContentEncoding",
    "contentLanguage": "ContentLanguage",
    "contentType": "ContentType",
    "kmsKeyId": "SSEKMSKeyId",
    "metadata": "Metadata",
    "serverSideEncryption": "ServerSideEncryption",
    "storageClass": "StorageClass",
    "websiteRedirect": "WebsiteRedirectLocation",
    "bucketKeyEnabled": "BucketKeyEnabled",
    "objectLockLegalHoldStatus": "ObjectLockLegalHoldStatus",
    "objectLockMode": "ObjectLockMode",
    "objectLockRetainUntilDate": "ObjectLockRetainUntilDate",
}
_CONTENT: Final = frozenset({"content", "contentBase64", "source", "sourceHash", "etag"})


class BucketObjectv2(Adapter):
    """An object with its content; its id is `bucket/key`."""

    token = "aws:s3/bucketObjectv2:BucketObjectv2"
    service = "s3"
    auto_name = AutoName("key", 1024)
    handled = frozenset({"bucket", "acl", *_CONTENT, *_SETTINGS})
    in_place = handled - {"bucket"}
    local = frozenset({"forceDestroy"})
    volatile = frozenset({"etag", "versionId"})
    defaults: ClassVar[Mapping[str, Any]] = {"forceDestroy": False}

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """One source of content."""
        given = [name for name in ("content", "contentBase64", "source") if inputs.get(name) is not None]
        if len(given) > 1:
            problems.add(given[1], f"conflicts with {given[0]}", "give one of content, contentBase64, source")
        encoded = inputs.get("contentBase64")
        if isinstance(encoded, str):
            try:
                base64.b64decode(encoded, validate=True)
            except ValueError:
                problems.add("contentBase64", "is not base64", "encode the bytes, or give content")
        if inputs.get("kmsKeyId") and inputs.get("serverSideEncryption") not in (
            None,
            UNKNOWN,
            "aws:kms",
            "aws:kms:dsse",
        ):
            problems.add("serverSideEncryption", "does not go with kmsKeyId", 'use "aws:kms"')

    def complete(self, op: Operation, inputs: State) -> None:
        """A key means KMS."""
        if inputs.get("kmsKeyId") and "serverSideEncryption" not in inputs:
            inputs["serverSideEncryption"] = "aws:kms"

    def create(self, op: Operation, inputs: State) -> State | None:
        """Puts the object."""
        self._put(op, inputs)
        op.id = f"{inputs['bucket']}/{inputs['key']}"
        return None

    def _put(self, op: Operation, inputs: Mapping[str, Any]) -> None:
        parameters = {member: inputs[name] for name, member in _SETTINGS.items() if inputs.get(name)}
        guessed = mimetypes.guess_type(_file_name(inputs))[0] or "application/octet-stream"
        parameters.setdefault("ContentType", guessed)
        if inputs.get("tags"):
            parameters["Tagging"] = urlencode(sorted(inputs["tags"].items()))
        if inputs.get("acl"):
            parameters["ACL"] = inputs["acl"]
        op.client().put_object(Bucket=inputs["bucket"], Key=inputs["key"], Body=_body(inputs), **parameters)

    def read(self, op: Operation, known: State) -> State | None:
        """Asks for the object's head and tags."""
        client, bucket, key = op.client(), known["bucket"], known["key"]
        try:
            head = client.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        state: State = {name: head.get(member) for name, member in _SETTINGS.items()}
        if not head.get("ContentType") or "contentType" not in known:
            state["contentType"] = head.get("ContentType")
        state["storageClass"] = head.get("StorageClass") or "STANDARD"
        state["serverSideEncryption"] = head.get("ServerSideEncryption") or "AES256"
        state["bucketKeyEnabled"] = bool(head.get("BucketKeyEnabled"))
        until = head.get("ObjectLockRetainUntilDate")
        state["objectLockRetainUntilDate"] = until.strftime("%Y-%m-%dT%H:%M:%SZ") if until else None
        etag = head["ETag"].strip('"')
        state.update(
            arn=op.arn("s3", f"{bucket}/{key}", region="", account=""),
            bucket=bucket,
            key=key,
            etag=etag,
            versionId=head.get("VersionId"),
        )
        self._note_content(state, known, etag)
        found = client.get_object_tagging(Bucket=bucket, Key=key)
        state["tagsAll"] = from_pairs(found["TagSet"])
        return state

    def _note_content(self, state: State, known: State, etag: str) -> None:
        """Content that is not what was put shows as absent, and so is put again."""
        if known.get("etag") not in (None, etag) or _md5(known) not in (None, etag):
            state.update(
                dict.fromkeys(name for name in ("content", "contentBase64", "source") if name in known)
            )

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Puts the object again; tags alone are set without that."""
        if changed - self.local == {"tags"}:
            where = {"Bucket": news["bucket"], "Key": news["key"]}
            if news.get("tags"):
                op.client().put_object_tagging(**where, Tagging={"TagSet": as_pairs(news["tags"])})
            else:
                op.client().delete_object_tagging(**where)
        elif changed - self.local:
            self._put(op, news)

    def delete(self, op: Operation, known: State) -> None:
        """Deletes every version of the object."""
        client, bucket, key = op.client(), known["bucket"], known["key"]
        pages = client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key)
        for page in pages:
            for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                if entry["Key"] == key:
                    force = {"BypassGovernanceRetention": True} if known.get("forceDestroy") else {}
                    client.delete_object(Bucket=bucket, Key=key, VersionId=entry["VersionId"], **force)

    def parse_id(self, op: Operation, identifier: str) -> State:
        """Bucket and key; also as an s3:// address."""
        bucket, _, key = identifier.removeprefix("s3://").partition("/")
        return {"bucket": bucket, "key": key}


class BucketObject(BucketObjectv2):
    """The older type of the same."""

    token = "aws:s3/bucketObject:BucketObject"


def _body(inputs: Mapping[str, Any]) -> bytes:
    source = inputs.get("source")
    if isinstance(source, Archive):
        return assets.zipped(source)
    if isinstance(source, Asset):
        return assets.content(source)
    if inputs.get("contentBase64") is not None:
        return base64.b64decode(inputs["contentBase64"])
    return str(inputs.get("content") or "").encode()


def _md5(inputs: Mapping[str, Any]) -> str | None:
    """The ETag of the content; None where it can't be known (a KMS object's ETag is no MD5)."""
    if inputs.get("content") is None and inputs.get("contentBase64") is None:
        return None
    if str(inputs.get("serverSideEncryption", "")).startswith("aws:kms"):
        return None
    return hashlib.md5(_body(inputs), usedforsecurity=False).hexdigest()


def _file_name(inputs: Mapping[str, Any]) -> str:
    source = inputs.get("source")
    return source.path or inputs["key"] if isinstance(source, Asset) else str(inputs["key"])
