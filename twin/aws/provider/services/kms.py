"""AWS KMS."""

from collections.abc import Mapping
from typing import Any, ClassVar

from twin.aws.provider.adapter import Adapter, State, found
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging
from twin.providers.problems import Problems


class Key(Adapter):
    """A key; its id is the key's id."""

    token = "aws:kms/key:Key"
    service = "kms"
    create_shapes = ("CreateKey.input",)
    rename: ClassVar[Mapping[str, str]] = {
        "customerMasterKeySpec": "KeySpec",
        "bypassPolicyLockoutSafetyCheck": "BypassPolicyLockoutSafetyCheck",
    }
    handled = frozenset({"enableKeyRotation", "isEnabled", "rotationPeriodInDays"})
    local = frozenset({"bypassPolicyLockoutSafetyCheck", "deletionWindowInDays"})
    in_place = frozenset({"description", "enableKeyRotation", "isEnabled", "policy", "rotationPeriodInDays"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "enableKeyRotation": False,
        "isEnabled": True,
        "keyUsage": "ENCRYPT_DECRYPT",
        "multiRegion": False,
    }
    tagging = Tagging(
        resource="KeyId", read="list_resource_tags", pair=("TagKey", "TagValue"), target="keyId"
    )
    policies: ClassVar[Mapping[str, bool]] = {"policy": True}

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Deletion and rotation periods; what only symmetric keys can."""
        window = inputs.get("deletionWindowInDays")
        if isinstance(window, int) and not 7 <= window <= 30:
            problems.add("deletionWindowInDays", f"{window} is out of range", "give 7 to 30 days")
        period = inputs.get("rotationPeriodInDays")
        if isinstance(period, int) and not 90 <= period <= 2560:
            problems.add("rotationPeriodInDays", f"{period} is out of range", "give 90 to 2560 days")
        if period is not None and inputs.get("enableKeyRotation") is False:
            problems.add("rotationPeriodInDays", "needs enableKeyRotation", "switch rotation on")
        spec = inputs.get("customerMasterKeySpec")
        if inputs.get("enableKeyRotation") is True and spec not in (None, "SYMMETRIC_DEFAULT"):
            problems.add("enableKeyRotation", f"{spec} keys are not rotated", "leave it out")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the key, then sets what CreateKey can't."""
        parameters = self.request(op, "CreateKey.input", inputs)
        metadata = op.client().create_key(**parameters)["KeyMetadata"]
        op.id = metadata["KeyId"]
        self._set_rotation(op, inputs)
        if not inputs["isEnabled"]:
            op.client().disable_key(KeyId=op.id)
        return None

    def _set_rotation(self, op: Operation, inputs: Mapping[str, Any]) -> None:
        if inputs.get("enableKeyRotation"):
            period = inputs.get("rotationPeriodInDays")
            op.client().enable_key_rotation(
                KeyId=op.id, **({"RotationPeriodInDays": period} if period else {})
            )

    def read(self, op: Operation, known: State) -> State | None:
        """The key; one that is to be deleted counts as gone."""
        client = op.client()
        answer = found(client.describe_key, KeyId=op.id)
        if answer is None or answer["KeyMetadata"]["KeyState"] in (
            "PendingDeletion",
            "PendingReplicaDeletion",
        ):
            return None
        metadata = answer["KeyMetadata"]
        rotation = found(client.get_key_rotation_status, KeyId=op.id) if metadata["Enabled"] else None
        rotated = bool(rotation and rotation["KeyRotationEnabled"])
        return {
            "arn": metadata["Arn"],
            "keyId": metadata["KeyId"],
            "description": metadata.get("Description") or "",
            "isEnabled": metadata["Enabled"],
            "keyUsage": metadata["KeyUsage"],
            "customerMasterKeySpec": metadata.get("KeySpec") or metadata.get("CustomerMasterKeySpec"),
            "multiRegion": bool(metadata.get("MultiRegion")),
            "policy": client.get_key_policy(KeyId=op.id, PolicyName="default")["Policy"],
            "enableKeyRotation": rotated if rotation else known.get("enableKeyRotation", False),
            "rotationPeriodInDays": (rotation.get("RotationPeriodInDays") or 365)
            if rotation and rotated
            else None,
            "bypassPolicyLockoutSafetyCheck": bool(known.get("bypassPolicyLockoutSafetyCheck")),
        }

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """A disabled key is enabled first, and disabled last: it can't be changed in between."""
        client = op.client()
        if "isEnabled" in changed and news["isEnabled"]:
            client.enable_key(KeyId=op.id)
        if "description" in changed:
            client.update_key_description(KeyId=op.id, Description=news.get("description") or "")
        if "policy" in changed and news.get("policy"):
            client.put_key_policy(KeyId=op.id, PolicyName="default", Policy=news["policy"])
        if changed & {"enableKeyRotation", "rotationPeriodInDays"}:
            if news.get("enableKeyRotation"):
                self._set_rotation(op, news)
            else:
                client.disable_key_rotation(KeyId=op.id)
        if "isEnabled" in changed and not news["isEnabled"]:
            client.disable_key(KeyId=op.id)

    def delete(self, op: Operation, known: State) -> None:
        """Schedules the deletion."""
        window = known.get("deletionWindowInDays") or 30
        if self.read(op, known) is not None:
            op.client().schedule_key_deletion(KeyId=op.id, PendingWindowInDays=window)

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The key's id."""
        return {"keyId": identifier}


class Alias(Adapter):
    """A name of a key; its id is the name."""

    token = "aws:kms/alias:Alias"
    service = "kms"
    auto_name = AutoName(prefix="alias/", max_length=256)
    create_shapes = ("CreateAlias.input",)
    rename: ClassVar[Mapping[str, str]] = {"name": "AliasName"}
    in_place = frozenset({"targetKeyId"})

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The prefix, and the names that AWS keeps."""
        name = inputs.get("name")
        if isinstance(name, str) and (not name.startswith("alias/") or name.startswith("alias/aws/")):
            problems.add("name", f"{name!r} is not allowed", "begin with alias/, but not with alias/aws/")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the alias."""
        op.client().create_alias(AliasName=inputs["name"], TargetKeyId=inputs["targetKeyId"])
        op.id = inputs["name"]
        return None

    def read(self, op: Operation, known: State) -> State | None:
        """Finds the alias among all."""
        for page in op.client().get_paginator("list_aliases").paginate():
            for alias in page["Aliases"]:
                if alias["AliasName"] == op.id:
                    key = alias["TargetKeyId"]
                    return {
                        "name": op.id,
                        "arn": op.arn("kms", op.id),
                        "targetKeyId": key,
                        "targetKeyArn": op.arn("kms", f"key/{key}"),
                    }
        return None

    def same(self, name: str, left: Any, right: Any) -> bool:
        """A key by its id or by its ARN."""
        return name == "targetKeyId" and _key_id(left) == _key_id(right)

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Points the alias at another key."""
        if "targetKeyId" in changed:
            op.client().update_alias(AliasName=op.id, TargetKeyId=news["targetKeyId"])

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the alias."""
        op.client().delete_alias(AliasName=op.id)


def _key_id(value: Any) -> str:
    return str(value).rsplit("/", 1)[-1]
