"""Amazon EKS: clusters, their nodes, add-ons, and who may do what in them."""

import json
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from twin.aws.provider.adapter import Adapter, Declared, State, found
from twin.aws.provider.names import AutoName
from twin.aws.provider.operation import Operation
from twin.aws.provider.tagging import Tagging
from twin.aws.provider.waiting import wait_until
from twin.providers.problems import Problems

_TAGGING: Final = Tagging(resource="resourceArn", tags="tags", keys="tagKeys", pair=None)
_VERSION: Final = re.compile(r"^1\.\d{2}$")
_LOG_TYPES: Final = ("api", "audit", "authenticator", "controllerManager", "scheduler")
_PRINCIPAL: Final = re.compile(r"^arn:aws[a-z-]*:(iam|sts)::\d{12}:.+$")
_NAMESPACED: Final = ("namespace", "cluster")


class Cluster(Adapter):
    """A control plane; its id is its name."""

    token = "aws:eks/cluster:Cluster"
    service = "eks"
    auto_name = AutoName(max_length=100)
    create_shapes = ("CreateCluster.input",)
    rename: ClassVar[Mapping[str, str]] = {"vpcConfig": "resourcesVpcConfig"}
    handled = frozenset({"enabledClusterLogTypes", "encryptionConfig", "defaultAddonsToRemoves"})
    local = frozenset({"defaultAddonsToRemoves", "forceUpdateVersion", "bootstrapSelfManagedAddons"})
    in_place = frozenset({"accessConfig", "deletionProtection", "upgradePolicy", "version"})
    defaults: ClassVar[Mapping[str, Any]] = {"bootstrapSelfManagedAddons": True}
    tagging = _TAGGING

    def changes_in_place(self, cloud: Any) -> frozenset[str]:
        """Log types and the endpoint's reach too."""
        return super().changes_in_place(cloud) | {"enabledClusterLogTypes", "vpcConfig"}

    def forces_replacement(self, name: str, old: Any, new: Any) -> bool:
        """Who created a cluster is its first administrator for ever."""
        key = "bootstrapClusterCreatorAdminPermissions"
        first, second = (value.get(key) if isinstance(value, dict) else None for value in (old, new))
        return name == "accessConfig" and first != second

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Version, logs, subnets, and what encrypts what."""
        version = inputs.get("version")
        if isinstance(version, str) and not _VERSION.match(version):
            problems.add("version", f"{version!r} is no minor version", 'give one such as "1.36"')
        for place, kind in enumerate(_listed(inputs.get("enabledClusterLogTypes"))):
            if isinstance(kind, str) and kind not in _LOG_TYPES:
                allowed = ", ".join(_LOG_TYPES)
                problems.add(f"enabledClusterLogTypes[{place}]", f"{kind!r}", f"use one of: {allowed}")
        network = inputs.get("vpcConfig")
        if isinstance(network, dict):
            subnets = network.get("subnetIds")
            if isinstance(subnets, list) and len(subnets) < 2:
                problems.add("vpcConfig.subnetIds", f"{len(subnets)} given", "give two, in different zones")
            if (
                network.get("endpointPublicAccess") is False
                and network.get("endpointPrivateAccess", False) is False
            ):
                problems.add(
                    "vpcConfig.endpointPrivateAccess",
                    "is off like the public endpoint",
                    "nobody could reach it",
                )
        encryption = inputs.get("encryptionConfig")
        resources = encryption.get("resources") if isinstance(encryption, dict) else None
        for place, resource in enumerate(_listed(resources)):
            if isinstance(resource, str) and resource != "secrets":
                problems.add(f"encryptionConfig.resources[{place}]", f"{resource!r}", "only secrets can be")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Makes it, and waits until it answers."""
        params = self.request(op, "CreateCluster.input", inputs)
        params["name"] = inputs["name"]
        params["logging"] = _logging(inputs.get("enabledClusterLogTypes"))
        if inputs.get("encryptionConfig"):
            params["encryptionConfig"] = [
                {
                    "provider": {"keyArn": inputs["encryptionConfig"]["provider"]["keyArn"]},
                    "resources": inputs["encryptionConfig"]["resources"],
                }
            ]
        params.pop("enabledClusterLogTypes", None)
        if "bootstrapSelfManagedAddons" in inputs:
            params["bootstrapSelfManagedAddons"] = inputs["bootstrapSelfManagedAddons"]
        op.call("CreateCluster", params)
        op.id = inputs["name"]
        self._settled(op)
        return None

    def _settled(self, op: Operation) -> None:
        def ready() -> bool:
            return bool(op.call("DescribeCluster", {"name": op.id})["cluster"]["status"] == "ACTIVE")

        wait_until(ready, f"{op.id} is active")

    def read(self, op: Operation, known: State) -> State | None:
        """The cluster as EKS tells it."""
        answer = self._told(op, known)
        if answer is None:
            return None
        data = answer["cluster"]
        state = self.properties(op, "Cluster", data)
        state["arn"] = data["arn"]
        state["name"] = data["name"]
        state["clusterId"] = None
        state["certificateAuthority"] = {"data": data.get("certificateAuthority", {}).get("data")}
        state["certificateAuthorities"] = [state["certificateAuthority"]]
        state["createdAt"] = str(data.get("createdAt"))
        state["enabledClusterLogTypes"] = [
            kind
            for setup in data.get("logging", {}).get("clusterLogging", ())
            if setup.get("enabled")
            for kind in setup["types"]
        ] or None
        encryption = data.get("encryptionConfig") or []
        state["encryptionConfig"] = (
            {
                "provider": {"keyArn": encryption[0]["provider"]["keyArn"]},
                "resources": encryption[0]["resources"],
            }
            if encryption
            else None
        )
        network = data.get("resourcesVpcConfig", {})
        state["vpcConfig"] = {
            "clusterSecurityGroupId": network.get("clusterSecurityGroupId"),
            "endpointPrivateAccess": network.get("endpointPrivateAccess", False),
            "endpointPublicAccess": network.get("endpointPublicAccess", True),
            "publicAccessCidrs": network.get("publicAccessCidrs") or [],
            "securityGroupIds": network.get("securityGroupIds") or [],
            "subnetIds": network.get("subnetIds") or [],
            "vpcId": network.get("vpcId"),
        }
        return state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """One change a call, as EKS takes them."""
        name = {"name": op.id}
        if "version" in changed:
            op.call("UpdateClusterVersion", {**name, "version": news["version"]})
            self._settled(op)
        if "enabledClusterLogTypes" in changed:
            op.call("UpdateClusterConfig", {**name, "logging": _logging(news.get("enabledClusterLogTypes"))})
            self._settled(op)
        for key, member in (
            ("vpcConfig", "resourcesVpcConfig"),
            ("accessConfig", "accessConfig"),
            ("upgradePolicy", "upgradePolicy"),
            ("deletionProtection", "deletionProtection"),
        ):
            if key in changed:
                whole = self.request(op, "UpdateClusterConfig.input", {key: news.get(key)})
                op.call("UpdateClusterConfig", {**name, member: whole[member]})
                self._settled(op)

    def delete(self, op: Operation, known: State) -> None:
        """Waits until it is gone: till then it keeps its subnets."""
        op.call("DeleteCluster", {"name": op.id})
        wait_until(lambda: self._told(op, known) is None, f"{op.id} is deleted")

    def _told(self, op: Operation, known: Mapping[str, Any]) -> dict[str, Any] | None:
        return found(op.call, operation="DescribeCluster", params={"name": known["name"]})


class NodeGroup(Adapter):
    """Machines that EKS manages; its id is `cluster:group`."""

    token = "aws:eks/nodeGroup:NodeGroup"
    service = "eks"
    auto_name = AutoName(key="nodeGroupName", max_length=63)
    create_shapes = ("CreateNodegroup.input",)
    rename: ClassVar[Mapping[str, str]] = {
        "nodeGroupName": "nodegroupName",
        "nodeRoleArn": "nodeRole",
        "subnetIds": "subnets",
        "remoteAccess.sourceSecurityGroupIds": "sourceSecurityGroups",
    }
    handled = frozenset({"taints"})
    in_place = frozenset(
        {"labels", "launchTemplate", "releaseVersion", "scalingConfig", "taints", "updateConfig", "version"}
    )
    local = frozenset({"forceUpdateVersion"})
    tagging = _TAGGING

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Sizes."""
        scaling = inputs.get("scalingConfig")
        if isinstance(scaling, dict):
            sizes = [scaling.get(key) for key in ("minSize", "desiredSize", "maxSize")]
            known = [size for size in sizes if isinstance(size, int)]
            if known != sorted(known):
                problems.add("scalingConfig", f"{known}", "minSize <= desiredSize <= maxSize")

    def create(self, op: Operation, inputs: State) -> State | None:
        """Makes it, and waits until its machines are there."""
        params = self.request(op, "CreateNodegroup.input", inputs)
        if inputs.get("taints"):
            params["taints"] = inputs["taints"]
        op.call("CreateNodegroup", params)
        op.id = f"{inputs['clusterName']}:{inputs['nodeGroupName']}"
        self._settled(op, inputs)
        return None

    def _settled(self, op: Operation, known: Mapping[str, Any]) -> None:
        def ready() -> bool:
            answer = self._told(op, known) or {"nodegroup": {"status": "GONE"}}
            status = answer["nodegroup"]["status"]
            if status == "CREATE_FAILED":
                raise ValueError(f"{op.id}: {answer['nodegroup'].get('health')}")
            return bool(status == "ACTIVE")

        wait_until(ready, f"{op.id} is active")

    def _named(self, known: Mapping[str, Any]) -> dict[str, Any]:
        return {"clusterName": known["clusterName"], "nodegroupName": known["nodeGroupName"]}

    def _told(self, op: Operation, known: Mapping[str, Any]) -> dict[str, Any] | None:
        return found(op.call, operation="DescribeNodegroup", params=self._named(known))

    def read(self, op: Operation, known: State) -> State | None:
        """The group as EKS tells it."""
        answer = self._told(op, known)
        if answer is None:
            return None
        data = answer["nodegroup"]
        state = self.properties(op, "Nodegroup", data)
        state.update(
            arn=data["nodegroupArn"],
            nodeGroupName=data["nodegroupName"],
            nodeRoleArn=data["nodeRole"],
            subnetIds=data["subnets"],
            taints=data.get("taints") or None,
        )
        template = data.get("launchTemplate")
        if template:
            state["launchTemplate"] = {
                key: template.get(key) for key in ("id", "name", "version") if template.get(key)
            }
            asked = known.get("launchTemplate") or {}
            # EKS tells both id and name of what was named by one.
            for key in ("id", "name"):
                if asked and key not in asked:
                    state["launchTemplate"].pop(key, None)
        return state

    def update(self, op: Operation, olds: State, news: State, changed: frozenset[str]) -> None:
        """Settings in one call, what machines are made of in another."""
        name = self._named(news)
        settings: dict[str, Any] = {
            key: news[key] for key in ("scalingConfig", "updateConfig") if key in changed and news.get(key)
        }
        if "labels" in changed:
            old, new = olds.get("labels") or {}, news.get("labels") or {}
            settings["labels"] = {
                "addOrUpdateLabels": new,
                "removeLabels": sorted(set(old) - set(new)),
            }
        if "taints" in changed:
            old_taints, new_taints = olds.get("taints") or [], news.get("taints") or []
            settings["taints"] = {
                "addOrUpdateTaints": new_taints,
                "removeTaints": [taint for taint in old_taints if taint not in new_taints],
            }
        if settings:
            op.call("UpdateNodegroupConfig", {**name, **settings})
            self._settled(op, news)
        machines = changed & {"launchTemplate", "releaseVersion", "version"}
        if machines:
            params = {key: news[key] for key in sorted(machines) if news.get(key)}
            op.call("UpdateNodegroupVersion", {**name, **params})
            self._settled(op, news)

    def delete(self, op: Operation, known: State) -> None:
        """Waits until its machines are gone."""
        op.call("DeleteNodegroup", self._named(known))
        wait_until(lambda: self._told(op, known) is None, f"{op.id} is deleted")

    def parse_id(self, op: Operation, identifier: str) -> State:
        """Cluster and group."""
        cluster, _, group = identifier.partition(":")
        return {"clusterName": cluster, "nodeGroupName": group}


class Addon(Declared):
    """A part of a cluster that EKS keeps up to date; its id is `cluster:add-on`."""

    token = "aws:eks/addon:Addon"
    service = "eks"
    create_call, read_call = "CreateAddon", "DescribeAddon"
    update_call, delete_call = "UpdateAddon", "DeleteAddon"
    result = "addon"
    key: ClassVar[Mapping[str, str]] = {"clusterName": "clusterName", "addonName": "addonName"}
    id_property = "{clusterName}:{addonName}"
    arn = ""
    rename: ClassVar[Mapping[str, str]] = {
        "resolveConflictsOnCreate": "resolveConflicts",
    }
    handled = frozenset({"resolveConflictsOnCreate", "resolveConflictsOnUpdate"})
    local = frozenset({"preserve", "resolveConflictsOnCreate", "resolveConflictsOnUpdate"})
    tagging = _TAGGING

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """Settings are JSON."""
        text = inputs.get("configurationValues")
        if isinstance(text, str):
            try:
                json.loads(text)
            except ValueError as error:
                problems.add("configurationValues", f"is no JSON ({error})", "write it with json.dumps")

    def adjust(self, op: Operation, state: State, data: Mapping[str, Any]) -> None:
        """The ARN, and times as text."""
        state["arn"] = data["addonArn"]
        state["createdAt"], state["modifiedAt"] = str(data.get("createdAt")), str(data.get("modifiedAt"))


class AccessEntry(Declared):
    """Who may come into a cluster; its id is `cluster:principal`."""

    token = "aws:eks/accessEntry:AccessEntry"
    service = "eks"
    create_call, read_call = "CreateAccessEntry", "DescribeAccessEntry"
    update_call, delete_call = "UpdateAccessEntry", "DeleteAccessEntry"
    result = "accessEntry"
    key: ClassVar[Mapping[str, str]] = {"clusterName": "clusterName", "principalArn": "principalArn"}
    id_property = "{clusterName}:{principalArn}"
    rename: ClassVar[Mapping[str, str]] = {"userName": "username"}
    defaults: ClassVar[Mapping[str, Any]] = {"type": "STANDARD"}
    tagging = Tagging(resource="resourceArn", tags="tags", keys="tagKeys", pair=None, target="accessEntryArn")

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The principal."""
        principal = inputs.get("principalArn")
        if isinstance(principal, str) and not _PRINCIPAL.match(principal):
            problems.add("principalArn", f"{principal!r}", "give the ARN of an IAM role or user")

    def adjust(self, op: Operation, state: State, data: Mapping[str, Any]) -> None:
        """The ARN, and times as text."""
        state["accessEntryArn"] = data["accessEntryArn"]
        state["createdAt"], state["modifiedAt"] = str(data.get("createdAt")), str(data.get("modifiedAt"))


class AccessPolicyAssociation(Adapter):
    """What one who may come in may do; its id is `cluster#principal#policy`."""

    token = "aws:eks/accessPolicyAssociation:AccessPolicyAssociation"
    service = "eks"
    create_shapes = ("AssociateAccessPolicy.input",)

    def check(self, op: Operation, inputs: Mapping[str, Any], problems: Problems) -> None:
        """The scope."""
        scope = inputs.get("accessScope")
        if isinstance(scope, dict) and isinstance(scope.get("type"), str):
            if scope["type"] not in _NAMESPACED:
                problems.add("accessScope.type", f"{scope['type']!r}", "use cluster or namespace")
            elif (scope["type"] == "namespace") != bool(scope.get("namespaces")):
                problems.add(
                    "accessScope.namespaces", f"{scope.get('namespaces')!r}", "are for type namespace"
                )

    def create(self, op: Operation, inputs: State) -> State | None:
        """Associates it."""
        op.call("AssociateAccessPolicy", self.request(op, "AssociateAccessPolicy.input", inputs))
        op.id = f"{inputs['clusterName']}#{inputs['principalArn']}#{inputs['policyArn']}"
        return None

    def read(self, op: Operation, known: State) -> State | None:
        """Found among the principal's policies."""
        answer = found(
            op.call,
            operation="ListAssociatedAccessPolicies",
            params={"clusterName": known["clusterName"], "principalArn": known["principalArn"]},
        )
        told = next(
            (
                item
                for item in (answer or {}).get("associatedAccessPolicies", ())
                if item["policyArn"] == known["policyArn"]
            ),
            None,
        )
        if told is None:
            return None
        scope = {key: value for key, value in told["accessScope"].items() if value}
        return {
            "accessScope": scope,
            "associatedAt": str(told["associatedAt"]),
            "clusterName": known["clusterName"],
            "modifiedAt": str(told["modifiedAt"]),
            "policyArn": told["policyArn"],
            "principalArn": known["principalArn"],
        }

    def delete(self, op: Operation, known: State) -> None:
        """Takes it back."""
        names = ("clusterName", "policyArn", "principalArn")
        op.call("DisassociateAccessPolicy", {name: known[name] for name in names})

    def parse_id(self, op: Operation, identifier: str) -> State:
        """Cluster, principal and policy."""
        cluster, principal, policy = identifier.split("#")
        return {"clusterName": cluster, "policyArn": policy, "principalArn": principal}


class PodIdentityAssociation(Declared):
    """Which role pods of a service account have; its id is the association's."""

    token = "aws:eks/podIdentityAssociation:PodIdentityAssociation"
    service = "eks"
    create_call, read_call = "CreatePodIdentityAssociation", "DescribePodIdentityAssociation"
    update_call, delete_call = "UpdatePodIdentityAssociation", "DeletePodIdentityAssociation"
    result = "association"
    key: ClassVar[Mapping[str, str]] = {"clusterName": "clusterName", "associationId": "associationId"}
    id_property = "associationId"
    tagging = Tagging(resource="resourceArn", tags="tags", keys="tagKeys", pair=None, target="associationArn")

    def made(self, op: Operation, inputs: State, answer: Mapping[str, Any]) -> State:
        """Its id comes with the answer."""
        return {"associationId": answer["association"]["associationId"]}

    def adjust(self, op: Operation, state: State, data: Mapping[str, Any]) -> None:
        """Its ARN."""
        state["associationArn"] = data["associationArn"]

    def parse_id(self, op: Operation, identifier: str) -> State:
        """`cluster,association`, as Pulumi's provider imports it."""
        cluster, _, association = identifier.partition(",")
        return {"clusterName": cluster, "associationId": association}


def _logging(kinds: Any) -> dict[str, Any]:
    on = sorted(kinds or ())
    off = [kind for kind in _LOG_TYPES if kind not in on]
    setups = [{"types": on, "enabled": True}] if on else []
    if off:
        setups.append({"types": off, "enabled": False})
    return {"clusterLogging": setups}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
