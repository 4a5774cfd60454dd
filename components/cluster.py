"""Cluster: a private EKS cluster whose machines come and go with their pods."""

import json
import re
from typing import TYPE_CHECKING, Any, Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import charts, iam, karpenter, kubernetes_objects, naming
from components.checks import NAME, NAME_REMEDY, Problems
from components.context import current_cloud, declared_outputs, scope
from components.encryption import data_key
from components.kubernetes_objects import Objects
from components.logs import RETENTION_DAYS, log_group
from components.network import Network
from components.node_watch import node_watch

if TYPE_CHECKING:
    import pulumi_kubernetes as kubernetes

KUBERNETES_VERSION: Final = "1.36"
LOG_TYPES: Final = ("api", "audit", "authenticator", "controllerManager", "scheduler")
DEFAULT_LOG_DAYS: Final = 30
DEFAULT_SYSTEM_TYPES: Final = ("t4g.small",)
"""Graviton; two hold what the operators ask for, 2.4 of 2.9 GiB. Hundreds of nodes want larger ones."""
DEFAULT_SYSTEM_NODES: Final = 2
SYSTEM_DISK_GIB: Final = 20
SYSTEM_LABEL: Final = "stagecraft.dev/nodes"
_VERSION: Final = re.compile(r"1\.\d{2}")
_ROLE_ARN: Final = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:(role|user)/.+")
_ADMIN_POLICY: Final = "AmazonEKSClusterAdminPolicy"
_OPERATOR_PORTS: Final = {"keda": (6443, 8080, 9443), "kueue-system": (8080, 8082, 8443, 9443)}
"""Namespace of an operator → ports of its webhooks, probes and metrics."""


class ClusterNetwork(TypedDict):
    """A network that is there already."""

    vpc_id: pulumi.Input[str]
    """Id of the VPC."""
    subnet_ids: pulumi.Input[list[str]]
    """Ids of private subnets with IPv4 in two zones or more, with a way out to container registries."""


class SystemNodes(TypedDict):
    """The few machines that are always there, for the operators."""

    instance_types: NotRequired[list[str]]
    """Graviton instance types. Default: t4g.small."""
    nodes: NotRequired[int]
    """How many; from 2, so that one may fail, to 10. Default: 2."""


class ClusterArgs(TypedDict):
    """Inputs of Cluster."""

    kubernetes_version: NotRequired[str]
    """Minor version such as `1.36`. Default: 1.36; a higher one upgrades, one minor version at a time."""
    admin_arns: NotRequired[list[str]]
    """IAM roles and users that administer the cluster. Default: whoever creates it."""
    namespaces: NotRequired[list[str]]
    """Namespaces for workloads: Pod Security `restricted`, network closed but for names and HTTPS out.
    Default: training."""
    system_nodes: NotRequired[SystemNodes]
    """Machines for the operators. Default: two t4g.small."""
    network: NotRequired[ClusterNetwork]
    """Where it lies. Default: a Network is made, dual-stack with one NAT gateway."""
    log_retention_days: NotRequired[int]
    """Days that the control plane's logs are kept; one of CloudWatch's own steps. Default: 30."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Key for Kubernetes secrets, logs and queues. Default: a key is made, rotated yearly."""
    allow_data_loss: NotRequired[bool]
    """Lets the cluster, and a key it made, be deleted. Default: false."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of everything that takes tags."""


class Cluster(pulumi.ComponentResource):
    """EKS with Karpenter, Kueue, KEDA and metrics-server; reached from inside its network only.

    The control plane and the system nodes bill by the hour; everything else comes with its pods.
    """

    cluster_name: pulumi.Output[str]
    """Name of the cluster."""
    endpoint: pulumi.Output[str]
    """Address of its API, inside the network."""
    kubeconfig: pulumi.Output[str]
    """How to reach it, as JSON; holds no secret. Known once the operators run."""
    kubernetes_version: pulumi.Output[str]
    """Minor version that it runs."""
    vpc_id: pulumi.Output[str]
    """Id of its VPC."""
    subnet_ids: pulumi.Output[list[str]]
    """Ids of the subnets of its machines."""
    security_group_id: pulumi.Output[str]
    """Id of the security group of control plane and machines."""
    node_role_arn: pulumi.Output[str]
    """Role of the machines that Karpenter starts."""
    instance_profile: pulumi.Output[str]
    """Name of their instance profile."""
    interruption_queue: pulumi.Output[str]
    """Name of the queue in which Karpenter hears of interruptions."""
    namespaces: pulumi.Output[list[str]]
    """Namespaces for workloads."""
    kms_key_arn: pulumi.Output[str]
    """Key of its secrets, logs and queues."""

    def __init__(self, name: str, args: ClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("stagecraft:index:Cluster", name, args, opts)
        _check(name, args)
        self._name = name
        self._args = args
        self._tags = args.get("tags", {})
        self._options = pulumi.ResourceOptions(parent=self)
        self._cloud = current_cloud(self)
        self.kms_key_arn = data_key(self, name, args, self._cloud, purpose="Secrets and logs")
        self.vpc_id, self.subnet_ids = self._network()
        cluster = self._cluster()
        self.cluster_name = cluster.name
        self.endpoint = cluster.endpoint
        self.kubernetes_version = cluster.version
        self.security_group_id = cluster.vpc_config.apply(lambda known: known["cluster_security_group_id"])
        nodes = self._system_nodes(cluster)
        self._access(cluster)
        add_ons = self._add_ons(cluster, nodes)
        made = karpenter.nodes(self, name, cloud=self._cloud, tags=self._tags)
        self._let_nodes_join(cluster, made)
        self.node_role_arn, self.instance_profile = made.role_arn, made.instance_profile
        queue = karpenter.interruption_queue(
            self, name, cloud=self._cloud, kms_key_arn=self.kms_key_arn, tags=self._tags
        )
        self.interruption_queue = queue.name
        identity = self._karpenter_identity(cluster, made, queue)
        config = self._kubeconfig(cluster)
        provider = kubernetes_objects.provider(f"{name}-kubernetes", config, self)
        ready = self._operators(provider, queue, [*add_ons, identity])
        self.namespaces = self._namespaces(provider, add_ons)
        self.kubeconfig = pulumi.Output.all(config, *ready).apply(lambda known: str(known[0]))
        node_watch(
            self,
            f"{name}-node-watch",
            cloud=self._cloud,
            cluster=cluster.name,
            kms_key_arn=self.kms_key_arn,
            tags=self._tags,
        )
        self.register_outputs(declared_outputs(self))

    @property
    def _log_days(self) -> int:
        return int(self._args.get("log_retention_days", DEFAULT_LOG_DAYS))

    def _network(self) -> tuple[pulumi.Output[str], pulumi.Output[list[str]]]:
        if "network" in self._args:
            given = self._args["network"]
            return pulumi.Output.from_input(given["vpc_id"]), pulumi.Output.from_input(given["subnet_ids"])
        network = Network(
            f"{self._name}-network",
            {"dual_stack": True, "nat": "single", "kms_key_arn": self.kms_key_arn, "tags": self._tags},
            self._options,
        )
        return network.vpc_id, network.dual_stack_subnet_ids

    def _cluster(self) -> aws.eks.Cluster:
        # The name is ours to choose: EKS writes its logs to a group of that name, which must be there first.
        physical = naming.physical_name(scope(), self._name, max_length=100)
        logs = log_group(
            self,
            f"{self._name}-logs",
            f"/aws/eks/{physical}/cluster",
            kms_key_arn=self.kms_key_arn,
            retention_days=self._log_days,
            tags=self._tags,
        )
        role = aws.iam.Role(
            f"{self._name}-role",
            description=f"What the control plane of {self._name} may do",
            assume_role_policy=self._cloud.account.apply(
                lambda account: iam.service_trust("eks.amazonaws.com", account)
            ),
            tags=self._tags,
            opts=self._options,
        )
        allowed = aws.iam.RolePolicyAttachment(
            f"{self._name}-AmazonEKSClusterPolicy",
            role=role.name,
            policy_arn=self._managed("AmazonEKSClusterPolicy"),
            opts=self._options,
        )
        return aws.eks.Cluster(
            f"{self._name}-control-plane",
            name=physical,
            version=self._args.get("kubernetes_version", KUBERNETES_VERSION),
            role_arn=role.arn,
            access_config=aws.eks.ClusterAccessConfigArgs(
                authentication_mode="API",
                bootstrap_cluster_creator_admin_permissions="admin_arns" not in self._args,
            ),
            vpc_config=aws.eks.ClusterVpcConfigArgs(
                subnet_ids=self.subnet_ids, endpoint_private_access=True, endpoint_public_access=False
            ),
            encryption_config=aws.eks.ClusterEncryptionConfigArgs(
                provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=self.kms_key_arn),
                resources=["secrets"],
            ),
            enabled_cluster_log_types=list(LOG_TYPES),
            # Past its standard support a version would be billed six times as much: it is upgraded instead.
            upgrade_policy=aws.eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
            # Add-ons are declared below, each with what it may do.
            bootstrap_self_managed_addons=False,
            deletion_protection=not self._args.get("allow_data_loss", False),
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[logs, allowed]),
        )

    def _managed(self, policy: str) -> pulumi.Output[str]:
        return pulumi.Output.format("arn:{0}:iam::aws:policy/{1}", self._cloud.partition, policy)

    def _system_nodes(self, cluster: aws.eks.Cluster) -> aws.eks.NodeGroup:
        system = self._args.get("system_nodes", {})
        count = int(system.get("nodes", DEFAULT_SYSTEM_NODES))
        role = karpenter.node_role(
            self,
            f"{self._name}-system",
            f"What the system nodes of {self._name} may do",
            cloud=self._cloud,
            tags=self._tags,
        )
        template = self._launch_template()
        return aws.eks.NodeGroup(
            f"{self._name}-system",
            cluster_name=cluster.name,
            node_role_arn=role.arn,
            subnet_ids=self.subnet_ids,
            ami_type="AL2023_ARM_64_STANDARD",
            capacity_type="ON_DEMAND",
            instance_types=list(system.get("instance_types", DEFAULT_SYSTEM_TYPES)),
            labels={SYSTEM_LABEL: "system"},
            launch_template=aws.eks.NodeGroupLaunchTemplateArgs(
                id=template.id, version=template.latest_version.apply(str)
            ),
            # One more, for updates: new nodes are there before old ones go.
            scaling_config=aws.eks.NodeGroupScalingConfigArgs(
                desired_size=count, min_size=count, max_size=count + 1
            ),
            update_config=aws.eks.NodeGroupUpdateConfigArgs(max_unavailable=1),
            tags=self._tags,
            opts=self._options,
        )

    def _launch_template(self) -> aws.ec2.LaunchTemplate:
        return aws.ec2.LaunchTemplate(
            f"{self._name}-system",
            description=f"System nodes of {self._name}",
            update_default_version=True,
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled", http_put_response_hop_limit=1, http_tokens="required"
            ),
            block_device_mappings=[
                aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
                    device_name="/dev/xvda",
                    ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                        delete_on_termination="true",
                        encrypted="true",
                        volume_size=SYSTEM_DISK_GIB,
                        volume_type="gp3",
                    ),
                )
            ],
            tag_specifications=[
                aws.ec2.LaunchTemplateTagSpecificationArgs(
                    resource_type=kind, tags={**self._tags, "Name": f"{self._name}-system"}
                )
                for kind in ("instance", "volume")
            ],
            tags=self._tags,
            opts=self._options,
        )

    def _access(self, cluster: aws.eks.Cluster) -> None:
        for index, arn in enumerate(self._args.get("admin_arns", [])):
            entry = aws.eks.AccessEntry(
                f"{self._name}-admin-{index}",
                cluster_name=cluster.name,
                principal_arn=arn,
                type="STANDARD",
                tags=self._tags,
                opts=self._options,
            )
            aws.eks.AccessPolicyAssociation(
                f"{self._name}-admin-{index}-policy",
                cluster_name=cluster.name,
                principal_arn=entry.principal_arn,
                policy_arn=pulumi.Output.format(
                    "arn:{0}:eks::aws:cluster-access-policy/{1}", self._cloud.partition, _ADMIN_POLICY
                ),
                access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
                opts=self._options,
            )

    def _let_nodes_join(self, cluster: aws.eks.Cluster, made: karpenter.Nodes) -> None:
        aws.eks.AccessEntry(
            f"{self._name}-nodes",
            cluster_name=cluster.name,
            principal_arn=made.role_arn,
            type="EC2_LINUX",
            tags=self._tags,
            opts=self._options,
        )

    def _add_ons(self, cluster: aws.eks.Cluster, nodes: aws.eks.NodeGroup) -> list[pulumi.Resource]:
        """The cluster's own parts; those that run as pods of their own wait for nodes."""
        network = self._pod_network_identity(cluster)
        settings: dict[str, Any] = {"vpc-cni": {"enableNetworkPolicy": "true"}}
        first: list[pulumi.Resource] = [network]
        made: list[pulumi.Resource] = []
        for add_on in ("eks-pod-identity-agent", "kube-proxy", "vpc-cni", "coredns"):
            waits = [nodes] if add_on == "coredns" else first
            made.append(
                aws.eks.Addon(
                    f"{self._name}-{add_on}",
                    cluster_name=cluster.name,
                    addon_name=add_on,
                    configuration_values=json.dumps(settings[add_on]) if add_on in settings else None,
                    resolve_conflicts_on_create="OVERWRITE",
                    resolve_conflicts_on_update="OVERWRITE",
                    tags=self._tags,
                    opts=pulumi.ResourceOptions(parent=self, depends_on=waits),
                )
            )
        return made

    def _pod_network_identity(self, cluster: aws.eks.Cluster) -> aws.eks.PodIdentityAssociation:
        role = aws.iam.Role(
            f"{self._name}-pod-network-role",
            description=f"What the pod network's agent of {self._name} may do",
            assume_role_policy=self._cloud.account.apply(iam.pod_trust),
            tags=self._tags,
            opts=self._options,
        )
        aws.iam.RolePolicyAttachment(
            f"{self._name}-AmazonEKS_CNI_Policy",
            role=role.name,
            policy_arn=self._managed("AmazonEKS_CNI_Policy"),
            opts=self._options,
        )
        return self._identity("pod-network", cluster, "aws-node", role.arn)

    def _karpenter_identity(
        self, cluster: aws.eks.Cluster, made: karpenter.Nodes, queue: karpenter.Queue
    ) -> aws.eks.PodIdentityAssociation:
        role = karpenter.controller_role(
            self,
            self._name,
            cloud=self._cloud,
            cluster=cluster.name,
            cluster_arn=cluster.arn,
            made=made,
            queue=queue,
            kms_key_arn=self.kms_key_arn,
            tags=self._tags,
        )
        return self._identity("karpenter", cluster, karpenter.SERVICE_ACCOUNT, role.arn)

    def _identity(
        self, role: str, cluster: aws.eks.Cluster, account: str, role_arn: pulumi.Output[str]
    ) -> aws.eks.PodIdentityAssociation:
        return aws.eks.PodIdentityAssociation(
            f"{self._name}-{role}-identity",
            cluster_name=cluster.name,
            namespace="kube-system",
            service_account=account,
            role_arn=role_arn,
            tags=self._tags,
            opts=self._options,
        )

    def _kubeconfig(self, cluster: aws.eks.Cluster) -> pulumi.Output[str]:
        return pulumi.Output.all(
            cluster=cluster.name,
            endpoint=cluster.endpoint,
            authority=cluster.certificate_authority.apply(lambda known: known["data"]),
            region=self._cloud.region,
        ).apply(lambda known: kubernetes_objects.kubeconfig(**known))

    def _operators(
        self, provider: "kubernetes.Provider", queue: karpenter.Queue, ready: list[pulumi.Resource]
    ) -> list[pulumi.Output[Any]]:
        """What gives nodes, quotas, scaling and metrics; the outputs are known when each is installed."""
        homes: dict[str, pulumi.Resource] = {
            namespace: self._operator_namespace(provider, namespace, ports, ready)
            for namespace, ports in sorted(_OPERATOR_PORTS.items())
        }
        values: dict[charts.Chart, dict[str, Any]] = {
            charts.KARPENTER: karpenter.chart_values(cluster=self.cluster_name, queue=queue.name),
            charts.KEDA: {},
            charts.KUEUE: {},
            charts.METRICS_SERVER: {"replicas": 2},
        }
        return [
            charts.release(
                f"{self._name}-{chart.name}",
                chart,
                given,
                parent=self,
                provider=provider,
                depends_on=[*ready, *([homes[chart.namespace]] if chart.namespace in homes else [])],
            ).status
            for chart, given in values.items()
        ]

    def _operator_namespace(
        self,
        provider: "kubernetes.Provider",
        namespace: str,
        ports: tuple[int, ...],
        ready: list[pulumi.Resource],
    ) -> pulumi.Resource:
        objects = Objects(self, provider, ready)
        made = objects.namespace(f"{self._name}-{namespace}", namespace)
        for role, spec in (
            ("default-deny", kubernetes_objects.default_deny()),
            ("egress", kubernetes_objects.egress_to_aws()),
            ("ingress", kubernetes_objects.ingress_on(ports)),
        ):
            objects.network_policy(f"{self._name}-{namespace}-{role}", namespace, role, spec, made)
        return made

    def _namespaces(
        self, provider: "kubernetes.Provider", ready: list[pulumi.Resource]
    ) -> pulumi.Output[list[str]]:
        objects = Objects(self, provider, ready)
        made = []
        for namespace in self._args.get("namespaces", ["training"]):
            home = objects.namespace(f"{self._name}-{namespace}", namespace)
            for role, spec in (
                ("default-deny", kubernetes_objects.default_deny()),
                ("egress", kubernetes_objects.egress_to_aws()),
            ):
                policy = objects.network_policy(
                    f"{self._name}-{namespace}-{role}", namespace, role, spec, home
                )
            made.append(policy.urn.apply(lambda _urn, known=namespace: str(known)))  # type: ignore[misc]
        return pulumi.Output.all(*made).apply(list)


def _check(name: str, args: ClusterArgs) -> None:
    problems = Problems("Cluster", name)
    if problems.shape(args, ClusterArgs):
        problems.matches(
            "kubernetesVersion",
            args.get("kubernetes_version"),
            _VERSION,
            f"must be a minor version such as {KUBERNETES_VERSION!r}",
        )
        for index, arn in enumerate(args.get("admin_arns", [])):
            problems.matches(f"adminArns[{index}]", arn, _ROLE_ARN, "must be the ARN of an IAM role or user")
        problems.distinct("adminArns", args.get("admin_arns", []))
        if args.get("admin_arns") == []:
            problems.add("adminArns", [], "must name one, or nobody can administer the cluster")
        namespaces = args.get("namespaces", [])
        problems.distinct("namespaces", namespaces)
        for index, namespace in enumerate(namespaces):
            problems.matches(f"namespaces[{index}]", namespace, NAME, NAME_REMEDY)
            if namespace in _OPERATOR_PORTS or namespace.startswith("kube-"):
                problems.add(f"namespaces[{index}]", namespace, "belongs to the cluster's own operators")
        system = args.get("system_nodes", {})
        problems.between("systemNodes.nodes", system.get("nodes"), 2, 10)
        if system.get("instance_types") == []:
            problems.add("systemNodes.instanceTypes", [], "must name one")
        days = args.get("log_retention_days")
        if days is not None and days not in RETENTION_DAYS:
            problems.add("logRetentionDays", days, f"must be one of {', '.join(map(str, RETENTION_DAYS))}")
    problems.raise_if_any()
