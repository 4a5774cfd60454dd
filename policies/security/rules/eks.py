"""Clusters and their nodes."""

from typing import Final

from policies.catalogue import About, Findings, resource_rule
from policies.resources import Resource
from policies.settings import Settings

CLUSTER: Final = "aws:eks:Cluster"
_LOG_TYPES: Final = ("api", "audit", "authenticator", "controllerManager", "scheduler")


@resource_rule(
    About(
        id="S14",
        name="cluster-endpoint-is-private",
        title="Cluster endpoints are private",
        remedy="Set vpcConfig.endpointPublicAccess to false and endpointPrivateAccess to true.",
        references=("CKV_AWS_38", "CKV_AWS_39"),
        severity="critical",
    ),
    types=(CLUSTER,),
)
def cluster_endpoint_is_private(cluster: Resource, _settings: Settings) -> Findings:
    """AWS opens the endpoint to the internet unless told not to."""
    network = cluster.props.block("vpcConfig")
    if not network.flag("endpointPublicAccess", default=True):
        return
    ranges = [] if network.unknown("publicAccessCidrs") else network.texts("publicAccessCidrs")
    reach = "the whole internet" if not ranges or "0.0.0.0/0" in ranges else ", ".join(ranges)
    yield f"its API can be reached from {reach}"


@resource_rule(
    About(
        id="S15",
        name="cluster-encrypts-secrets",
        title="Clusters encrypt Kubernetes secrets",
        remedy="Set encryptionConfig with resources [secrets] and a key.",
        references=("CKV_AWS_58",),
        severity="high",
    ),
    types=(CLUSTER,),
)
def cluster_encrypts_secrets(cluster: Resource, _settings: Settings) -> Findings:
    """With a key of one's own, beside the disk's encryption."""
    if "secrets" not in cluster.props.block("encryptionConfig").texts("resources"):
        yield "Kubernetes secrets are not encrypted with a key of yours"


@resource_rule(
    About(
        id="S16",
        name="cluster-logs-control-plane",
        title="Clusters log their control plane",
        remedy=f"Set enabledClusterLogTypes to {', '.join(_LOG_TYPES)}.",
        references=("CKV_AWS_37",),
    ),
    types=(CLUSTER,),
)
def cluster_logs_control_plane(cluster: Resource, _settings: Settings) -> Findings:
    """All five kinds; none is on by itself."""
    enabled = cluster.props.texts("enabledClusterLogTypes")
    missing = [kind for kind in _LOG_TYPES if kind not in enabled]
    if missing:
        yield f"the control plane does not log {', '.join(missing)}"


@resource_rule(
    About(
        id="S17",
        name="nodes-have-no-open-ssh",
        title="Nodes have no SSH open to the internet",
        remedy="Leave out remoteAccess (use Session Manager), or name its sourceSecurityGroupIds.",
        references=("CKV_AWS_100",),
        severity="high",
    ),
    types=("aws:eks:NodeGroup",),
)
def nodes_have_no_open_ssh(group: Resource, _settings: Settings) -> Findings:
    """A key without source groups opens port 22 to everyone."""
    access = group.props.block("remoteAccess")
    if access.stated("ec2SshKey") and not access.stated("sourceSecurityGroupIds"):
        yield "remoteAccess with a key and no sourceSecurityGroupIds opens port 22 to the internet"
