"""Amazon Athena."""

from collections.abc import Mapping
from typing import Any, ClassVar

from twin.aws.provider.adapter import Declared, State
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging
from twin.providers.problems import Problems

_LEAST_CUTOFF = 10 * 1024 * 1024


class Workgroup(Declared):
    """A workgroup: where queries run and what they may scan."""

    token = "aws:athena/workgroup:Workgroup"
    service = "athena"
    auto_name = AutoName(max_length=128)
    create_call, read_call = "CreateWorkGroup", "GetWorkGroup"
    update_call, delete_call = "UpdateWorkGroup", "DeleteWorkGroup"
    result = "WorkGroup"
    rename: ClassVar[Mapping[str, str]] = {
        "configuration.resultConfiguration.encryptionConfiguration.kmsKeyArn": "KmsKey"
    }
    key: ClassVar[Mapping[str, str]] = {"WorkGroup": "name"}
    arn = "athena:workgroup/{name}"
    local = frozenset({"forceDestroy"})
    handled = frozenset({"state"})
    in_place = frozenset({"configuration", "state"})
    defaults: ClassVar[Mapping[str, Any]] = {"forceDestroy": False, "state": "ENABLED"}
    tagging = Tagging(resource="ResourceARN")

    def complete(self, op: Operation, inputs: State) -> None:
        """Two settings are on unless switched off."""
        configuration = inputs.get("configuration")
        if isinstance(configuration, dict):
            on = {"enforceWorkgroupConfiguration": True, "publishCloudwatchMetricsEnabled": True}
            inputs["configuration"] = {**on, **configuration}

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The least scan limit; where results go."""
        configuration = inputs.get("configuration")
        if not isinstance(configuration, dict):
            return
        cutoff = configuration.get("bytesScannedCutoffPerQuery")
        if isinstance(cutoff, int) and 0 < cutoff < _LEAST_CUTOFF:
            problems.add(
                "configuration.bytesScannedCutoffPerQuery",
                f"{cutoff} is too small",
                f"give at least {_LEAST_CUTOFF}",
            )
        result = configuration.get("resultConfiguration")
        location = result.get("outputLocation") if isinstance(result, dict) else None
        if isinstance(location, str) and not location.startswith("s3://"):
            problems.add(
                "configuration.resultConfiguration.outputLocation",
                f"{location!r} is no place in S3",
                "give s3://bucket/prefix/",
            )

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates it; a disabled one is disabled afterwards."""
        super().create(op, inputs)
        if inputs["state"] != "ENABLED":
            op.client().update_work_group(WorkGroup=inputs["name"], State=inputs["state"])
        return None

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """The update operation has shapes of its own."""
        parameters: dict[str, Any] = {"WorkGroup": op.id}
        if "description" in changed:
            parameters["Description"] = news.get("description") or ""
        if "state" in changed:
            parameters["State"] = news["state"]
        if "configuration" in changed:
            parameters["ConfigurationUpdates"] = self._updates(op, olds, news)
        if len(parameters) > 1:
            op.client().update_work_group(**parameters)

    def _updates(self, op: Operation, olds: State, news: State) -> dict[str, Any]:
        wanted = self.request(op, "CreateWorkGroup.input", news).get("Configuration", {})
        before = self.request(op, "CreateWorkGroup.input", olds).get("Configuration", {})
        updates = {
            key: value
            for key, value in wanted.items()
            if key not in ("ResultConfiguration", "ManagedQueryResultsConfiguration")
        }
        result, old_result = wanted.get("ResultConfiguration", {}), before.get("ResultConfiguration", {})
        changes = dict(result)
        for member in (
            "OutputLocation",
            "EncryptionConfiguration",
            "ExpectedBucketOwner",
            "AclConfiguration",
        ):
            if member in old_result and member not in result:
                changes[f"Remove{member}"] = True
        if changes:
            updates["ResultConfigurationUpdates"] = changes
        if "ManagedQueryResultsConfiguration" in wanted:
            updates["ManagedQueryResultsConfigurationUpdates"] = wanted["ManagedQueryResultsConfiguration"]
        if "BytesScannedCutoffPerQuery" in before and "BytesScannedCutoffPerQuery" not in wanted:
            updates["RemoveBytesScannedCutoffPerQuery"] = True
        return updates

    def delete(self, op: Operation, known: State) -> None:
        """With `forceDestroy` also its queries' history."""
        op.client().delete_work_group(
            WorkGroup=known["name"], RecursiveDeleteOption=bool(known.get("forceDestroy"))
        )
