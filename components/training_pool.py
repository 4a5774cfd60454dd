"""TrainingPool: machines of one kind in a cluster, spot first, with quotas for those who share them."""

import re
from collections.abc import Mapping
from typing import Any, Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import iam, kubernetes_objects, pool_objects
from components.batch_queue import DEFAULT_SCRATCH_GIB, SPOT_MINIMUM_TYPES
from components.checkpoints import (
    DEFAULT_CHECKPOINT_MINUTES,
    DEFAULT_GRACE_SECONDS,
    checkpoint_policy,
    contract_variables,
)
from components.checks import NAME, NAME_REMEDY, Problems
from components.context import by_name, current_cloud, declared_outputs
from components.encryption import data_key
from components.kubernetes_objects import Objects
from components.node_watch import METRIC, PERIOD_SECONDS
from components.topic import alert_topic
from components.watch.metrics import PLATFORM

DEFAULT_AMI: Final = "bottlerocket@v1.60.0"
"""Carries driver and device plugin for NVIDIA; renewed with each release of ours, never by itself."""
DEFAULT_FALLBACK_MINUTES: Final = 60
DEFAULT_TIMEOUT_MINUTES: Final = 240
_AMI: Final = re.compile(r"(al2023|bottlerocket)@v[0-9][0-9.]*|ami-[0-9a-f]{8,17}")
_TYPE: Final = re.compile(r"[a-z0-9-]+\.[a-z0-9-]+")
_ZONE: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d[a-z]")


class PoolCluster(TypedDict):
    """The cluster that the pool belongs to; outputs of Cluster."""

    name: pulumi.Input[str]
    """Name of the cluster."""
    kubeconfig: pulumi.Input[str]
    """How to reach it."""
    subnet_ids: pulumi.Input[list[str]]
    """Ids of the subnets that machines run in."""
    security_group_id: pulumi.Input[str]
    """Id of the security group of machines."""
    instance_profile: pulumi.Input[str]
    """Name of the machines' instance profile."""


class PoolCapacity(TypedDict):
    """What may be there at once, bought one way, or what one may count on of it."""

    vcpus: int
    """vCPUs of all machines together."""
    memory_mib: int
    """Memory of all machines together, in MiB."""
    accelerators: NotRequired[int]
    """GPUs or Neuron devices of all machines together. Default: 0."""


class SpotContract(TypedDict):
    """How jobs on spot keep their work: AWS takes a machine back at two minutes' notice."""

    checkpoint_uri: pulumi.Input[str]
    """`s3://` prefix for checkpoints, ending in `/`; each job has `<job>/` under it."""
    checkpoint_minutes: NotRequired[int]
    """Minutes between checkpoints; from 1 to 240. Default: 15."""
    grace_seconds: NotRequired[int]
    """Seconds a job has to stop in; from 10 to 115. Default: 110."""


class PoolQueue(TypedDict):
    """One of those who share the pool: a job, and the queue it waits in."""

    name: str
    """Name of job, queue and service account: lower case letters, digits and single hyphens."""
    on_demand: PoolCapacity
    """Quota of on-demand capacity."""
    spot: NotRequired[PoolCapacity]
    """Quota of spot capacity; required where the pool has spot."""
    image_uri: pulumi.Input[str]
    """Image to run."""
    command: list[str]
    """Arguments to the image's entrypoint; at least one."""
    environment: NotRequired[dict[str, pulumi.Input[str]]]
    """Environment variables, beside the spot contract. Default: none."""
    policy_arns: NotRequired[list[pulumi.Input[str]]]
    """Policies of the job's role. Default: none; it reaches its checkpoints and nothing else."""
    vcpus: int
    """vCPUs of the job; from 1 to 192."""
    memory_mib: int
    """Memory of the job in MiB."""
    accelerators: NotRequired[int]
    """GPUs or Neuron devices of the job. Default: 0."""
    checkpoint_minutes: NotRequired[int]
    """Minutes between checkpoints; from 1 to 240. Default: the contract's."""
    timeout_minutes: NotRequired[int]
    """Minutes after which a run is ended; from 1 to 20160. Default: 240."""
    pre_stop_command: NotRequired[list[str]]
    """What the job's container runs when its machine is taken away. Default: SIGTERM to the job, at once."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of what is this job's, beside the component's."""


class PoolAlarm(TypedDict):
    """When to tell people that spot has been gone for long."""

    runbook_url: str
    """What to do then; the alarm names it."""
    topic_arn: NotRequired[pulumi.Input[str]]
    """Topic to tell. Default: a topic is made."""
    emails: NotRequired[list[str]]
    """Addresses that the topic made here tells; at most ten. Default: none."""
    minutes: NotRequired[int]
    """Minutes on the fall-back that are too many; from 5 to 1440. Default: 60."""


class TrainingPoolArgs(TypedDict):
    """Inputs of TrainingPool."""

    cluster: PoolCluster
    """Where it belongs."""
    namespace: str
    """Namespace of its jobs; one of the cluster's."""
    instance_types: list[str]
    """Instance types; at least three for spot."""
    on_demand: PoolCapacity
    """The most on-demand capacity: the fall-back of spot, or all there is."""
    spot: NotRequired[PoolCapacity]
    """The most spot capacity. Default: no spot."""
    contract: NotRequired[SpotContract]
    """How jobs keep their work; required with spot."""
    queues: list[PoolQueue]
    """Who shares the pool; at least one. Their quotas add up to the pool."""
    quotas: NotRequired[bool]
    """Whether Kueue starts jobs by their quotas; else they start when they come. Default: true."""
    accelerator_resource: NotRequired[str]
    """`nvidia.com/gpu` or `aws.amazon.com/neuron`. Default: none, a CPU pool."""
    zones: NotRequired[list[str]]
    """Availability zones. Default: those of the subnets."""
    ami: NotRequired[str]
    """Image of the machines: an AMI's id, or an alias with its version such as `bottlerocket@v1.60.0`.
    Default: the Bottlerocket that this release was made with; for Neuron an `al2023@v…` is required."""
    scratch_gib: NotRequired[int]
    """Size of a machine's encrypted volume in GiB; from 30 to 16384. Default: 100."""
    fallback_alarm: NotRequired[PoolAlarm]
    """When to tell that spot has been gone for long. Default: nobody is told."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Key of the checkpoints' bucket. Default: a key is made, rotated yearly."""
    allow_data_loss: NotRequired[bool]
    """Lets a deletion of the component take a key it made along. Default: false."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of everything that takes tags."""


def node_class(
    objects: Objects,
    name: str,
    physical: str,
    *,
    cluster: PoolCluster,
    ami: str,
    scratch_gib: int,
    tags: Mapping[str, pulumi.Input[str]],
) -> pulumi.Resource:
    """What the machines of a cluster's pool are: resource `name`, object `physical`."""
    return objects.custom(
        name,
        "karpenter.k8s.aws/v1",
        "EC2NodeClass",
        {"name": physical},
        pulumi.Output.all(
            subnets=cluster["subnet_ids"],
            security_group=cluster["security_group_id"],
            instance_profile=cluster["instance_profile"],
            tags={**tags, "Name": physical},
        ).apply(lambda known: pool_objects.node_class(ami=ami, scratch_gib=scratch_gib, **known)),
    )


class TrainingPool(pulumi.ComponentResource):
    """Karpenter node pools from none to their limits, and Kueue quotas over them.

    A spot pool comes with a second, on-demand pool that takes over when there is no spot. Machines are
    tainted: no pod lands on them but the pool's own jobs.
    """

    node_pools: pulumi.Output[list[str]]
    """Names of the Karpenter node pools, the preferred one first."""
    local_queues: pulumi.Output[dict[str, str]]
    """Job → the local queue it waits in; none without quotas."""
    job_role_arns: pulumi.Output[dict[str, str]]
    """Job → ARN of its role."""
    job_templates: pulumi.Output[dict[str, str]]
    """Job → the Kubernetes Job that runs it, as JSON: `kubectl create -f -` starts one."""
    job_config_maps: pulumi.Output[dict[str, str]]
    """Job → the ConfigMap of the namespace that holds the same, under `job.json`."""

    def __init__(self, name: str, args: TrainingPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("stagecraft:index:TrainingPool", name, args, opts)
        _check(name, args)
        self._name = name
        self._args = args
        self._tags = args.get("tags", {})
        self._options = pulumi.ResourceOptions(parent=self)
        self._cloud = current_cloud(self)
        self._key = data_key(self, name, args, self._cloud, purpose="Checkpoints")
        self._objects = Objects(
            self, kubernetes_objects.provider(f"{name}-kubernetes", args["cluster"]["kubeconfig"], self)
        )
        self._pool = pool_objects.Pool(
            name=name,
            instance_types=tuple(args["instance_types"]),
            resource=args.get("accelerator_resource", ""),
            zones=tuple(args.get("zones", [])),
            contract=self._contract() if "spot" in args else None,
            quotas=args.get("quotas", True),
        )
        node_class = self._node_class()
        bought: list[str] = [kind for kind in ("spot", "on_demand") if kind in args]
        self.node_pools = pulumi.Output.all(*(self._node_pool(kind, node_class) for kind in bought)).apply(
            list
        )
        self.local_queues = by_name(self._queues(bought) if self._pool.quotas else {})
        roles = {queue["name"]: self._role(queue) for queue in args["queues"]}
        self.job_role_arns = by_name(roles)
        self.job_templates = by_name({queue["name"]: self._job(queue) for queue in args["queues"]})
        self.job_config_maps = by_name({queue["name"]: _job_map(queue) for queue in args["queues"]})
        self._fallback_alarm()
        self.register_outputs(declared_outputs(self))

    def _contract(self) -> pool_objects.Contract:
        given = self._args["contract"]
        return pool_objects.Contract(
            minutes=int(given.get("checkpoint_minutes", DEFAULT_CHECKPOINT_MINUTES)),
            grace_seconds=int(given.get("grace_seconds", DEFAULT_GRACE_SECONDS)),
        )

    def _node_class(self) -> pulumi.Resource:
        return node_class(
            self._objects,
            f"{self._name}-machines",
            self._name,
            cluster=self._args["cluster"],
            ami=self._args.get("ami", DEFAULT_AMI),
            scratch_gib=int(self._args.get("scratch_gib", DEFAULT_SCRATCH_GIB)),
            tags=self._tags,
        )

    def _node_pool(self, kind: str, node_class: pulumi.Resource) -> pulumi.Output[str]:
        spec = self._pool.node_pool(kind, _capacity(self._args, kind))
        annotations: Any = self._pool.annotations(kind)
        if kind == "spot":
            uri = pulumi.Output.from_input(self._args["contract"]["checkpoint_uri"])
            annotations = {**annotations, pool_objects.CHECKPOINT_URI: uri}
        physical = self._pool.node_pool_name(kind)
        made = self._objects.custom(
            f"{self._name}-{kind.replace('_', '-')}",
            "karpenter.sh/v1",
            "NodePool",
            {"name": physical, "annotations": annotations},
            node_class.urn.apply(lambda _urn: spec),
        )
        return made.urn.apply(lambda _urn: physical)

    def _flavor(self, kind: str) -> pulumi.Output[str]:
        physical = self._pool.node_pool_name(kind)
        made = self._objects.custom(
            f"{self._name}-{kind.replace('_', '-')}-flavor",
            pool_objects.KUEUE,
            "ResourceFlavor",
            {"name": physical},
            self._pool.flavor(kind),
        )
        return made.urn.apply(lambda _urn: physical)

    def _queues(self, bought: list[str]) -> dict[str, pulumi.Output[str]]:
        flavors = {kind: self._flavor(kind) for kind in bought}
        return {queue["name"]: self._queue(queue, flavors) for queue in self._args["queues"]}

    def _queue(self, queue: PoolQueue, flavors: dict[str, pulumi.Output[str]]) -> pulumi.Output[str]:
        quotas = {kind: _capacity(queue, kind) for kind in flavors}
        shared = f"{self._name}-{queue['name']}"
        cluster_queue = self._objects.custom(
            f"{shared}-quota",
            pool_objects.KUEUE,
            "ClusterQueue",
            {"name": shared},
            pulumi.Output.all(**flavors).apply(
                lambda _known: self._pool.cluster_queue(quotas, self._args["namespace"])
            ),
        )
        local = self._objects.custom(
            f"{shared}-queue",
            pool_objects.KUEUE,
            "LocalQueue",
            {"name": queue["name"], "namespace": self._args["namespace"]},
            cluster_queue.urn.apply(lambda _urn: {"clusterQueue": shared}),
        )
        return local.urn.apply(lambda _urn: queue["name"])

    def _role(self, queue: PoolQueue) -> pulumi.Output[str]:
        """The job's identity, in the cluster and in AWS."""
        name, tags = f"{self._name}-{queue['name']}", {**self._tags, **queue.get("tags", {})}
        role = aws.iam.Role(
            f"{name}-role",
            description=f"What the job {queue['name']} may do in the cluster",
            assume_role_policy=self._cloud.account.apply(iam.pod_trust),
            tags=tags,
            opts=self._options,
        )
        if "contract" in self._args:
            aws.iam.RolePolicy(
                f"{name}-checkpoints",
                role=role.id,
                policy=pulumi.Output.all(
                    partition=self._cloud.partition,
                    uri=self._args["contract"]["checkpoint_uri"],
                    key=self._key,
                ).apply(lambda known: checkpoint_policy(job=queue["name"], **known)),
                opts=self._options,
            )
        for index, arn in enumerate(queue.get("policy_arns", [])):
            aws.iam.RolePolicyAttachment(
                f"{name}-policy-{index}", role=role.name, policy_arn=arn, opts=self._options
            )
        self._objects.service_account(f"{name}-account", self._args["namespace"], queue["name"])
        aws.eks.PodIdentityAssociation(
            f"{name}-identity",
            cluster_name=self._args["cluster"]["name"],
            namespace=self._args["namespace"],
            service_account=queue["name"],
            role_arn=role.arn,
            tags=tags,
            opts=self._options,
        )
        return role.arn

    def _job(self, queue: PoolQueue) -> pulumi.Output[str]:
        """The contract and the job, where people and programs find them."""
        name, namespace = f"{self._name}-{queue['name']}", self._args["namespace"]
        contract = self._contract_of(queue)
        self._objects.config_map(f"{name}-contract", namespace, f"{queue['name']}-contract", contract)
        job = pulumi.Output.all(
            image=queue["image_uri"], environment={**contract, **queue.get("environment", {})}
        ).apply(
            lambda known: self._pool.job(
                queue=queue["name"],
                namespace=namespace,
                command=list(queue["command"]),
                request=pool_objects.Request(
                    int(queue["vcpus"]), int(queue["memory_mib"]), int(queue.get("accelerators", 0))
                ),
                timeout_minutes=int(queue.get("timeout_minutes", DEFAULT_TIMEOUT_MINUTES)),
                pre_stop=queue.get("pre_stop_command"),
                **known,
            )
        )
        self._objects.config_map(f"{name}-job", namespace, _job_map(queue), {"job.json": job})
        return job

    def _contract_of(self, queue: PoolQueue) -> dict[str, pulumi.Input[str]]:
        if "contract" not in self._args:
            return {}
        told = self._args["contract"]
        minutes = queue.get("checkpoint_minutes", told.get("checkpoint_minutes", DEFAULT_CHECKPOINT_MINUTES))
        return contract_variables(
            told["checkpoint_uri"],
            queue["name"],
            minutes=int(minutes),
            grace_seconds=int(told.get("grace_seconds", DEFAULT_GRACE_SECONDS)),
        )

    def _fallback_alarm(self) -> None:
        if "fallback_alarm" not in self._args or "spot" not in self._args:
            return
        alarm = self._args["fallback_alarm"]
        minutes = int(alarm.get("minutes", DEFAULT_FALLBACK_MINUTES))
        topic = self._topic(alarm)
        aws.cloudwatch.MetricAlarm(
            f"{self._name}-fall-back",
            alarm_description=(
                f"{self._name} has run on its on-demand fall-back for {minutes} minutes: spot is gone. "
                f"Runbook: {alarm['runbook_url']}"
            ),
            namespace=PLATFORM,
            metric_name=METRIC,
            dimensions={
                "Cluster": self._args["cluster"]["name"],
                "NodePool": self._pool.node_pool_name("on_demand"),
            },
            statistic="Maximum",
            period=PERIOD_SECONDS,
            evaluation_periods=max(1, minutes * 60 // PERIOD_SECONDS),
            comparison_operator="GreaterThanThreshold",
            threshold=0,
            # No machine, no metric: that is what should be.
            treat_missing_data="notBreaching",
            alarm_actions=[topic],
            ok_actions=[topic],
            tags=self._tags,
            opts=self._options,
        )

    def _topic(self, alarm: PoolAlarm) -> pulumi.Input[str]:
        if "topic_arn" in alarm:
            return alarm["topic_arn"]
        return alert_topic(
            self,
            f"{self._name}-alerts",
            cloud=self._cloud,
            kms_key_arn=self._key,
            services=["cloudwatch.amazonaws.com"],
            emails=alarm.get("emails", []),
            tags=self._tags,
        )


def _job_map(queue: PoolQueue) -> str:
    return f"{queue['name']}-job"


def _capacity(args: Any, kind: str) -> pool_objects.Request:
    given = args[kind]
    return pool_objects.Request(
        int(given["vcpus"]), int(given["memory_mib"]), int(given.get("accelerators", 0))
    )


def _check(name: str, args: TrainingPoolArgs) -> None:
    problems = Problems("TrainingPool", name)
    if problems.shape(args, TrainingPoolArgs):
        problems.one_of("acceleratorResource", args.get("accelerator_resource"), pool_objects.RESOURCES)
        _check_machines(problems, args)
        _check_spot(problems, args)
        for kind in ("on_demand", "spot"):
            if kind in args:
                _check_capacity(problems, kind, args[kind], args)
        _check_queues(problems, args)
        if "fallback_alarm" in args:
            alarm = args["fallback_alarm"]
            problems.between("fallbackAlarm.minutes", alarm.get("minutes"), 5, 1440, "minutes")
            if len(alarm.get("emails", [])) > 10:
                problems.add(
                    "fallbackAlarm.emails", alarm["emails"], "at most ten; subscribe others to the topic"
                )
    problems.raise_if_any()


def _check_machines(problems: Problems, args: TrainingPoolArgs) -> None:
    types = args["instance_types"]
    if not types:
        problems.add("instanceTypes", [], "must name one")
    problems.distinct("instanceTypes", types)
    for index, item in enumerate(types):
        problems.matches(f"instanceTypes[{index}]", item, _TYPE, "must be a type such as 'g6.xlarge'")
    for index, zone in enumerate(args.get("zones", [])):
        problems.matches(f"zones[{index}]", zone, _ZONE, "must be a zone such as 'us-east-1a'")
    problems.between("scratchGib", args.get("scratch_gib"), 30, 16384, "GiB")
    ami = args.get("ami")
    problems.matches("ami", ami, _AMI, f"must be pinned: an AMI's id, or an alias such as {DEFAULT_AMI!r}")
    if args.get("accelerator_resource") == pool_objects.NEURON and (ami or "bottlerocket").startswith(
        "bottlerocket"
    ):
        problems.add("ami", ami, "Bottlerocket has no Neuron driver; name an al2023@v… alias")
    problems.matches("namespace", args["namespace"], NAME, NAME_REMEDY)


def _check_spot(problems: Problems, args: TrainingPoolArgs) -> None:
    contract = args.get("contract")
    if "spot" in args:
        if contract is None:
            problems.add("contract", None, "spot needs a checkpoint location, an interval and a grace period")
        if len(args["instance_types"]) < SPOT_MINIMUM_TYPES:
            problems.add(
                "instanceTypes",
                args["instance_types"],
                "spot needs at least three types, or it has nowhere to go",
            )
    if contract is not None:
        uri = contract["checkpoint_uri"]
        if isinstance(uri, str) and not (uri.startswith("s3://") and uri.endswith("/")):
            problems.add("contract.checkpointUri", uri, "must be an s3:// prefix that ends in '/'")
        problems.between("contract.checkpointMinutes", contract.get("checkpoint_minutes"), 1, 240, "minutes")
        problems.between("contract.graceSeconds", contract.get("grace_seconds"), 10, 115, "seconds")


def _check_capacity(problems: Problems, path: str, capacity: PoolCapacity, args: TrainingPoolArgs) -> None:
    problems.between(f"{path}.vcpus", capacity["vcpus"], 1, 1e6)
    problems.between(f"{path}.memoryMib", capacity["memory_mib"], 1, 1e9, "MiB")
    accelerators = capacity.get("accelerators", 0)
    if args.get("accelerator_resource"):
        problems.between(f"{path}.accelerators", accelerators, 1, 1e5)
    elif accelerators:
        problems.add(f"{path}.accelerators", accelerators, "needs acceleratorResource")


def _check_queues(problems: Problems, args: TrainingPoolArgs) -> None:
    queues = args["queues"]
    if not queues:
        problems.add("queues", [], "must hold at least one")
    problems.distinct("queues", [queue["name"] for queue in queues])
    for index, queue in enumerate(queues):
        path = f"queues[{index}]"
        problems.matches(f"{path}.name", queue["name"], NAME, NAME_REMEDY)
        if not queue["command"]:
            problems.add(f"{path}.command", [], "must hold at least one argument")
        if ("spot" in queue) != ("spot" in args):
            problems.add(f"{path}.spot", queue.get("spot"), "belongs where the pool has spot, and only there")
        problems.between(f"{path}.vcpus", queue["vcpus"], 1, 192)
        problems.between(f"{path}.memoryMib", queue["memory_mib"], 128, 3145728, "MiB")
        problems.between(f"{path}.accelerators", queue.get("accelerators"), 0, 16)
        problems.between(f"{path}.checkpointMinutes", queue.get("checkpoint_minutes"), 1, 240, "minutes")
        problems.between(f"{path}.timeoutMinutes", queue.get("timeout_minutes"), 1, 20160, "minutes")
    _check_sums(problems, args)


def _check_sums(problems: Problems, args: TrainingPoolArgs) -> None:
    """Quotas that do not add up to the pool promise what is not there, or leave what nobody gets."""
    for kind in ("on_demand", "spot"):
        if kind not in args or not args["queues"] or any(kind not in queue for queue in args["queues"]):
            continue
        whole = _capacity(args, kind)
        quotas = [_capacity(queue, kind) for queue in args["queues"]]
        for part in ("vcpus", "memory_mib", "accelerators"):
            total = sum(getattr(quota, part) for quota in quotas)
            if total != getattr(whole, part):
                problems.add(
                    f"{kind}.{part}",
                    getattr(whole, part),
                    f"the queues' quotas add up to {total}; make them equal",
                )
