"""ServingCluster: models that answer from a cluster, behind one gateway."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NotRequired, TypedDict
from urllib.parse import urlsplit

import pulumi
import pulumi_aws as aws

from components import iam, kubernetes_objects, serving_objects
from components.batch_queue import DEFAULT_SCRATCH_GIB
from components.charts import KEDA
from components.checks import NAME, NAME_REMEDY, Problems
from components.context import by_name, current_cloud, declared_outputs
from components.encryption import data_key
from components.kubernetes_objects import DIGEST, DIGEST_REMEDY, Objects
from components.pool_objects import Pool, Request
from components.serving_objects import Container, Pods
from components.training_pool import DEFAULT_AMI, PoolCluster, node_class

CPU_TYPES: Final = ("m6a.xlarge", "m6i.xlarge", "m7i.xlarge")
GPU_TYPES: Final = ("g5.xlarge", "g6.2xlarge", "g6.xlarge")
RUNTIMES: Final = ("cpu", "gpu")
STEPS: Final = ("previous", "last-good", "default-answer")
"""The ladder below the live version, from the better answer down."""
PREVIOUS: Final = "previous"
DEFAULT_TARGETS: Final = {"cpu": 8, "gpu": 4}
"""Requests under way (CPU) or waiting (GPU) that one replica should have."""
GATEWAY_ACCOUNT: Final = "gateway"
GATEWAY_CONTAINER: Final = Request(vcpus=1, memory_mib=1024, accelerators=0)
GATEWAY_LEAST: Final = 2
GATEWAY_MOST: Final = 10
FETCH_CONTAINER: Final = Request(vcpus=1, memory_mib=512, accelerators=0)
START_SECONDS: Final = {"cpu": 120, "gpu": 1200}
"""A large model takes minutes to get into a GPU's memory."""
WARM_PRIORITY: Final = -10
_PLATFORM_IMAGE: Final = {serving_objects.IMAGE: serving_objects.PLATFORM}
_LONGEST: Final = 50
"""Of a Deployment's name: what Kubernetes hangs on it for pods must fit as well."""
_PACKAGE: Final = re.compile(r"arn:(aws[a-z-]*):sagemaker:([a-z0-9-]+):(\d{12}):model-package/(.+)")


class ServedVariant(TypedDict):
    """One version of a model, on pods of its own."""

    name: str
    """`live`, `previous`, or what a challenger is called."""
    model_package_arn: pulumi.Input[str]
    """Registered, approved version."""
    percent: NotRequired[float]
    """Its share of users; 0 keeps it ready only. The model's shares add up to 100. Of a shadow: the share of
    requests that it gets copies of. Default: 100; 0 for `previous`."""
    shadow: NotRequired[bool]
    """Whether it is only asked along, and nobody gets its answers. Default: false."""


class ServedModel(TypedDict):
    """One model."""

    name: str
    """Name of the model; its artifacts lie under `models/<name>/`."""
    package_group: pulumi.Input[str]
    """Its model package group."""
    variants: list[ServedVariant]
    """Versions that answer; none before the first release: then it has an identity and no pods."""
    keys: list[str]
    """Join keys that name an entity, for the gateway; at least one."""
    runtime: NotRequired[str]
    """`cpu` (the platform image's `serve`: ONNX Runtime or scikit-learn) or `gpu` (vLLM). Default: cpu."""
    image_uri: NotRequired[pulumi.Input[str]]
    """Image of the model layer, by digest; required for `gpu`: one that has `vllm`. Default: the
    platform's."""
    arguments: NotRequired[list[str]]
    """More arguments for vLLM. Default: none."""
    min_replicas: NotRequired[int]
    """Pods of each variant; from 1 to 1000. Default: 2, so that one may fail."""
    max_replicas: NotRequired[int]
    """The most pods of each variant; from 1 to 1000. Default: twice `min_replicas`."""
    target: NotRequired[int]
    """Requests under way (cpu) or waiting (gpu) that a replica should have. Default: 8, and 4."""
    warm_replicas: NotRequired[int]
    """Places that are held for replicas to come, on machines that run already; from 0 to 100. Default: 0."""
    vcpus: NotRequired[int]
    """vCPUs of a pod; from 1 to 192. Default: 1."""
    memory_mib: NotRequired[int]
    """Memory of a pod, in MiB; from 256. Default: 1024."""
    gpus: NotRequired[int]
    """GPUs of a pod, with `gpu`; from 1 to 8. Default: 1."""
    model_gib: NotRequired[int]
    """Room for the model's files, unpacked, in GiB; from 1 to 1000. Default: 1."""
    ladder: NotRequired[list[str]]
    """What answers when the live version does not: `previous`, `last-good`, `default-answer`.
    Default: none."""
    default_answer: NotRequired[str]
    """The last step's answer, as JSON."""
    last_good_seconds: NotRequired[int]
    """How long a last good answer stands. Default: 3600."""
    timeout_ms: NotRequired[int]
    """How long the gateway waits for the model; from 10 to 60000. Default: 1000."""
    slow_ms: NotRequired[int]
    """Answers later than this count as slow. Default: `timeout_ms`."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of what is this model's, beside the component's."""


class ServingGateway(TypedDict):
    """The application layer, where its defaults are not right."""

    min_replicas: NotRequired[int]
    """Pods; from 1 to 100. Default: 2, so that one may fail."""
    max_replicas: NotRequired[int]
    """The most pods; from 1 to 100. Default: 10."""
    environment: NotRequired[dict[str, pulumi.Input[str]]]
    """More environment variables (docs/serving.md). Default: none."""
    policy_arns: NotRequired[list[pulumi.Input[str]]]
    """More policies of its role. Default: none; it writes the prediction log."""


class ServingEntrance(TypedDict):
    """A Gateway of the Gateway API, which is there already."""

    gateway: str
    """Name of the Gateway."""
    namespace: str
    """Its namespace, and that of its proxies."""
    hostnames: NotRequired[list[str]]
    """Host names that requests come by. Default: any."""
    models: NotRequired[bool]
    """Whether callers without users reach models too, at `/models/<model>/invocations`, spread over the
    variants by their shares. Default: false; all go through the gateway."""


class ServingPrometheus(TypedDict):
    """A Prometheus in the cluster, which scrapes pods by the `prometheus.io/…` annotations."""

    url: str
    """Its address, such as `http://prometheus.monitoring.svc:9090`."""
    namespace: str
    """Where it runs."""


class ServingClusterArgs(TypedDict):
    """Inputs of ServingCluster."""

    cluster: PoolCluster
    """The cluster; outputs of Cluster."""
    namespace: str
    """Namespace to serve in; one of the cluster's."""
    image_uri: pulumi.Input[str]
    """The platform image, by digest."""
    artifacts_bucket: pulumi.Input[str]
    """Bucket of the models; the prediction log goes there too."""
    models: list[ServedModel]
    """Models; at least one."""
    gateway: NotRequired[ServingGateway]
    """The gateway's own settings. Default: two to ten pods."""
    callers: NotRequired[list[str]]
    """Namespaces that may ask the gateway. Default: none but the entrance."""
    entrance: NotRequired[ServingEntrance]
    """Where requests from outside the cluster come in. Default: they do not."""
    prometheus: NotRequired[ServingPrometheus]
    """What models are scaled by. Default: none, and `cpu` models follow their CPU; `gpu` models need it."""
    cpu_instance_types: NotRequired[list[str]]
    """Machines of gateway and `cpu` models. Default: m6a.xlarge, m6i.xlarge, m7i.xlarge."""
    gpu_instance_types: NotRequired[list[str]]
    """Machines of `gpu` models. Default: g5.xlarge, g6.xlarge, g6.2xlarge."""
    ami: NotRequired[str]
    """Image of the machines. Default: the Bottlerocket that this release was made with."""
    kms_key_arn: NotRequired[pulumi.Input[str]]
    """Key of the artifacts bucket. Default: a key is made, rotated yearly."""
    allow_data_loss: NotRequired[bool]
    """Lets a deletion of the component take a key it made along. Default: false."""
    tags: NotRequired[dict[str, pulumi.Input[str]]]
    """Tags of everything that takes tags."""


@dataclass(frozen=True)
class _Replicas:
    """How many pods a Deployment has."""

    least: int
    most: int


class ServingCluster(pulumi.ComponentResource):
    """A gateway (the application layer) and pods for each version of each model (the model layer).

    Machines are on demand, tainted for serving, and come and go with the pods.
    """

    gateway_url: pulumi.Output[str]
    """Where the gateway answers inside the cluster; empty before a model has a version."""
    model_urls: pulumi.Output[dict[str, str]]
    """`<model>-<variant>` → where that version answers inside the cluster."""
    gateway_models: pulumi.Output[str]
    """What the gateway is told of its models, as JSON."""
    gateway_role_arn: pulumi.Output[str]
    """Role of the gateway."""
    model_role_arns: pulumi.Output[dict[str, str]]
    """Model → role of its pods."""
    node_pools: pulumi.Output[list[str]]
    """Names of the Karpenter node pools."""

    def __init__(
        self, name: str, args: ServingClusterArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("stagecraft:index:ServingCluster", name, args, opts)
        _check(name, args)
        self._name = name
        self._args = args
        self._tags = args.get("tags", {})
        self._options = pulumi.ResourceOptions(parent=self)
        self._cloud = current_cloud(self)
        self._key = data_key(self, name, args, self._cloud, purpose="Models")
        self._objects = Objects(
            self, kubernetes_objects.provider(f"{name}-kubernetes", args["cluster"]["kubeconfig"], self)
        )
        self._pools = self._machines()
        self._identities: dict[str, list[pulumi.Resource]] = {}
        self._policies = self._network_policies()
        self.model_role_arns = by_name({model["name"]: self._model_role(model) for model in args["models"]})
        self.gateway_role_arn = self._gateway_role()
        self._warm_class = self._warm_priority()
        self.model_urls = by_name(dict(self._models()))
        declared = gateway_models(args)
        self.gateway_models = pulumi.Output.from_input(declared)
        self.gateway_url = pulumi.Output.from_input(self._gateway(declared) if declared != "{}" else "")
        self._route()
        self.node_pools = pulumi.Output.from_input([pool.name for pool, _node_pool in self._pools.values()])
        self.register_outputs(declared_outputs(self))

    def _machines(self) -> dict[str, tuple[Pool, pulumi.Resource]]:
        """Runtime → its pool, and the node pool that pods wait for."""
        gpu = any(_runtime(model) == "gpu" for model in self._args["models"])
        types = {"cpu": self._args.get("cpu_instance_types", CPU_TYPES)}
        if gpu:
            types["gpu"] = self._args.get("gpu_instance_types", GPU_TYPES)
        made: dict[str, tuple[Pool, pulumi.Resource]] = {}
        for runtime, kinds in types.items():
            pool = serving_objects.serving_pool(f"{self._name}-serving", list(kinds), gpu=runtime == "gpu")
            made[runtime] = pool, self._node_pool(pool, limits_of(self._args, runtime))
        return made

    def _node_pool(self, pool: Pool, limits: Request) -> pulumi.Resource:
        machines = node_class(
            self._objects,
            f"{pool.name}-machines",
            pool.name,
            cluster=self._args["cluster"],
            ami=self._args.get("ami", DEFAULT_AMI),
            scratch_gib=DEFAULT_SCRATCH_GIB,
            tags=self._tags,
        )
        spec = serving_objects.node_pool(pool, limits)
        return self._objects.custom(
            f"{pool.name}-pool",
            "karpenter.sh/v1",
            "NodePool",
            {"name": f"{pool.name}-on-demand"},
            machines.urn.apply(lambda _urn: spec),
        )

    def _network_policies(self) -> list[pulumi.Resource]:
        entrance, prometheus = self._args.get("entrance"), self._args.get("prometheus")
        asked = serving_objects.network_policies(
            self._name,
            callers=self._args.get("callers", []),
            prometheus="" if prometheus is None else prometheus["namespace"],
            routed=entrance is not None and entrance.get("models", False),
            entrance="" if entrance is None else entrance["namespace"],
        )
        _pool, first = self._pools["cpu"]
        made = [
            self._objects.network_policy(
                f"{self._name}-{role}", self._args["namespace"], f"{self._name}-{role}", spec, first
            )
            for role, spec in asked.items()
        ]
        if prometheus is not None:
            spec = serving_objects.scaler_egress(prometheus["namespace"], _port(prometheus["url"]))
            made.append(
                self._objects.network_policy(
                    f"{self._name}-scaler", KEDA.namespace, f"{self._name}-to-prometheus", spec, first
                )
            )
        return made

    def _identity(
        self, account: str, policy: pulumi.Output[str], tags: Mapping[str, pulumi.Input[str]]
    ) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
        """A service account, and what it may do in AWS: its role's ARN and name."""
        name = f"{self._name}-{account}"
        role = aws.iam.Role(
            f"{name}-role",
            description=f"What {account} may do, served by {self._name}",
            assume_role_policy=self._cloud.account.apply(iam.pod_trust),
            tags=tags,
            opts=self._options,
        )
        rights = aws.iam.RolePolicy(f"{name}-policy", role=role.id, policy=policy, opts=self._options)
        known = self._objects.service_account(f"{name}-account", self._args["namespace"], account)
        association = aws.eks.PodIdentityAssociation(
            f"{name}-identity",
            cluster_name=self._args["cluster"]["name"],
            namespace=self._args["namespace"],
            service_account=account,
            role_arn=role.arn,
            tags=tags,
            opts=self._options,
        )
        # A pod gets its credentials when it is made, or never.
        self._identities[account] = [rights, known, association]
        return role.arn, role.name

    def _model_role(self, model: ServedModel) -> pulumi.Output[str]:
        policy = pulumi.Output.all(
            bucket=self._cloud.bucket_arn(self._args["artifacts_bucket"]),
            packages=self._cloud.arn(
                "sagemaker", pulumi.Output.concat("model-package/", model["package_group"], "/*")
            ),
            key=self._key,
        ).apply(lambda known: model_policy(model=model["name"], **known))
        arn, _role = self._identity(model["name"], policy, {**self._tags, **model.get("tags", {})})
        return arn

    def _gateway_role(self) -> pulumi.Output[str]:
        policy = pulumi.Output.all(
            bucket=self._cloud.bucket_arn(self._args["artifacts_bucket"]), key=self._key
        ).apply(lambda known: gateway_policy(**known))
        arn, role = self._identity(GATEWAY_ACCOUNT, policy, self._tags)
        for index, more in enumerate(self._args.get("gateway", {}).get("policy_arns", [])):
            aws.iam.RolePolicyAttachment(
                f"{self._name}-{GATEWAY_ACCOUNT}-policy-{index}",
                role=role,
                policy_arn=more,
                opts=self._options,
            )
        return arn

    def _warm_priority(self) -> str:
        if not any(model.get("warm_replicas", 0) and model["variants"] for model in self._args["models"]):
            return ""
        physical = f"{self._name}-warm"
        self._objects.priority_class(
            f"{self._name}-warm-class", physical, WARM_PRIORITY, "Holds a place until a replica needs it"
        )
        return physical

    def _models(self) -> Iterator[tuple[str, str]]:
        for model in self._args["models"]:
            for variant in model["variants"]:
                yield workload_name(model, variant), self._variant(model, variant)
            if model["variants"] and model.get("warm_replicas", 0):
                self._warm(model)

    def _variant(self, model: ServedModel, variant: ServedVariant) -> str:
        name = workload_name(model, variant)
        labels = {
            serving_objects.PART: self._name,
            serving_objects.LAYER: "model",
            serving_objects.MODEL: model["name"],
            serving_objects.VARIANT: variant["name"],
        }
        self._deployment(
            name,
            pulumi.Output.all(
                platform=self._args["image_uri"],
                image=_image(self._args, model),
                version=variant["model_package_arn"],
                region=self._cloud.region,
            ).apply(
                lambda known: self._pods(
                    name,
                    account=model["name"],
                    labels=labels,
                    container=model_container(model, known["image"]),
                    runtime=_runtime(model),
                    fetch=_fetching(known["platform"], known["version"], known["region"]),
                    scratch_gib=int(model.get("model_gib", 1)),
                    annotations={
                        **serving_objects.scraped(serving_objects.MODEL_PORT),
                        **({} if "image_uri" in model else _PLATFORM_IMAGE),
                    },
                ).deployment(None)
            ),
            labels,
            annotations={serving_objects.FALLBACK: _fallback(model)},
            runtime=_runtime(model),
            account=model["name"],
        )
        self._scaler(name, model)
        return self._service(name, labels, serving_objects.MODEL_PORT)

    def _warm(self, model: ServedModel) -> None:
        """Places for replicas to come, on machines that have the image: they yield to whatever needs them."""
        name = f"{model['name']}-warm"
        labels = {
            serving_objects.PART: self._name,
            serving_objects.LAYER: "warm",
            serving_objects.MODEL: model["name"],
        }
        self._deployment(
            name,
            pulumi.Output.from_input(_image(self._args, model)).apply(
                lambda image: self._pods(
                    name,
                    account=model["name"],
                    labels=labels,
                    container=serving_objects.holding(image, _request(model)),
                    runtime=_runtime(model),
                    priority_class=self._warm_class,
                ).deployment(int(model.get("warm_replicas", 0)))
            ),
            labels,
            runtime=_runtime(model),
            account=model["name"],
        )

    def _gateway(self, declared: str) -> str:
        name = GATEWAY_ACCOUNT
        labels = {serving_objects.PART: self._name, serving_objects.LAYER: "application"}
        self._deployment(
            name,
            pulumi.Output.all(
                image=self._args["image_uri"],
                bucket=self._args["artifacts_bucket"],
                region=self._cloud.region,
                more=self._args.get("gateway", {}).get("environment", {}),
            ).apply(
                lambda known: self._pods(
                    name,
                    account=GATEWAY_ACCOUNT,
                    labels=labels,
                    container=gateway_container(declared, **known),
                    runtime="cpu",
                    annotations={
                        **serving_objects.scraped(serving_objects.GATEWAY_PORT),
                        **_PLATFORM_IMAGE,
                    },
                ).deployment(None)
            ),
            labels,
            runtime="cpu",
            account=GATEWAY_ACCOUNT,
        )
        self._objects.built_in(
            f"{self._name}-{name}-scaler",
            "HorizontalPodAutoscaler",
            self._metadata(name),
            serving_objects.cpu_scaler(name, *_gateway_replicas(self._args)),
        )
        return self._service(name, labels, serving_objects.GATEWAY_PORT)

    def _pods(self, name: str, *, runtime: str, **more: Any) -> Pods:
        pool, _node_pool = self._pools[runtime]
        return Pods(name=name, namespace=self._args["namespace"], pool=pool, **more)

    def _metadata(self, name: str, **more: Any) -> dict[str, Any]:
        return {
            "name": name,
            "namespace": self._args["namespace"],
            "labels": {serving_objects.PART: self._name},
            **more,
        }

    def _deployment(
        self,
        name: str,
        spec: pulumi.Output[dict[str, Any]],
        labels: Mapping[str, str],
        *,
        runtime: str,
        account: str,
        annotations: Mapping[str, str] | None = None,
    ) -> None:
        _pool, node_pool = self._pools[runtime]
        self._objects.built_in(
            f"{self._name}-{name}",
            "Deployment",
            self._metadata(name, **({"annotations": dict(annotations)} if annotations else {})),
            spec,
            after=[node_pool, *self._policies, *self._identities[account]],
        )
        self._objects.built_in(
            f"{self._name}-{name}-budget",
            "PodDisruptionBudget",
            self._metadata(name),
            serving_objects.disruption_budget(labels),
        )

    def _scaler(self, name: str, model: ServedModel) -> None:
        replicas = _replicas(model)
        if "prometheus" not in self._args:
            self._objects.built_in(
                f"{self._name}-{name}-scaler",
                "HorizontalPodAutoscaler",
                self._metadata(name),
                serving_objects.cpu_scaler(name, replicas.least, replicas.most),
            )
            return
        runtime = _runtime(model)
        self._objects.custom(
            f"{self._name}-{name}-scaler",
            "keda.sh/v1alpha1",
            "ScaledObject",
            self._metadata(name),
            serving_objects.queue_scaler(
                name,
                replicas.least,
                replicas.most,
                prometheus=self._args["prometheus"]["url"],
                query=serving_objects.depth_query(
                    namespace=self._args["namespace"], deployment=name, gpu=runtime == "gpu"
                ),
                target=int(model.get("target", DEFAULT_TARGETS[runtime])),
            ),
        )

    def _service(self, name: str, labels: Mapping[str, str], port: int) -> str:
        self._objects.built_in(
            f"{self._name}-{name}-service",
            "Service",
            self._metadata(name),
            serving_objects.service(labels, port),
        )
        return _url(self._args["namespace"], name, port)

    def _route(self) -> None:
        if "entrance" not in self._args or not any(model["variants"] for model in self._args["models"]):
            return
        entrance = self._args["entrance"]
        shares = {
            # The Gateway API knows whole numbers.
            model["name"]: {
                workload_name(model, variant): round(_percent(variant) * 100) for variant in _answering(model)
            }
            for model in self._args["models"]
            if model["variants"] and entrance.get("models", False)
        }
        self._objects.custom(
            f"{self._name}-route",
            "gateway.networking.k8s.io/v1",
            "HTTPRoute",
            self._metadata(self._name),
            serving_objects.route(
                gateway=entrance["gateway"],
                namespace=entrance["namespace"],
                hostnames=entrance.get("hostnames", []),
                application=GATEWAY_ACCOUNT,
                weights=shares,
            ),
        )


def _gateway_replicas(args: ServingClusterArgs) -> tuple[int, int]:
    asked = args.get("gateway", {})
    return int(asked.get("min_replicas", GATEWAY_LEAST)), int(asked.get("max_replicas", GATEWAY_MOST))


def gpu_pool_name(component: str) -> str:
    """What the GPU pool of a component of this name is called, where it has one."""
    return serving_objects.serving_pool(f"{component}-serving", [], gpu=True).name


def workload_name(model: ServedModel, variant: ServedVariant) -> str:
    """What the Deployment and Service of a version are called."""
    return f"{model['name']}-{variant['name']}"


def _url(namespace: str, name: str, port: int) -> str:
    return f"http://{name}.{namespace}.svc:{port}"


def _runtime(model: ServedModel) -> str:
    return model.get("runtime", "cpu")


def _percent(variant: ServedVariant) -> float:
    """Its share; a whole number as one, so that manifests stay as people write them."""
    percent = float(variant.get("percent", 0 if variant["name"] == PREVIOUS else 100))
    return int(percent) if percent.is_integer() else percent


def _answering(model: ServedModel) -> list[ServedVariant]:
    """The variants whose answers users may get."""
    return [variant for variant in model["variants"] if not variant.get("shadow", False)]


def _fallback(model: ServedModel) -> str:
    """The ladder's lowest step, as policies look for it."""
    return (model.get("ladder") or ["none"])[-1]


def _replicas(model: ServedModel) -> _Replicas:
    least = int(model.get("min_replicas", 2))
    return _Replicas(least, int(model.get("max_replicas", least * 2)))


def _request(model: ServedModel) -> Request:
    return Request(
        vcpus=int(model.get("vcpus", 1)),
        memory_mib=int(model.get("memory_mib", 1024)),
        accelerators=int(model.get("gpus", 1)) if _runtime(model) == "gpu" else 0,
    )


def _image(args: ServingClusterArgs, model: ServedModel) -> pulumi.Input[str]:
    return model.get("image_uri", args["image_uri"])


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _fetching(image: str, version: str, region: str) -> Container:
    """Puts the registered, approved version's files where the model container looks for them."""
    return Container(
        "fetch-model",
        image,
        FETCH_CONTAINER,
        arguments=["fetch-model"],
        environment={
            "AWS_DEFAULT_REGION": region,
            "SM_MODEL_DIR": serving_objects.MODEL_FOLDER,
            "STAGECRAFT_MODEL_DIGEST_FILE": serving_objects.DIGEST_FILE,
            "STAGECRAFT_MODEL_PACKAGE": version,
        },
    )


def model_container(model: ServedModel, image: str) -> Container:
    """What answers for one model."""
    runtime = _runtime(model)
    shared: dict[str, Any] = {
        "name": "model",
        "image": image,
        "request": _request(model),
        "port": serving_objects.MODEL_PORT,
        "start_seconds": START_SECONDS[runtime],
    }
    if runtime == "gpu":
        return Container(
            **shared,
            # Its images start their server in different ways; this one they all have.
            command=("vllm", "serve"),
            arguments=[
                serving_objects.MODEL_FOLDER,
                f"--served-model-name={model['name']}",
                f"--port={serving_objects.MODEL_PORT}",
                f"--tensor-parallel-size={int(model.get('gpus', 1))}",
                *model.get("arguments", []),
            ],
            # Its files are there; it asks nobody, tells nobody, and writes only where it may.
            environment={
                "HF_HUB_OFFLINE": "1",
                "HOME": "/tmp",  # noqa: S108  # in the container
                "VLLM_NO_USAGE_STATS": "1",
            },
            ready="/health",
            alive="/health",
        )
    return Container(
        **shared,
        arguments=["serve"],
        environment={
            "SM_MODEL_DIR": serving_objects.MODEL_FOLDER,
            "STAGECRAFT_MODEL_DIGEST_FILE": serving_objects.DIGEST_FILE,
            # The gateway keeps its connections to a pod that goes.
            "STAGECRAFT_DRAIN_SECONDS": "2",
            # A smaller form is in a version only if it answers as well.
            "STAGECRAFT_SERVE_OPTIMISED": "true",
        },
        ready="/ping",
        alive="/ping",
    )


def gateway_container(
    declared: str, *, image: str, bucket: str, region: str, more: Mapping[str, str]
) -> Container:
    """The application layer."""
    return Container(
        GATEWAY_ACCOUNT,
        image,
        GATEWAY_CONTAINER,
        arguments=["gateway"],
        environment={
            "AWS_DEFAULT_REGION": region,
            "STAGECRAFT_ARTIFACTS_BUCKET": bucket,
            "STAGECRAFT_GATEWAY_MODELS": declared,
            "STAGECRAFT_GATEWAY_PORT": str(serving_objects.GATEWAY_PORT),
            "STAGECRAFT_STACK": pulumi.get_stack(),
            **more,
        },
        port=serving_objects.GATEWAY_PORT,
        ready="/readyz",
        alive="/livez",
        start_seconds=60,
    )


def gateway_models(args: ServingClusterArgs) -> str:
    """`STAGECRAFT_GATEWAY_MODELS` (docs/serving.md), of the models that have a version."""
    return json.dumps(
        {model["name"]: _declared(args, model) for model in args["models"] if model["variants"]},
        sort_keys=True,
    )


def _declared(args: ServingClusterArgs, model: ServedModel) -> dict[str, Any]:
    def target(variant: ServedVariant) -> dict[str, str]:
        return {"url": _url(args["namespace"], workload_name(model, variant), serving_objects.MODEL_PORT)}

    ladder, timeout = list(model.get("ladder", [])), int(model.get("timeout_ms", 1000))
    declared: dict[str, Any] = {
        "keys": list(model["keys"]),
        "variants": [
            {"name": variant["name"], "weight": _percent(variant), **target(variant)}
            for variant in _answering(model)
            if _percent(variant)
        ],
        "ladder": ["live", *ladder],
        "timeoutMs": timeout,
        "slowMs": int(model.get("slow_ms", timeout)),
    }
    if _runtime(model) == "gpu":
        declared["speaks"] = "completions"
    for variant in model["variants"]:
        if variant["name"] == PREVIOUS and PREVIOUS in ladder:
            declared["previous"] = target(variant)
        if variant.get("shadow", False):
            declared["shadow"] = {"percent": _percent(variant), **target(variant)}
    if "last-good" in ladder:
        declared["lastGoodSeconds"] = int(model.get("last_good_seconds", 3600))
    if "default-answer" in ladder:
        declared["defaultAnswer"] = json.loads(model["default_answer"])
    return declared


def limits_of(args: ServingClusterArgs, runtime: str) -> Request:
    """What the machines of a runtime may come to: every replica at once, and what machines leave over."""
    vcpus = memory = accelerators = 0
    _least, gateways = _gateway_replicas(args)
    for model in args["models"]:
        if _runtime(model) == runtime:
            pods = max(1, len(model["variants"])) * _replicas(model).most + int(model.get("warm_replicas", 0))
            request = _request(model)
            vcpus += pods * request.vcpus
            memory += pods * request.memory_mib
            accelerators += pods * request.accelerators
    if runtime == "cpu":
        vcpus += gateways * GATEWAY_CONTAINER.vcpus
        memory += gateways * GATEWAY_CONTAINER.memory_mib
    # A machine's vCPUs and memory are never in just the pods' proportion.
    return Request(vcpus=vcpus * 2 + 8, memory_mib=(memory + vcpus * 4096) * 2, accelerators=accelerators)


def model_policy(*, bucket: str, model: str, packages: str, key: str) -> str:
    """A model's pods read its registered versions and their files, and nothing else."""
    return iam.document(
        *iam.bucket_access(bucket, read=[f"models/{model}/"]),
        iam.allow(["sagemaker:DescribeModelPackage"], [packages]),
        iam.allow(["kms:Decrypt"], [key]),
    )


def gateway_policy(*, bucket: str, key: str) -> str:
    """The gateway writes the prediction log."""
    return iam.document(*iam.bucket_access(bucket, write=["predictions/"]), iam.key_access(key))


def _check(name: str, args: ServingClusterArgs) -> None:
    problems = Problems("ServingCluster", name)
    if problems.shape(args, ServingClusterArgs):
        problems.matches("namespace", args["namespace"], NAME, NAME_REMEDY)
        problems.matches("imageUri", args["image_uri"], DIGEST, DIGEST_REMEDY)
        if not args["models"]:
            problems.add("models", [], "must name one")
        problems.distinct("models", [model["name"] for model in args["models"]])
        for key in ("cpu_instance_types", "gpu_instance_types"):
            if args.get(key) == []:
                problems.add(_camel(key), [], "must name one")
        if "prometheus" in args:
            _check_url(problems, args["prometheus"]["url"])
        least, most = _gateway_replicas(args)
        problems.between("gateway.minReplicas", least, 1, 100)
        problems.between("gateway.maxReplicas", most, least, 100)
        for index, model in enumerate(args["models"]):
            _check_model(problems, f"models[{index}]", model, queue="prometheus" in args)
    problems.raise_if_any()


def _camel(key: str) -> str:
    """An input's name as people write it."""
    head, *rest = key.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _check_url(problems: Problems, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        problems.add("prometheus.url", url, "must be http://host:port, without credentials")


def _check_model(problems: Problems, path: str, model: ServedModel, *, queue: bool) -> None:
    problems.matches(f"{path}.name", model["name"], NAME, NAME_REMEDY)
    if model["name"] == GATEWAY_ACCOUNT:
        problems.add(f"{path}.name", model["name"], "is the gateway's own name")
    problems.one_of(f"{path}.runtime", _runtime(model), RUNTIMES)
    if not model["keys"]:
        problems.add(f"{path}.keys", [], "must name one")
    if _runtime(model) == "gpu":
        if "image_uri" not in model:
            problems.add(f"{path}.imageUri", None, "is required: vLLM's image, by digest")
        if not queue:
            problems.add(f"{path}.runtime", "gpu", "needs prometheus: GPUs are scaled by what waits for them")
    else:
        for key in ("arguments", "gpus"):
            if key in model:
                problems.add(f"{path}.{key}", model.get(key), "goes with the runtime gpu only")
    problems.matches(f"{path}.imageUri", model.get("image_uri"), DIGEST, DIGEST_REMEDY)
    replicas = _replicas(model)
    problems.between(f"{path}.minReplicas", model.get("min_replicas"), 1, 1000)
    problems.between(f"{path}.maxReplicas", model.get("max_replicas"), 1, 1000)
    if replicas.most < replicas.least:
        problems.add(f"{path}.maxReplicas", replicas.most, f"must be at least minReplicas ({replicas.least})")
    for key, low, high in (
        ("target", 1, 10_000),
        ("warm_replicas", 0, 100),
        ("vcpus", 1, 192),
        ("memory_mib", 256, 3_145_728),
        ("gpus", 1, 8),
        ("model_gib", 1, 1000),
        ("last_good_seconds", 1, 2_592_000),
        ("timeout_ms", 10, 60_000),
        ("slow_ms", 1, 60_000),
    ):
        problems.between(f"{path}.{_camel(key)}", model.get(key), low, high)
    _check_variants(problems, path, model)
    _check_ladder(problems, path, model)


def _check_variants(problems: Problems, path: str, model: ServedModel) -> None:
    variants = model["variants"]
    problems.distinct(f"{path}.variants", [variant["name"] for variant in variants])
    for index, variant in enumerate(variants):
        place = f"{path}.variants[{index}]"
        problems.matches(f"{place}.name", variant["name"], NAME, NAME_REMEDY)
        if variant["name"] == "warm":
            problems.add(f"{place}.name", variant["name"], "means something else here")
        if len(workload_name(model, variant)) > _LONGEST:
            problems.add(
                f"{place}.name",
                variant["name"],
                f"is too long: with the model's name at most {_LONGEST - 1} characters",
            )
        problems.matches(
            f"{place}.modelPackageArn",
            variant["model_package_arn"],
            _PACKAGE,
            "must be the ARN of a registered version",
        )
        problems.between(f"{place}.percent", variant.get("percent"), 0, 100)
    if sum(variant.get("shadow", False) for variant in variants) > 1:
        problems.add(f"{path}.variants", len(variants), "has more than one shadow")
    total = sum(_percent(variant) for variant in _answering(model))
    if variants and abs(total - 100) > 1e-9:
        problems.add(f"{path}.variants", total, "is what their shares add up to; it must be 100")


def _check_ladder(problems: Problems, path: str, model: ServedModel) -> None:
    ladder = model.get("ladder", [])
    for index, step in enumerate(ladder):
        problems.one_of(f"{path}.ladder[{index}]", step, STEPS)
    known = [step for step in ladder if step in STEPS]
    if known != sorted(set(known), key=STEPS.index):
        problems.add(f"{path}.ladder", ladder, f"must go down: {', '.join(STEPS)}")
    if (
        PREVIOUS in ladder
        and model["variants"]
        and PREVIOUS not in {variant["name"] for variant in model["variants"]}
    ):
        problems.add(f"{path}.ladder", ladder, f"has the step {PREVIOUS}, and no variant is called that")
    if "default-answer" not in ladder:
        return
    try:
        json.loads(model.get("default_answer", ""))
    except ValueError:
        problems.add(
            f"{path}.defaultAnswer",
            model.get("default_answer"),
            "must be JSON: the ladder ends with the step default-answer",
        )
