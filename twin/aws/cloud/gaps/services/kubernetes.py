"""EKS: add-ons, access entries and Pod Identity, and the fields of clusters that moto drops."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from twin.aws.cloud.gaps import tagging
from twin.aws.cloud.gaps.context import Context, utc_now
from twin.aws.cloud.gaps.kinds import Kind, update
from twin.aws.cloud.gaps.lossy import Lossy
from twin.aws.cloud.gaps.moto_objects import backend
from twin.aws.cloud.gaps.registry import GapRegistry
from twin.aws.cloud.gaps.store import Record
from twin.aws.cloud.http import HttpResponse
from twin.aws.cloud.protocol import AwsError

_ARN: Final = "arn:aws:eks:{region}:{account}"
_CLUSTER_FIELDS: Final = (
    "accessConfig",
    "bootstrapSelfManagedAddons",
    "computeConfig",
    "deletionProtection",
    "storageConfig",
    "upgradePolicy",
    "zonalShiftConfig",
)


def fill(registry: GapRegistry) -> None:
    """Registers EKS's gap fillers."""
    for kind in (ADDON, ACCESS_ENTRY, POD_IDENTITY):
        registry.kind(kind)
    registry.lossy(CLUSTER)
    registry.lossy(NODE_GROUP)
    for operation, change, otherwise in (
        ("TagResource", _tag, tagging.tag),
        ("UntagResource", _untag, tagging.untag),
        ("ListTagsForResource", _list_tags, tagging.list_tags),
    ):
        registry.raw("eks", operation, partial(_tags_of_group, change, otherwise))
    registry.raw("eks", "CreateCluster", _create_cluster)
    registry.raw("eks", "DeleteCluster", _delete_cluster)
    registry.answer("eks", "UpdateClusterVersion", _update_cluster_version)
    registry.answer("eks", "UpdateNodegroupVersion", _update_nodegroup_version)
    registry.answer("eks", "UpdateAddon", _update_addon)
    registry.answer("eks", "AssociateAccessPolicy", _associate_policy)
    registry.answer("eks", "DisassociateAccessPolicy", _disassociate_policy)
    registry.answer("eks", "ListAssociatedAccessPolicies", _list_policies)


def _tags_of_group(
    change: Callable[[Context, dict[str, str]], dict[str, Any]],
    otherwise: Callable[[Context], HttpResponse],
    context: Context,
) -> HttpResponse:
    """Moto tags clusters, the store what it keeps itself; node groups are neither."""
    arn = context.required("resourceArn")
    if ":nodegroup/" not in arn:
        return otherwise(context)
    groups = (
        group
        for cluster in backend(context, "eks").clusters.values()
        for group in cluster.nodegroups.values()
        if group.arn == arn
    )
    found = next(groups, None)
    if found is None:
        raise AwsError("NotFoundException", f"No node group found for ARN: {arn}", 404)
    return context.operation.answer(change(context, found.tags))


def _tag(context: Context, tags: dict[str, str]) -> dict[str, Any]:
    tags.update(context.required("tags"))
    return {}


def _untag(context: Context, tags: dict[str, str]) -> dict[str, Any]:
    for key in context.required("tagKeys"):
        tags.pop(key, None)
    return {}


def _list_tags(_context: Context, tags: dict[str, str]) -> dict[str, Any]:
    return {"tags": tags}


def _create_cluster(context: Context) -> HttpResponse:
    """A cluster has a security group of its own, which moto leaves out."""
    response = CLUSTER.operations()["CreateCluster"](context)
    if response.status >= 300:
        return response
    name, ec2 = context.parameters["name"], backend(context, "ec2")
    subnets = context.parameters["resourcesVpcConfig"].get("subnetIds") or []
    vpc = next((ec2.get_subnet(subnet).vpc_id for subnet in subnets), None)
    if vpc is not None:
        group = ec2.create_security_group(
            f"eks-cluster-sg-{name}", f"EKS created security group of {name}", vpc_id=vpc
        )
        note = {"resourcesVpcConfig": {"clusterSecurityGroupId": group.id, "vpcId": vpc}}
        context.store.notes[CLUSTER.key(context)] = context.store.notes.get(CLUSTER.key(context), {}) | note
    return response


def _delete_cluster(context: Context) -> HttpResponse:
    """Its security group goes with it."""
    note = context.store.notes.get(CLUSTER.key(context), {}).get("resourcesVpcConfig", {})
    response = CLUSTER.operations()["DeleteCluster"](context)
    if response.status < 300 and "clusterSecurityGroupId" in note:
        backend(context, "ec2").delete_security_group(group_id=note["clusterSecurityGroupId"])
    return response


def _update_cluster_version(context: Context) -> dict[str, Any]:
    cluster = backend(context, "eks").clusters.get(context.required("name"))
    if cluster is None:
        raise AwsError(
            "ResourceNotFoundException", f"No cluster found for name: {context.required('name')}.", 404
        )
    cluster.version = context.required("version")
    return _updated("VersionUpdate")


def _update_nodegroup_version(context: Context) -> dict[str, Any]:
    group = backend(context, "eks").describe_nodegroup(
        context.required("clusterName"), context.required("nodegroupName")
    )
    if "version" in context.parameters:
        group.version = context.parameters["version"]
    if "launchTemplate" in context.parameters:
        group.launch_template = {**(group.launch_template or {}), **context.parameters["launchTemplate"]}
    return _updated("VersionUpdate")


def _updated(kind: str) -> dict[str, Any]:
    return {
        "update": {
            "id": f"{kind}-1",
            "status": "Successful",
            "type": kind,
            "params": [],
            "errors": [],
            "createdAt": utc_now(),
        }
    }


def _check_cluster(context: Context, record: Record) -> None:
    name = record["clusterName"]
    if name not in backend(context, "eks").clusters:
        raise AwsError("ResourceNotFoundException", f"No cluster found for name: {name}.", 404)


def _begin_access(context: Context, entry: Record) -> None:
    _check_cluster(context, entry)
    principal = entry["principalArn"]
    entry.setdefault("username", principal)
    entry.setdefault("kubernetesGroups", [])
    entry["_path"] = principal.split(":")[-1]
    entry["_policies"] = {}


def _association_id(_kind: Kind, _context: Context) -> str:
    from moto.moto_api._internal import mock_random

    return "a-" + mock_random.get_random_hex(17)


def _begin_association(context: Context, association: Record) -> None:
    _check_cluster(context, association)
    for other in POD_IDENTITY.records(context).values():
        if all(other[name] == association[name] for name in ("clusterName", "namespace", "serviceAccount")):
            raise AwsError("ResourceInUseException", "Association already exists", 409)


def _kind(noun: str, name: str, member: str, **more: Any) -> Kind:
    plural = noun.removesuffix("y") + "ies" if noun.endswith("y") else f"{noun}s"
    settings = {"before_create": _check_cluster, "update": f"Update{noun}", **more}
    return Kind(
        service="eks",
        noun=noun,
        name=name,
        within="clusterName",
        arn_field=f"{member}Arn",
        create=f"Create{noun}",
        describe=f"Describe{noun}",
        list=f"List{plural}",
        delete=f"Delete{noun}",
        wrap=member,
        tags="tags",
        created="createdAt",
        modified="modifiedAt",
        missing=("ResourceNotFoundException", f"No {member} found for name: {{name}}"),
        exists=("ResourceInUseException", f"{noun} already exists: {{name}}"),
        **settings,
    )


ADDON: Final = _kind(
    "Addon",
    "addonName",
    "addon",
    arn=_ARN + ":addon/{clusterName}/{name}/id",
    initial={"status": "ACTIVE", "health": {"issues": []}, "addonVersion": "v1.0.0-eksbuild.1"},
    update=None,
)
ACCESS_ENTRY: Final = _kind(
    "AccessEntry",
    "principalArn",
    "accessEntry",
    arn=_ARN + ":access-entry/{clusterName}/{_path}/id",
    initial={"type": "STANDARD"},
    before_create=_begin_access,
)
POD_IDENTITY: Final = _kind(
    "PodIdentityAssociation",
    "associationId",
    "association",
    arn=_ARN + ":podidentityassociation/{clusterName}/{name}",
    make_name=_association_id,
    before_create=_begin_association,
    initial={"disableSessionTags": False},
)
CLUSTER: Final = Lossy(
    service="eks",
    family="cluster",
    name=lambda parameters: str(parameters["name"]),
    writes=("CreateCluster", "UpdateClusterConfig"),
    reads=("DescribeCluster",),
    deletes=("DeleteCluster",),
    wrap="cluster",
    noted=lambda parameters: {name: parameters.get(name) for name in _CLUSTER_FIELDS},
)
NODE_GROUP: Final = Lossy(
    service="eks",
    family="nodegroup",
    name=lambda parameters: f"{parameters['clusterName']}/{parameters['nodegroupName']}",
    writes=("CreateNodegroup", "UpdateNodegroupConfig"),
    reads=("DescribeNodegroup",),
    deletes=("DeleteNodegroup",),
    wrap="nodegroup",
    noted=lambda parameters: {"updateConfig": parameters.get("updateConfig")},
)


def _update_addon(context: Context) -> dict[str, Any]:
    update(ADDON, context)
    return _updated("AddonUpdate")


def _associate_policy(context: Context) -> dict[str, Any]:
    entry = ACCESS_ENTRY.asked_for(context)
    policy, now = context.required("policyArn"), utc_now()
    before = entry["_policies"].get(policy, {})
    told = {
        "policyArn": policy,
        "accessScope": context.required("accessScope"),
        "associatedAt": before.get("associatedAt", now),
        "modifiedAt": now,
    }
    entry["_policies"][policy] = told
    return {
        "clusterName": entry["clusterName"],
        "principalArn": entry["principalArn"],
        "associatedAccessPolicy": told,
    }


def _disassociate_policy(context: Context) -> None:
    entry = ACCESS_ENTRY.asked_for(context)
    if entry["_policies"].pop(context.required("policyArn"), None) is None:
        raise AwsError("ResourceNotFoundException", "The policy is not associated", 404)


def _list_policies(context: Context) -> dict[str, Any]:
    entry = ACCESS_ENTRY.asked_for(context)
    return {
        "clusterName": entry["clusterName"],
        "principalArn": entry["principalArn"],
        "associatedAccessPolicies": list(entry["_policies"].values()),
    }
