"""AWS Secrets Manager."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from botocore.exceptions import ClientError

from twin.aws.provider.adapter import Adapter, State, found, listed
from twin.aws.provider.clients import is_missing
from twin.aws.provider.diff import is_zero
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging, from_pairs
from twin.providers.problems import Problems

_NAME: Final = re.compile(r"^[\w/+=.@-]+$", re.ASCII)
_CURRENT: Final = "AWSCURRENT"
_SECRET_LIMIT: Final = 65_536


class Secret(Adapter):
    """A secret without its value; its id is its ARN."""

    token = "aws:secretsmanager/secret:Secret"
    service = "secretsmanager"
    auto_name = AutoName(max_length=512)
    create_shapes = ("CreateSecret.input",)
    handled = frozenset({"policy", "replicas"})
    local = frozenset({"forceOverwriteReplicaSecret", "recoveryWindowInDays"})
    in_place = frozenset({"description", "kmsKeyId", "policy", "replicas"})
    defaults: ClassVar[Mapping[str, Any]] = {
        "forceOverwriteReplicaSecret": False,
        "recoveryWindowInDays": 30,
    }
    policies: ClassVar[Mapping[str, bool]] = {"policy": True}
    tagging = Tagging(resource="SecretId")

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Name, recovery window, replicas."""
        name = inputs.get("name")
        if isinstance(name, str) and not _NAME.match(name):
            problems.add("name", f"{name!r} is not allowed", "letters, digits and / _ + = . @ -")
        window = inputs.get("recoveryWindowInDays")
        if isinstance(window, int) and window != 0 and not 7 <= window <= 30:
            problems.add("recoveryWindowInDays", f"{window} is out of range", "give 0, or 7 to 30 days")
        if inputs.get("type"):
            problems.add("type", "managed external secrets are not emulated by the twin", "leave it out")
        for place, replica in enumerate(listed(inputs.get("replicas"))):
            if isinstance(replica, dict) and replica.get("region") == op.region:
                problems.add(
                    f"replicas[{place}].region", f"{op.region} has the secret itself", "name another"
                )

    def same(self, name: str, left: Any, right: Any) -> bool:
        """A key by its id or by its ARN."""
        return name == "kmsKeyId" and str(left).rsplit("/", 1)[-1] == str(right).rsplit("/", 1)[-1]

    def create(self, op: Operation, inputs: State) -> State | None:
        """Creates the secret, then sets its policy."""
        parameters = self.request(op, "CreateSecret.input", inputs)
        parameters.pop("ForceOverwriteReplicaSecret", None)
        if inputs.get("replicas"):
            parameters["AddReplicaRegions"] = _replicas(inputs["replicas"])
            parameters["ForceOverwriteReplicaSecret"] = bool(inputs.get("forceOverwriteReplicaSecret"))
        op.id = op.call("CreateSecret", parameters)["ARN"]
        if inputs.get("policy"):
            self._set_policy(op, inputs["policy"])
        return None

    def _set_policy(self, op: Operation, policy: Any) -> None:
        if policy:
            op.call("PutResourcePolicy", {"SecretId": op.id, "ResourcePolicy": policy})
        else:
            op.call("DeleteResourcePolicy", {"SecretId": op.id})

    def read(self, op: Operation, known: State) -> State | None:
        """The secret; one that is to be deleted counts as gone."""
        data = found(op.call, operation="DescribeSecret", params={"SecretId": op.id})
        if data is None or data.get("DeletedDate") is not None:
            return None
        answer = found(op.call, operation="GetResourcePolicy", params={"SecretId": op.id}) or {}
        state: State = {
            "arn": data["ARN"],
            "description": data.get("Description") or None,
            "kmsKeyId": data.get("KmsKeyId"),
            "name": data["Name"],
            "policy": answer.get("ResourcePolicy"),
            "tagsAll": from_pairs(data.get("Tags")),
        }
        replicas = [
            {"region": each["Region"], "status": each.get("Status"), "kmsKeyId": each.get("KmsKeyId")}
            for each in data.get("ReplicationStatus") or ()
            if each["Region"] != op.region
        ]
        state["replicas"] = [
            {name: value for name, value in each.items() if value is not None} for each in replicas
        ]
        return state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Description and key together; policy and replicas on their own."""
        if changed & {"description", "kmsKeyId"}:
            parameters = {"SecretId": op.id, "Description": news.get("description") or ""}
            if news.get("kmsKeyId"):
                parameters["KmsKeyId"] = news["kmsKeyId"]
            op.call("UpdateSecret", parameters)
        if "policy" in changed:
            self._set_policy(op, news.get("policy"))
        if "replicas" in changed:
            before = {each["region"]: each for each in olds.get("replicas") or ()}
            after = {each["region"]: each for each in news.get("replicas") or ()}
            self._remove_replicas(op, sorted(set(before) - set(after)))
            come = [after[region] for region in sorted(set(after) - set(before))]
            if come:
                force = bool(news.get("forceOverwriteReplicaSecret"))
                parameters = {"SecretId": op.id, "AddReplicaRegions": _replicas(come)}
                op.call("ReplicateSecretToRegions", {**parameters, "ForceOverwriteReplicaSecret": force})

    def _remove_replicas(self, op: Operation, regions: list[str]) -> None:
        if regions:
            op.call("RemoveRegionsFromReplication", {"SecretId": op.id, "RemoveReplicaRegions": regions})

    def delete(self, op: Operation, known: State) -> None:
        """Replicas go first; without a recovery window the secret goes at once."""
        if self.read(op, known) is None:
            return
        self._remove_replicas(op, sorted(each["region"] for each in known.get("replicas") or ()))
        window = known.get("recoveryWindowInDays", 30)
        how = {"RecoveryWindowInDays": window} if window else {"ForceDeleteWithoutRecovery": True}
        op.call("DeleteSecret", {"SecretId": op.id, **how})

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The ARN."""
        return {"arn": identifier}


def _replicas(given: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    names = {"region": "Region", "kmsKeyId": "KmsKeyId"}
    return [
        {member: each[name] for name, member in names.items() if each.get(name)}
        for each in sorted(given, key=lambda each: str(each["region"]))
    ]


class SecretVersion(Adapter):
    """A secret's value; its id is `secret|version`."""

    token = "aws:secretsmanager/secretVersion:SecretVersion"
    service = "secretsmanager"
    handled = frozenset({"secretBinary", "secretId", "secretString", "versionStages"})
    in_place = frozenset({"versionStages"})

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """A text or Base64, and not too long."""
        given = [name for name in ("secretString", "secretBinary") if not is_zero(inputs.get(name))]
        if not given:
            problems.add("secretString", "is missing", "give secretString or secretBinary")
        for name in given[1:]:
            problems.add(name, f"conflicts with {given[0]}", "give one of the two")
        text, binary = inputs.get("secretString"), inputs.get("secretBinary")
        size = len(text.encode()) if isinstance(text, str) else 0
        if isinstance(binary, str):
            try:
                size = len(base64.b64decode(binary, validate=True))
            except (binascii.Error, ValueError):
                problems.add("secretBinary", "is not Base64", "encode it")
        if size > _SECRET_LIMIT:
            problems.add(given[0], f"has {size} bytes", f"Secrets Manager takes {_SECRET_LIMIT}")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Puts the value."""
        parameters: dict[str, Any] = {"SecretId": inputs["secretId"]}
        if inputs.get("secretString"):
            parameters["SecretString"] = inputs["secretString"]
        else:
            parameters["SecretBinary"] = base64.b64decode(inputs["secretBinary"])
        if inputs.get("versionStages"):
            parameters["VersionStages"] = sorted(inputs["versionStages"])
        answer = op.call("PutSecretValue", parameters)
        op.made["versionId"] = answer["VersionId"]
        op.id = f"{inputs['secretId']}|{answer['VersionId']}"
        return None

    def read(self, op: Operation, known: State) -> State | None:
        """The value of that version; one without a stage is on its way out."""
        names = {"SecretId": known["secretId"], "VersionId": known["versionId"]}
        try:
            data = op.call("GetSecretValue", names)
        except ClientError as error:
            if is_missing(error) or "marked" in str(error):
                return None
            raise
        if not data.get("VersionStages"):
            return None
        binary = data.get("SecretBinary")
        return {
            "arn": data["ARN"],
            "secretArn": data["ARN"],
            "secretId": known["secretId"],
            "secretString": data.get("SecretString"),
            "secretBinary": base64.b64encode(binary).decode() if binary else None,
            "versionId": data["VersionId"],
            "versionStages": sorted(data["VersionStages"]),
            "hasSecretStringWo": False,
        }

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Stages come and go one by one."""
        if "versionStages" not in changed or news.get("versionStages") is None:
            return
        secret, version = news["secretId"], olds["versionId"]
        before, after = set(olds.get("versionStages") or ()), set(news["versionStages"])
        for stage in sorted(after - before):
            holder = self._holder(op, secret, stage)
            move = {"RemoveFromVersionId": holder} if holder else {}
            op.call(
                "UpdateSecretVersionStage",
                {"SecretId": secret, "VersionStage": stage, "MoveToVersionId": version, **move},
            )
        for stage in sorted(before - after - {_CURRENT}):
            self._remove(op, secret, stage, version)

    def _holder(self, op: Operation, secret: str, stage: str) -> str | None:
        versions = op.call("DescribeSecret", {"SecretId": secret}).get("VersionIdsToStages") or {}
        return next((version for version, stages in versions.items() if stage in stages), None)

    def _remove(self, op: Operation, secret: str, stage: str, version: str) -> None:
        names = {"SecretId": secret, "VersionStage": stage}
        op.call("UpdateSecretVersionStage", {**names, "RemoveFromVersionId": version})

    def delete(self, op: Operation, known: State) -> None:
        """Takes away the stages that can be taken; the current value goes with its secret only."""
        state = self.read(op, known)
        for stage in (state or {}).get("versionStages") or ():
            if stage != _CURRENT:
                self._remove(op, known["secretId"], stage, known["versionId"])

    def parse_id(self, op: Operation, identifier: str) -> State:
        """Secret and version."""
        secret, _, version = identifier.rpartition("|")
        return {"secretId": secret, "versionId": version}


class SecretPolicy(Adapter):
    """Who may have a secret; its id is the secret's ARN."""

    token = "aws:secretsmanager/secretPolicy:SecretPolicy"
    service = "secretsmanager"
    handled = frozenset({"policy", "secretArn"})
    local = frozenset({"blockPublicPolicy"})
    in_place = frozenset({"policy"})
    policies: ClassVar[Mapping[str, bool]] = {"policy": True}

    def create(self, op: Operation, inputs: State) -> State | None:
        """Puts the policy."""
        self._put(op, inputs)
        op.id = inputs["secretArn"]
        return dict(inputs)

    def _put(self, op: Operation, inputs: State) -> None:
        parameters = {"SecretId": inputs["secretArn"], "ResourcePolicy": inputs["policy"]}
        if inputs.get("blockPublicPolicy") is not None:
            parameters["BlockPublicPolicy"] = inputs["blockPublicPolicy"]
        op.call("PutResourcePolicy", parameters)

    def read(self, op: Operation, known: State) -> State | None:
        """Gets the policy."""
        answer = found(op.call, operation="GetResourcePolicy", params={"SecretId": op.id})
        if answer is None or not answer.get("ResourcePolicy"):
            return None
        return {"secretArn": op.id, "policy": answer["ResourcePolicy"]}

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Puts the policy again."""
        self._put(op, news)

    def delete(self, op: Operation, known: State) -> None:
        """Deletes the policy."""
        op.call("DeleteResourcePolicy", {"SecretId": op.id})

    def parse_id(self, op: Operation, identifier: str) -> State:
        """The secret's ARN."""
        return {"secretArn": identifier}
