"""Clusters and groups of machines that outlive a version, a zone and a spot shortage."""

import re
from typing import Final

from policies.catalogue import About, Findings, joined_rule, resource_rule
from policies.machines import BATCH_POOL, NODE_GROUP, NODE_POOL, Pool
from policies.pods import REPLICATED, pod_template
from policies.queues import queued_with
from policies.resources import Resource, Stack
from policies.settings import Settings
from policies.values import Props, any_of

CLUSTER: Final = "aws:eks:Cluster"
GROUP: Final = "aws:autoscaling:Group"

_SIZE: Final = "karpenter.k8s.aws/instance-size"
_FAMILIES: Final = ("karpenter.k8s.aws/instance-family", "karpenter.k8s.aws/instance-category")
_TYPE: Final = "node.kubernetes.io/instance-type"
_ENOUGH: Final = 3
_CAPACITY_LABELS: Final = ("karpenter.sh/capacity-type", "eks.amazonaws.com/capacityType")


@resource_rule(
    About(
        id="R8",
        name="cluster-version-supported",
        title="Clusters run a supported Kubernetes version",
        remedy="Upgrade the cluster, one minor version at a time.",
        references=("CKV_AWS_339",),
        severity="high",
        options={
            "oldest": {
                "type": "string",
                "default": "1.29",
                "description": "The oldest version that AWS supports, extended support included.",
            }
        },
    ),
    types=(CLUSTER,),
)
def cluster_version_supported(cluster: Resource, settings: Settings) -> Findings:
    """Without a version AWS takes a current one."""
    version = cluster.props.text("version")
    if version and _minor(version) < _minor(settings["oldest"]):
        yield f"Kubernetes {version} is no longer supported (from {settings['oldest']} on)"


def _minor(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


@resource_rule(
    About(
        id="R9",
        name="group-spans-zones-and-types",
        title="Groups of machines span zones and types",
        remedy="Give the group subnets in at least two zones, and a mixedInstancesPolicy with several types.",
        references=("AutoScaling.2", "AutoScaling.6"),
    ),
    types=(GROUP, NODE_GROUP),
)
def group_spans_zones_and_types(group: Resource, _settings: Settings) -> Findings:
    """A node group's types matter on spot only, which is another rule."""
    props = group.props
    if group.type == NODE_GROUP:
        if not props.unknown("subnetIds") and len(props.texts("subnetIds")) < 2:
            yield "it stops with its zone: it has one subnet"
        return
    zones = [name for name in ("availabilityZones", "vpcZoneIdentifiers") if props.stated(name)]
    if not any_of(zones, lambda name: props.unknown(name) or len(_items(props, name)) > 1):
        yield "it stops with its zone: it is in one zone"
    overrides = props.block("mixedInstancesPolicy").block("launchTemplate").blocks("overrides", "override")
    if not any_of(overrides, lambda item: item.stated("instanceRequirements")) and len(overrides) < 2:
        yield "it stops when its one instance type is out of stock"


def _items(props: Props, name: str) -> list[object]:
    value = props.get(name)
    return value if isinstance(value, list) else [value]


@joined_rule(
    About(
        id="R10",
        name="spot-pool-has-a-way-out",
        title="A spot pool has at least three instance types and an on-demand fall-back",
        remedy="Allow three types or more, and add an on-demand pool (Batch: a second one in the queue).",
    ),
    types=(BATCH_POOL, NODE_GROUP, NODE_POOL),
)
def spot_pool_has_a_way_out(resource: Resource, stack: Stack, _settings: Settings) -> Findings:
    """One type's spot market can be empty for days."""
    pool = Pool(resource)
    if not pool.spot:
        return
    count = _types(pool)
    if count < _ENOUGH:
        yield f"it waits when {count} instance type{'s are' if count > 1 else ' is'} out of stock"
    if pool.on_demand:
        return
    if pool.kind == BATCH_POOL:
        others = queued_with(resource, stack)
    else:
        others = [Pool(item) for item in stack.of(pool.kind) if item is not resource]
    if not any_of(others, lambda other: other.on_demand and other.accelerated == pool.accelerated):
        yield "it waits when there is no spot: no on-demand pool takes over"


def _types(pool: Pool) -> int:
    """How many instance types a pool has at least; what leaves it open has enough."""
    if pool.kind != NODE_POOL:
        kinds = pool.instance_types
        # A family, and Batch's own choice, stand for many sizes.
        return sum(1 if "." in item else _ENOUGH for item in kinds) if kinds else _default_types(pool)
    named = [item for item in pool.requirements if item.key == _TYPE and item.operator == "In"]
    if named:
        return len(named[0].values)
    families = [item for item in pool.requirements if item.key in _FAMILIES and item.operator == "In"]
    sizes = [item for item in pool.requirements if item.key == _SIZE and item.operator == "In"]
    family_count = len(families[0].values) if families else _ENOUGH
    return family_count * (len(sizes[0].values) if sizes else _ENOUGH)


def _default_types(pool: Pool) -> int:
    """EKS takes one type (t3.medium) when none is given; Batch picks among many."""
    return 1 if pool.kind == NODE_GROUP else _ENOUGH


@joined_rule(
    About(
        id="R12",
        name="inference-not-only-spot",
        title="Inference of production does not depend on spot",
        remedy="Let the pods run on on-demand nodes too: make the selector for spot a preference.",
    ),
    types=REPLICATED,
)
def inference_not_only_spot(resource: Resource, _stack: Stack, settings: Settings) -> Findings:
    """A preference for spot is fine, a requirement is not."""
    if not settings.is_prod:
        return
    spec = pod_template(resource).spec
    chosen = spec.mapping("nodeSelector")
    bound = any(str(chosen.get(label, "")).lower() == "spot" for label in _CAPACITY_LABELS)
    required = (
        spec.block("affinity").block("nodeAffinity").block("requiredDuringSchedulingIgnoredDuringExecution")
    )
    terms = required.blocks("nodeSelectorTerms")
    if bound or (terms and all(_only_spot(term) for term in terms)):
        yield "it has nowhere to run when there is no spot"


def _only_spot(term: Props) -> bool:
    return any(
        item.text("key") in _CAPACITY_LABELS
        and item.text("operator") == "In"
        and {value.lower() for value in item.texts("values")} == {"spot"}
        for item in term.blocks("matchExpressions")
    )
