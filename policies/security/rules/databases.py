"""Databases, search and brokers."""

from typing import Final

from policies.catalogue import About, Findings, resource_rule
from policies.resources import Resource
from policies.settings import Settings

RDS_INSTANCE: Final = "aws:rds:Instance"
RDS_CLUSTER: Final = "aws:rds:Cluster"
RDS_CLUSTER_INSTANCE: Final = "aws:rds:ClusterInstance"
SEARCH: Final = ("aws:opensearch:Domain", "aws:elasticsearch:Domain")
BROKERS: Final = "aws:msk:Cluster"


@resource_rule(
    About(
        id="S32",
        name="database-encrypted-and-private",
        title="Databases are encrypted and private",
        remedy="Set storageEncrypted to true and publiclyAccessible to false.",
        references=("CKV_AWS_16", "CKV_AWS_17"),
        severity="critical",
    ),
    types=(RDS_INSTANCE, RDS_CLUSTER, RDS_CLUSTER_INSTANCE),
)
def database_encrypted_and_private(database: Resource, _settings: Settings) -> Findings:
    """RDS does not encrypt by itself; an Aurora instance is encrypted as its cluster is."""
    props = database.props
    always = props.text("engineMode").lower() == "serverless"
    if database.type != RDS_CLUSTER_INSTANCE and not always and not props.flag("storageEncrypted"):
        yield "its storage is not encrypted"
    if database.type != RDS_CLUSTER and props.flag("publiclyAccessible"):
        yield "it can be reached from the internet"


@resource_rule(
    About(
        id="S33",
        name="search-encrypted-and-private",
        title="Search domains are encrypted, require TLS and are in a VPC",
        remedy=(
            "Set encryptAtRest.enabled, nodeToNodeEncryption.enabled and domainEndpointOptions.enforceHttps "
            "to true, and vpcOptions."
        ),
        references=("CKV_AWS_5", "CKV_AWS_6", "CKV_AWS_83", "CKV_AWS_137"),
        severity="high",
    ),
    types=SEARCH,
)
def search_encrypted_and_private(domain: Resource, _settings: Settings) -> Findings:
    """A domain of one node has no traffic between nodes."""
    props = domain.props
    if not props.block("encryptAtRest").flag("enabled"):
        yield "it is not encrypted at rest"
    nodes = props.block("clusterConfig").number("instanceCount") or 1
    if nodes > 1 and not props.block("nodeToNodeEncryption").flag("enabled"):
        yield "what its nodes tell each other is not encrypted"
    if not props.block("domainEndpointOptions").flag("enforceHttps", default=True):
        yield "it answers plain HTTP"
    if not props.stated("vpcOptions"):
        yield "it is on the internet: it has no vpcOptions"


@resource_rule(
    About(
        id="S34",
        name="brokers-encrypted-and-private",
        title="Kafka brokers require TLS and are private",
        remedy="Set encryptionInfo with clientBroker TLS and inCluster true, and no public access.",
        references=("CKV_AWS_81", "CKV_AWS_291"),
        severity="high",
    ),
    types=(BROKERS,),
)
def brokers_encrypted_and_private(cluster: Resource, _settings: Settings) -> Findings:
    """Encryption must be stated, be it with an empty block: that stands for the defaults, which encrypt."""
    stated = cluster.props.blocks("encryptionInfo")
    transit = cluster.props.block("encryptionInfo").block("encryptionInTransit")
    if not stated:
        yield "nothing is said of its encryption: there is no encryptionInfo"
    if transit.text("clientBroker", default="TLS").upper() != "TLS":
        yield "its clients may talk to it in the clear"
    if not transit.flag("inCluster", default=True):
        yield "its brokers talk to each other in the clear"
    access = cluster.props.block("brokerNodeGroupInfo").block("connectivityInfo").block("publicAccess")
    if access.text("type", default="DISABLED").upper() == "SERVICE_PROVIDED_EIPS":
        yield "its brokers can be reached from the internet"
