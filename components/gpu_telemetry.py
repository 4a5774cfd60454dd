"""GpuTelemetry: what the GPUs of a cluster do, on a dashboard, and who hears when they idle or fail."""

from typing import Final, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from components import charts, gpu_objects, iam, kubernetes_objects
from components.checks import NAME, NAME_REMEDY, Problems
from components.context import by_name, current_cloud, declared_outputs
from components.encryption import data_key
from components.kubernetes_objects import DIGEST, DIGEST_REMEDY, Objects
from components.topic import alert_topic
from components.watch.gpus import GpuPool, alarms_of, of_gpus
from components.watch.metrics import PLATFORM
from components.watch_resources import RUNBOOKS, Drawn

PAGE: Final = "gpus"
MOST_POOLS: Final = 20
Names = pulumi.Output[dict[str, str]]


class GpuCluster(TypedDict):
    """The cluster whose GPUs are watched; outputs of Cluster."""

    name: pulumi.Input[str]
    """Name of the cluster."""
    kubeconfig: pulumi.Input[str]
    """How to reach it."""


class GpuTelemetryArgs(TypedDict):
    """Inputs of GpuTelemetry."""

    cluster: GpuCluster
    """Where the GPUs are."""
    pools: list[str]
    """Pools with NVIDIA GPUs, by the value of their nodes' label `stagecraft.dev/pool`; from one to 20."""
    image_uri: pulumi.Input[str]
    """The platform image, by digest; it knows the command `gpu-telemetry`."""
    topic_arn: NotRequired[pulumi.Input[str]]
    """Topic that hears of idle and failing GPUs. Default: a topic is made."""
    emails: NotRequired[list[str]]
    """Addresses that the topic made here tells; at most ten. Default: none."""
    runbooks_url: NotRequired[str]
    """Address or folder of the runbooks; every alarm names `<it>/<kind>.md`. Default: `docs/runbooks`."""
    dashboards: NotRequired[bool]
    """Makes a CloudWatch dashboard with a row for each pool. Default: true."""
    grafana_bucket: NotRequired[pulumi.Input[str]]
    """Bucket that gets the same dashboard for Grafana, under `dashboards/`. Default: none does."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Key of a topic made here. Default: a key is made, rotated yearly."""
    allow_data_loss: NotRequired[bool]
    """Lets a deletion of the component take a key it made along. Default: false."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of everything that takes tags."""


class GpuTelemetry(pulumi.ComponentResource):
    """NVIDIA's exporter (DCGM) on every GPU machine, and beside it what tells CloudWatch once a minute.

    Both come and go with the machines: a pool without any costs nothing and is silent.
    """

    alarm_names: pulumi.Output[dict[str, str]]
    """Alarm, such as `training-l4-gpu-idle` → its name in CloudWatch."""
    dashboard_names: pulumi.Output[dict[str, str]]
    """`gpus` → name of the dashboard in CloudWatch; none without dashboards."""
    grafana_uris: pulumi.Output[dict[str, str]]
    """`gpus` → S3 URI of the dashboard for Grafana; none without a bucket."""
    role_arn: pulumi.Output[str]
    """Role of what tells CloudWatch; it may do nothing else."""

    def __init__(self, name: str, args: GpuTelemetryArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("stagecraft:index:GpuTelemetry", name, args, opts)
        _check(name, args)
        self._name = name
        self._args = args
        self._tags = args.get("tags", {})
        self._options = pulumi.ResourceOptions(parent=self)
        self._cloud = current_cloud(self)
        self._runbooks = args.get("runbooks_url", RUNBOOKS)
        provider = kubernetes_objects.provider(f"{name}-kubernetes", args["cluster"]["kubeconfig"], self)
        self._objects = Objects(self, provider)
        exporter = charts.release(
            f"{name}-{charts.DCGM_EXPORTER.name}",
            charts.DCGM_EXPORTER,
            gpu_objects.exporter_values(),
            parent=self,
            provider=provider,
        )
        home = self._home()
        self.role_arn = self._identity(home)
        for pool in args["pools"]:
            self._teller(pool, [home, exporter])
        drawn = Drawn(self, name, cloud=self._cloud, runbooks=self._runbooks, tags=self._tags)
        told = [self._topic()]
        self.alarm_names = by_name(
            {
                alarm.name: drawn.alarm(alarm, told=told)
                for pool in args["pools"]
                for alarm in alarms_of(GpuPool(args["cluster"]["name"], pool))
            }
        )
        self.dashboard_names, self.grafana_uris = self._dashboards(drawn)
        self.register_outputs(declared_outputs(self))

    def _home(self) -> pulumi.Resource:
        """A namespace whose pods reach AWS and the exporter, and that nothing reaches."""
        home = self._objects.namespace(f"{self._name}-namespace", gpu_objects.NAMESPACE)
        for role, spec in (
            ("default-deny", kubernetes_objects.default_deny()),
            ("egress", kubernetes_objects.egress_to_aws()),
            ("to-exporter", gpu_objects.egress_to_exporter()),
        ):
            self._objects.network_policy(f"{self._name}-{role}", gpu_objects.NAMESPACE, role, spec, home)
        return home

    def _identity(self, home: pulumi.Resource) -> pulumi.Output[str]:
        role = aws.iam.Role(
            f"{self._name}-role",
            description=f"Tells CloudWatch of the GPUs that {self._name} watches",
            assume_role_policy=self._cloud.account.apply(iam.pod_trust),
            tags=self._tags,
            opts=self._options,
        )
        aws.iam.RolePolicy(
            f"{self._name}-policy",
            role=role.id,
            policy=iam.document(iam.put_metrics(PLATFORM)),
            opts=self._options,
        )
        self._objects.service_account(
            f"{self._name}-account", gpu_objects.NAMESPACE, gpu_objects.ACCOUNT, [home]
        )
        aws.eks.PodIdentityAssociation(
            f"{self._name}-identity",
            cluster_name=self._args["cluster"]["name"],
            namespace=gpu_objects.NAMESPACE,
            service_account=gpu_objects.ACCOUNT,
            role_arn=role.arn,
            tags=self._tags,
            opts=self._options,
        )
        return role.arn

    def _teller(self, pool: str, after: list[pulumi.Resource]) -> None:
        self._objects.built_in(
            f"{self._name}-{pool}",
            "DaemonSet",
            {"name": pool, "namespace": gpu_objects.NAMESPACE},
            pulumi.Output.all(
                cluster=self._args["cluster"]["name"],
                image=self._args["image_uri"],
                region=self._cloud.region,
            ).apply(lambda known: gpu_objects.teller(pool=pool, **known)),
            after=after,
        )

    def _topic(self) -> pulumi.Input[str]:
        if "topic_arn" in self._args:
            return self._args["topic_arn"]
        return alert_topic(
            self,
            f"{self._name}-alerts",
            cloud=self._cloud,
            kms_key_arn=data_key(self, self._name, self._args, self._cloud, purpose="Alerts"),
            services=["cloudwatch.amazonaws.com"],
            emails=self._args.get("emails", []),
            tags=self._tags,
        )

    def _dashboards(
        self, drawn: Drawn
    ) -> tuple[pulumi.Output[dict[str, str]], pulumi.Output[dict[str, str]]]:
        described = pulumi.Output.from_input(self._args["cluster"]["name"]).apply(
            lambda cluster: of_gpus(
                pulumi.get_stack(),
                [GpuPool(cluster, pool) for pool in self._args["pools"]],
                runbooks=self._runbooks,
            )
        )
        names, uris = {}, {}
        if self._args.get("dashboards", True):
            names[PAGE] = drawn.dashboard(PAGE, described)
        if "grafana_bucket" in self._args:
            uris[PAGE] = drawn.grafana_file(PAGE, described, self._args["grafana_bucket"])
        return by_name(names), by_name(uris)


def _check(name: str, args: GpuTelemetryArgs) -> None:
    problems = Problems("GpuTelemetry", name)
    if problems.shape(args, GpuTelemetryArgs):
        pools = args["pools"]
        if not pools:
            problems.add("pools", [], "must name at least one")
        if len(pools) > MOST_POOLS:
            problems.add("pools", len(pools), f"at most {MOST_POOLS}")
        problems.distinct("pools", pools)
        for index, pool in enumerate(pools):
            problems.matches(f"pools[{index}]", pool, NAME, NAME_REMEDY)
        problems.matches("imageUri", args["image_uri"], DIGEST, DIGEST_REMEDY)
        if len(args.get("emails", [])) > 10:
            problems.add("emails", args["emails"], "at most ten; subscribe others to the topic")
    problems.raise_if_any()
