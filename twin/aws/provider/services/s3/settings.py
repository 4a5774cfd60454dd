"""Settings of a bucket, each a resource of its own whose id is the bucket's name."""

from collections.abc import Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from twin.aws.provider.adapter import Adapter, State
from twin.aws.provider.clients import is_missing
from twin.aws.provider.operation import Operation
from twin.providers.problems import Problems
from twin.wire import UNKNOWN


class Setting(Adapter):
    """One setting: put, get and delete it."""

    service = "s3"
    put: ClassVar[str]
    get: ClassVar[str]
    remove: ClassVar[str] = ""
    wrapped: ClassVar[str] = ""
    """The member of the put operation that holds the properties."""
    answer: ClassVar[str] = ""
    """The member of the get operation that holds them, if any."""
    fixed: ClassVar[frozenset[str]] = frozenset({"bucket", "expectedBucketOwner"})

    def shapes(self, op_cloud: Any) -> tuple[str, ...]:
        """The put operation's input and what it wraps."""
        whole = f"{self.put}.input"
        if not self.wrapped:
            return (whole,)
        part = self.mapper(op_cloud).structure(whole).members[self.wrapped]
        return (whole, part.name)

    def changes_in_place(self, cloud: Any) -> frozenset[str]:
        """Everything but the bucket."""
        return (super().changes_in_place(cloud) | self.supported(cloud)) - self.fixed - {"region"}

    def parameters(self, op: Operation, inputs: State) -> dict[str, Any]:
        """The put operation's parameters."""
        whole, *parts = self.shapes(op.cloud)
        parameters = self.request(op, whole, inputs)
        for part in parts:
            parameters[self.wrapped] = self.request(op, part, inputs)
        return parameters

    def create(self, op: Operation, inputs: State) -> State | None:
        """Puts the setting."""
        op.call(self.put, self.parameters(op, inputs))
        op.id = self.identifier(inputs)
        return None

    def identifier(self, inputs: State) -> str:
        """The bucket's name."""
        return str(inputs["bucket"])

    def read(self, op: Operation, known: State) -> State | None:
        """Gets the setting."""
        try:
            data: Any = op.call(self.get, {"Bucket": known["bucket"]})
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        shape = self.mapper(op.cloud).structure(f"{self.get}.output")
        name = shape.name
        if self.answer:
            name = shape.members[self.answer].name
            data = data.get(self.answer)
        if not self.is_set(data):
            return None
        state = {**self.properties(op, name, data or {}), "bucket": known["bucket"]}
        self.adjust(state, data or {})
        return state

    def is_set(self, data: Mapping[str, Any] | None) -> bool:
        """Whether the answer says that there is such a setting."""
        return data is not None

    def adjust(self, state: State, data: Mapping[str, Any]) -> None:
        """Mends what a plain mapping gets wrong."""

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Puts the setting again."""
        op.call(self.put, self.parameters(op, news))

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the setting."""
        op.call(self.remove, {"Bucket": known["bucket"]})

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The id is the bucket's name, perhaps with the owner after a comma."""
        return {"bucket": identifier.split(",", maxsplit=1)[0]}


class BucketVersioning(Setting):
    """Whether the bucket keeps versions."""

    token = "aws:s3/bucketVersioning:BucketVersioning"
    put, get = "PutBucketVersioning", "GetBucketVersioning"
    handled = frozenset({"versioningConfiguration", "mfa"})

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The status."""
        configuration = inputs.get("versioningConfiguration")
        status = configuration.get("status") if isinstance(configuration, dict) else UNKNOWN
        if status is not UNKNOWN and status not in ("Enabled", "Suspended", "Disabled"):
            problems.add(
                "versioningConfiguration.status", f"{status!r} is not allowed", "use Enabled or Suspended"
            )

    def parameters(self, op: Operation, inputs: State) -> dict[str, Any]:
        """Status and MFA delete."""
        given = inputs["versioningConfiguration"]
        configuration = {"Status": given["status"]}
        if given.get("mfaDelete"):
            configuration["MFADelete"] = given["mfaDelete"]
        parameters = {"Bucket": inputs["bucket"], "VersioningConfiguration": configuration}
        return {**parameters, "MFA": inputs["mfa"]} if inputs.get("mfa") else parameters

    def create(self, op: Operation, inputs: State) -> State | None:
        """A new bucket is Disabled; S3 has no call for that."""
        if inputs["versioningConfiguration"]["status"] != "Disabled":
            return super().create(op, inputs)
        op.id = inputs["bucket"]
        return None

    def read(self, op: Operation, known: State) -> State | None:
        """The status; a bucket that never had versions has none."""
        try:
            found = op.client().get_bucket_versioning(Bucket=known["bucket"])
        except ClientError as error:
            if is_missing(error):
                return None
            raise
        configuration = {"status": found.get("Status") or "Disabled"}
        if found.get("MFADelete"):
            configuration["mfaDelete"] = found["MFADelete"]
        return {"bucket": known["bucket"], "versioningConfiguration": configuration}

    def delete(self, op: Operation, known: State) -> None:
        """Versioning can only be suspended."""
        if (known.get("versioningConfiguration") or {}).get("status") == "Enabled":
            op.client().put_bucket_versioning(
                Bucket=known["bucket"], VersioningConfiguration={"Status": "Suspended"}
            )


class BucketServerSideEncryptionConfiguration(Setting):
    """How objects are encrypted at rest."""

    token = "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    put, get, remove = "PutBucketEncryption", "GetBucketEncryption", "DeleteBucketEncryption"
    wrapped = answer = "ServerSideEncryptionConfiguration"


class BucketPublicAccessBlock(Setting):
    """Which public access is refused."""

    token = "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    put, get, remove = "PutPublicAccessBlock", "GetPublicAccessBlock", "DeletePublicAccessBlock"
    wrapped = answer = "PublicAccessBlockConfiguration"
    local = frozenset({"skipDestroy"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "blockPublicAcls": False,
        "blockPublicPolicy": False,
        "ignorePublicAcls": False,
        "restrictPublicBuckets": False,
    }

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the block, unless it is to stay."""
        if not known.get("skipDestroy"):
            super().delete(op, known)


class BucketOwnershipControls(Setting):
    """Who owns what others upload."""

    token = "aws:s3/bucketOwnershipControls:BucketOwnershipControls"
    put, get, remove = (
        "PutBucketOwnershipControls",
        "GetBucketOwnershipControls",
        "DeleteBucketOwnershipControls",
    )
    wrapped = answer = "OwnershipControls"


class BucketLifecycleConfiguration(Setting):
    """When objects move to cheaper storage or go."""

    token = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    put, get, remove = (
        "PutBucketLifecycleConfiguration",
        "GetBucketLifecycleConfiguration",
        "DeleteBucketLifecycle",
    )
    wrapped = "LifecycleConfiguration"
    local = frozenset({"timeouts"})
    handled = frozenset({"transitionDefaultMinimumObjectSize"})

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Each rule does something, once, under its own id."""
        rules = inputs.get("rules")
        if not rules:
            if rules is not UNKNOWN:
                problems.add("rules", "is missing", "give at least one rule")
            return
        seen: set[Any] = set()
        for place, rule in enumerate(rules if isinstance(rules, list) else []):
            if not isinstance(rule, dict):
                continue
            path = f"rules[{place}]"
            name = rule.get("id")
            if name is not UNKNOWN and name in seen:
                problems.add(f"{path}.id", f"{name!r} is used twice", "give each rule an id of its own")
            seen.add(name)
            actions = {
                "abortIncompleteMultipartUpload",
                "expiration",
                "noncurrentVersionExpiration",
                "noncurrentVersionTransitions",
                "transitions",
            }
            if not actions & set(rule):
                problems.add(path, "does nothing", "give an expiration, a transition or an abort rule")

    def parameters(self, op: Operation, inputs: State) -> dict[str, Any]:
        """A rule without filter or prefix is for every object."""
        parameters = super().parameters(op, inputs)
        for rule in parameters["LifecycleConfiguration"]["Rules"]:
            if not rule.get("Filter") and "Prefix" not in rule:
                rule["Filter"] = {"Prefix": ""}
        return parameters

    def adjust(self, state: State, data: Mapping[str, Any]) -> None:
        """S3's default for small objects is not always answered."""
        if state.get("transitionDefaultMinimumObjectSize") is None:
            state["transitionDefaultMinimumObjectSize"] = "all_storage_classes_128K"


class BucketPolicy(Setting):
    """Who may do what with the bucket."""

    token = "aws:s3/bucketPolicy:BucketPolicy"
    put, get, remove = "PutBucketPolicy", "GetBucketPolicy", "DeleteBucketPolicy"
    policies: ClassVar[Mapping[str, bool]] = {"policy": True}


class BucketLogging(Setting):
    """Where access logs go."""

    token = "aws:s3/bucketLogging:BucketLogging"
    put, get = "PutBucketLogging", "GetBucketLogging"
    answer = "LoggingEnabled"
    handled = frozenset({"targetBucket", "targetPrefix", "targetGrants", "targetObjectKeyFormat"})

    def parameters(self, op: Operation, inputs: State) -> dict[str, Any]:
        """The status says where; the prefix may be empty."""
        enabled = {"TargetPrefix": "", **self.request(op, "LoggingEnabled", inputs)}
        return {"Bucket": inputs["bucket"], "BucketLoggingStatus": {"LoggingEnabled": enabled}}

    def delete(self, op: Operation, known: State) -> None:
        """An empty status switches logging off."""
        op.client().put_bucket_logging(Bucket=known["bucket"], BucketLoggingStatus={})


class BucketObjectLockConfiguration(Setting):
    """How long objects can't be deleted."""

    token = "aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"
    put, get = "PutObjectLockConfiguration", "GetObjectLockConfiguration"
    wrapped = answer = "ObjectLockConfiguration"
    defaults: ClassVar[Mapping[str, Any]] = {"objectLockEnabled": "Enabled"}
    fixed = frozenset({"bucket", "expectedBucketOwner", "objectLockEnabled"})

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Retention is in days or in years."""
        rule = inputs.get("rule")
        retention = rule.get("defaultRetention") if isinstance(rule, dict) else None
        if isinstance(retention, dict):
            if ("days" in retention) == ("years" in retention):
                problems.add("rule.defaultRetention", "needs days or years", "give exactly one of them")
            if "mode" not in retention:
                problems.add("rule.defaultRetention.mode", "is missing", "give GOVERNANCE or COMPLIANCE")

    def delete(self, op: Operation, known: State) -> None:
        """Object lock can't be switched off; its default retention can."""
        op.client().put_object_lock_configuration(
            Bucket=known["bucket"], ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
        )


class BucketReplicationConfig(Setting):
    """Which objects are copied to which other bucket."""

    token = "aws:s3/bucketReplicationConfig:BucketReplicationConfig"
    put, get, remove = "PutBucketReplication", "GetBucketReplication", "DeleteBucketReplication"
    wrapped = answer = "ReplicationConfiguration"


class BucketCorsConfiguration(Setting):
    """Which other origins a browser may read from."""

    token = "aws:s3/bucketCorsConfiguration:BucketCorsConfiguration"
    put, get, remove = "PutBucketCors", "GetBucketCors", "DeleteBucketCors"
    wrapped = "CORSConfiguration"


class BucketAccelerateConfiguration(Setting):
    """Transfer acceleration."""

    token = "aws:s3/bucketAccelerateConfiguration:BucketAccelerateConfiguration"
    put, get = "PutBucketAccelerateConfiguration", "GetBucketAccelerateConfiguration"
    wrapped = "AccelerateConfiguration"

    def is_set(self, data: Mapping[str, Any] | None) -> bool:
        """An answer without a status: it was never on."""
        return bool(data and data.get("Status"))

    def delete(self, op: Operation, known: State) -> None:
        """Acceleration can only be suspended."""
        op.client().put_bucket_accelerate_configuration(
            Bucket=known["bucket"], AccelerateConfiguration={"Status": "Suspended"}
        )
